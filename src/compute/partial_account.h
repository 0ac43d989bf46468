#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "compute/item_failures.h"
#include "compute/job_limits.h"
#include "shardmill/kernel.h"

namespace shardmill::compute {

/// What one partial holds, drawn from the job's budget in steps, so that workers seldom meet at the
/// shared counter. Used by one thread at a time; gives everything back when destroyed. Does not
/// move: kernels keep its address.
class PartialAccount {
 public:
    explicit PartialAccount(std::shared_ptr<JobBudget> budget) noexcept;
    ~PartialAccount();
    PartialAccount(const PartialAccount&) = delete;
    PartialAccount& operator=(const PartialAccount&) = delete;

    /// More (or, negative, less) memory and rows. False, and nothing taken, when a bound is
    /// reached, which `error` then names.
    bool account(std::int64_t bytes, std::int64_t rows) noexcept;
    bool take(std::uint64_t bytes) noexcept { return account(static_cast<std::int64_t>(bytes), 0); }
    void give(std::uint64_t bytes) noexcept { account(-static_cast<std::int64_t>(bytes), 0); }

    std::uint64_t rows() const noexcept { return rows_; }
    /// The bound that was reached, if any.
    std::optional<JobError> error() const;

    ItemFailures& failures() noexcept { return failures_; }

    /// The same as kernels see it; valid as long as the account.
    const shardmill_host* host() const noexcept { return &host_; }

 private:
    bool reserve(std::uint64_t bytes) noexcept;

    std::shared_ptr<JobBudget> budget_;
    shardmill_host host_;
    std::uint64_t used_ = 0;
    std::uint64_t reserved_ = 0;
    std::uint64_t rows_ = 0;
    std::optional<JobErrorKind> reached_;
    ItemFailures failures_;
};

}  // namespace shardmill::compute
