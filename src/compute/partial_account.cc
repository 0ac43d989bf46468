#include "compute/partial_account.h"

#include <fmt/format.h>

#include <algorithm>

namespace shardmill::compute {

namespace {

constexpr std::uint64_t kStep = 64u << 10;

int account_for(void* context, std::int64_t bytes, std::int64_t rows) {
    return static_cast<PartialAccount*>(context)->account(bytes, rows) ? 0 : 1;
}

void fail_item(void* context, std::uint32_t index, const char* text) {
    static_cast<PartialAccount*>(context)->failures().add(index, text);
}

std::uint64_t magnitude(std::int64_t number) noexcept {
    return number < 0 ? ~static_cast<std::uint64_t>(number) + 1
                      : static_cast<std::uint64_t>(number);
}

}  // namespace

PartialAccount::PartialAccount(std::shared_ptr<JobBudget> budget) noexcept
    : budget_(std::move(budget)),
      host_{SHARDMILL_KERNEL_ABI, sizeof(shardmill_host), this, &account_for, &fail_item} {}

PartialAccount::~PartialAccount() { budget_->give(reserved_); }

bool PartialAccount::reserve(std::uint64_t bytes) noexcept {
    if (bytes <= reserved_ - used_) return true;
    const std::uint64_t missing = bytes - (reserved_ - used_);
    const std::uint64_t step = std::max(missing, kStep);
    if (budget_->take(step)) {
        reserved_ += step;
        return true;
    }
    if (step == missing || !budget_->take(missing)) return false;
    reserved_ += missing;
    return true;
}

bool PartialAccount::account(std::int64_t bytes, std::int64_t rows) noexcept {
    const std::uint64_t row_count = magnitude(rows);
    if (rows > 0 &&
        (row_count > budget_->limits().groups || rows_ > budget_->limits().groups - row_count)) {
        reached_ = JobErrorKind::Groups;
        return false;
    }
    const std::uint64_t byte_count = magnitude(bytes);
    if (bytes > 0 && !reserve(byte_count)) {
        reached_ = JobErrorKind::Memory;
        return false;
    }
    // A kernel that gives back more than it took is held to zero.
    used_ = bytes > 0 ? used_ + byte_count : used_ - std::min(used_, byte_count);
    rows_ = rows > 0 ? rows_ + row_count : rows_ - std::min(rows_, row_count);
    if (reserved_ - used_ > 2 * kStep) {
        const std::uint64_t surplus = reserved_ - used_ - kStep;
        budget_->give(surplus);
        reserved_ -= surplus;
    }
    return true;
}

std::optional<JobError> PartialAccount::error() const {
    if (!reached_) return std::nullopt;
    if (*reached_ == JobErrorKind::Groups) {
        return JobError{JobErrorKind::Groups,
                        fmt::format("more than {} groups", budget_->limits().groups)};
    }
    return JobError{JobErrorKind::Memory, fmt::format("needs more than {} bytes of memory",
                                                      budget_->limits().memory_bytes)};
}

}  // namespace shardmill::compute
