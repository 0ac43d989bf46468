#include "store/segment_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <new>
#include <system_error>

#include "base/assert.h"

namespace shardmill::store {
namespace {

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kAddressable = std::uint64_t{1} << 37;  // 35 bits of four bytes
constexpr std::size_t kFreedBatch = 256;
constexpr std::uint64_t kReleaseBytes = 4u << 20;     // given back in one go, at least
constexpr std::uint64_t kReleaseShare = 8;            // of what waits, if that is more
constexpr std::size_t kIdleRuns = 64;                 // released runs whose memory is kept, at most
constexpr std::uint64_t kIdleRunShare = 16;           // of the limit, that they hold at most
constexpr std::uint64_t kFreeBufferBytes = 6u << 20;  // buffers that are not charged, at least
constexpr std::uint64_t kFreeBufferShare = 32;        // of the limit, if that is more

constexpr std::uint64_t round_page(std::uint64_t bytes) noexcept {
    return (bytes + kPage - 1) & ~(kPage - 1);
}

/// Gives pages back to the system. Locked ones (mlockall) are not taken by MADV_DONTNEED: they are
/// unlocked before and go on being locked when they are used again.
void release_pages(char* range, std::uint64_t bytes) noexcept {
    if (::madvise(range, bytes, MADV_DONTNEED) == 0 || errno != EINVAL) return;
    ::munlock(range, bytes);
    ::madvise(range, bytes, MADV_DONTNEED);
    ::mlock2(range, bytes, MLOCK_ONFAULT);
}

void* reserve(std::uint64_t bytes) noexcept {
    void* range = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return range == MAP_FAILED ? nullptr : range;
}

}  // namespace

SegmentPool::SegmentPool(const Config& config)
    : limit_(config.memory_limit),
      limit_max_(std::max(config.limit_max, config.memory_limit)),
      segment_bytes_(config.segment_bytes),
      segment_shift_(static_cast<unsigned>(std::countr_zero(config.segment_bytes))),
      sequence_(config.first_sequence) {
    SHARDMILL_ASSERT(std::has_single_bit(config.segment_bytes));
    // Where addresses are limited, too, the budget cannot be raised.
    if (!reserve_addresses(limit_max_, config.item_bytes_max)) {
        limit_max_ = config.memory_limit;
        if (!reserve_addresses(limit_max_, config.item_bytes_max)) {
            throw std::system_error(
                errno, std::generic_category(),
                "cannot reserve address space for the store (raise `ulimit -v` or lower -m)");
        }
    }
    large_pages_ = config.large_pages && ::madvise(base_, reserved_bytes_, MADV_HUGEPAGE) == 0;
    free_charged_.reserve(units_for(config.memory_limit));
    free_released_.reserve(units_for(config.memory_limit));
    run_used_.resize(units_ - single_units_);
    idle_runs_.reserve(kIdleRuns + 1);
    freed_.reserve(units_for(config.memory_limit));
}

bool SegmentPool::reserve_addresses(std::uint64_t limit, std::uint64_t item_bytes_max) noexcept {
    // Addresses cost nothing: as many single units as the budget can pay for (those lent to scans
    // included), and for large items several times the budget, so that runs are found although
    // freed ones leave holes.
    const std::uint64_t singles = 1 + 2 * (limit / segment_bytes_ + 1);
    const std::uint64_t runs = 8 * ((limit + 2 * item_bytes_max) / segment_bytes_ + 1);
    const std::uint64_t units = std::min(singles + runs, kAddressable / segment_bytes_);
    single_units_ = static_cast<std::uint32_t>(std::min(singles, units / 2));
    units_ = static_cast<std::uint32_t>(units);
    reserved_bytes_ = units * segment_bytes_;
    base_ = static_cast<char*>(reserve(reserved_bytes_));
    segments_ = static_cast<Segment*>(reserve(units * sizeof(Segment)));
    if (base_ != nullptr && segments_ != nullptr) return true;
    const int error = errno;
    if (base_ != nullptr) ::munmap(base_, reserved_bytes_);
    if (segments_ != nullptr) ::munmap(segments_, units * sizeof(Segment));
    errno = error;
    return false;
}

std::uint32_t SegmentPool::units_for(std::uint64_t limit) const noexcept {
    // A large item takes at least a quarter of a segment's bytes, but a unit of its own.
    const std::uint64_t units = 1 + 6 * (limit / segment_bytes_ + 1);
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(units, units_));
}

SegmentPool::~SegmentPool() {
    ::munmap(base_, reserved_bytes_);
    ::munmap(segments_, units_ * sizeof(Segment));
}

/// Memory kept for reuse gives way until `limit` is kept, or enough of it is on its way back.
void SegmentPool::give_up_idle_locked(std::uint64_t limit) noexcept {
    while (charged_.load(std::memory_order_relaxed) > limit && !idle_runs_.empty()) {
        give_up_idle_run();
    }
    std::uint64_t charged = charged_.load(std::memory_order_relaxed);
    while (charged > limit && !free_charged_.empty() && freed_.size() < freed_.capacity()) {
        freed_.push_back({.first_unit = free_charged_.back(), .units = 1, .bytes = segment_bytes_});
        freed_bytes_ += segment_bytes_;
        free_charged_.pop_back();
        charged -= segment_bytes_;
        has_freed_.store(true, std::memory_order_relaxed);
    }
    charged_.store(charged, std::memory_order_relaxed);
}

bool SegmentPool::charge_locked(std::uint64_t bytes) noexcept {
    const std::uint64_t limit = budget();
    give_up_idle_locked(limit - std::min(bytes, limit));
    const std::uint64_t charged = charged_.load(std::memory_order_relaxed);
    if (charged + bytes > limit) return false;
    charged_.store(charged + bytes, std::memory_order_relaxed);
    return true;
}

std::optional<std::uint32_t> SegmentPool::acquire(Exceed exceed) noexcept {
    const std::lock_guard guard(lock_);
    std::uint32_t unit;
    if (!free_charged_.empty()) {
        unit = free_charged_.back();
        free_charged_.pop_back();
    } else {
        if (free_released_.empty() && next_fresh_ == single_units_) return std::nullopt;
        if (!charge_locked(segment_bytes_)) {
            if (exceed == Exceed::No) return std::nullopt;
            charged_.fetch_add(segment_bytes_, std::memory_order_relaxed);
        }
        if (!free_released_.empty()) {
            unit = free_released_.back();
            free_released_.pop_back();
        } else {
            unit = next_fresh_++;
        }
    }
    new (&segments_[unit]) Segment{};
    return unit;
}

void SegmentPool::release(std::uint32_t segment) noexcept {
    const bool charged = segments_[segment].charged;
    segments_[segment].~Segment();
    new (&segments_[segment]) Segment{};
    const std::lock_guard guard(lock_);
    if (!charged) {
        // Lent over the limit: back in the books for as long as the budget has room, else to the
        // system.
        if (!charge_locked(segment_bytes_)) {
            charged_.fetch_add(segment_bytes_, std::memory_order_relaxed);
        }
    }
    free_charged_.push_back(segment);
    give_up_idle_locked(budget());
}

std::optional<std::uint32_t> SegmentPool::find_run(std::uint32_t units) noexcept {
    const auto total = static_cast<std::uint32_t>(run_used_.size());
    if (units > total) return std::nullopt;
    // First fit from where the last search ended, once around.
    std::uint32_t start = run_hint_;
    std::uint32_t length = 0;
    for (std::uint64_t seen = 0; seen < std::uint64_t{2} * total; ++seen) {
        if (start + units > total) {
            start = 0;
            length = 0;
        }
        if (run_used_[start + length]) {
            start += length + 1;
            length = 0;
        } else if (++length == units) {
            return start;
        }
    }
    return std::nullopt;
}

void SegmentPool::mark_run(std::uint32_t first, std::uint32_t units, bool used) noexcept {
    std::fill_n(run_used_.begin() + (first - single_units_), units, used);
}

std::optional<std::uint32_t> SegmentPool::acquire_run(std::uint64_t bytes, Exceed exceed) noexcept {
    const std::uint64_t rounded = round_page(bytes);
    const auto units = static_cast<std::uint32_t>((rounded + segment_bytes_ - 1) >> segment_shift_);
    const std::lock_guard guard(lock_);
    const std::optional<FreedRange> idle = take_idle_run(units, rounded);
    const std::optional<std::uint32_t> start =
        idle ? idle->first_unit - single_units_ : find_run(units);
    if (!start) return std::nullopt;
    const std::uint64_t more = rounded - (idle ? idle->bytes : 0);
    if (!charge_locked(more)) {
        if (exceed == Exceed::No) {
            if (idle) release_charged_run(*idle);
            return std::nullopt;
        }
        charged_.fetch_add(more, std::memory_order_relaxed);
    }
    const std::uint32_t first = *start + single_units_;
    if (!idle) {
        mark_run(first, units, true);
        run_hint_ = *start + units;
    }
    new (&segments_[first]) Segment{};
    return first;
}

/// The largest of the kept runs that is one of `units` and not more than `bytes`: what it lacks can
/// be added to it, what it had too much could not be told from it later.
std::optional<SegmentPool::FreedRange> SegmentPool::take_idle_run(std::uint32_t units,
                                                                  std::uint64_t bytes) noexcept {
    auto best = idle_runs_.end();
    for (auto run = idle_runs_.begin(); run != idle_runs_.end(); ++run) {
        if (run->units != units || run->bytes > bytes) continue;
        if (best == idle_runs_.end() || run->bytes > best->bytes) best = run;
    }
    if (best == idle_runs_.end()) return std::nullopt;
    const FreedRange run = *best;
    idle_runs_.erase(best);
    idle_run_bytes_ -= run.bytes;
    return run;
}

/// Keeps a run for the next item of its size, older ones give way; a large one goes back to the
/// system.
void SegmentPool::release_charged_run(const FreedRange& run) noexcept {
    const std::uint64_t most = memory_limit() / kIdleRunShare;
    idle_runs_.push_back(run);
    idle_run_bytes_ += run.bytes;
    while (idle_runs_.size() > kIdleRuns || idle_run_bytes_ > most) give_up_idle_run();
}

void SegmentPool::give_up_idle_run() noexcept {
    const FreedRange run = idle_runs_.front();
    idle_runs_.erase(idle_runs_.begin());
    idle_run_bytes_ -= run.bytes;
    charged_.fetch_sub(run.bytes, std::memory_order_relaxed);
    free_run(run);
}

void SegmentPool::free_run(const FreedRange& run) noexcept {
    try {
        freed_.push_back(run);
        freed_bytes_ += run.bytes;
    } catch (const std::bad_alloc&) {
        return;  // These addresses and their pages are lost to the pool; the books stay right but
                 // for them.
    }
    has_freed_.store(true, std::memory_order_relaxed);
}

void SegmentPool::release_run(std::uint32_t segment, std::uint64_t bytes) noexcept {
    const std::uint64_t rounded = round_page(bytes);
    const auto units = static_cast<std::uint32_t>((rounded + segment_bytes_ - 1) >> segment_shift_);
    const bool charged = segments_[segment].charged;
    segments_[segment].~Segment();
    new (&segments_[segment]) Segment{};
    const FreedRange run{.first_unit = segment, .units = units, .bytes = rounded};
    const std::lock_guard guard(lock_);
    if (charged) {
        release_charged_run(run);
        give_up_idle_locked(budget());
    } else {
        free_run(run);
    }
}

bool SegmentPool::charge(std::uint64_t bytes) noexcept {
    const std::lock_guard guard(lock_);
    return charge_locked(bytes);
}

void SegmentPool::uncharge(std::uint64_t bytes) noexcept {
    const std::lock_guard guard(lock_);
    charged_.fetch_sub(bytes, std::memory_order_relaxed);
}

void SegmentPool::give_back_elsewhere(char* range, std::uint64_t bytes,
                                      std::atomic<bool>& pending) noexcept {
    const std::lock_guard guard(lock_);
    charged_.fetch_sub(bytes, std::memory_order_relaxed);
    try {
        freed_elsewhere_.push_back({range, bytes, &pending});
        has_freed_.store(true, std::memory_order_relaxed);
    } catch (const std::bad_alloc&) {
        pending.store(false, std::memory_order_relaxed);  // It stays resident until it is used.
    }
}

void SegmentPool::forget_give_back(const std::atomic<bool>& pending) noexcept {
    const std::lock_guard guard(lock_);
    std::erase_if(freed_elsewhere_,
                  [&](const FreedElsewhere& freed) { return freed.pending == &pending; });
}

/// Moves what is to be released now into `batch`: a bounded number of bytes, more when much is
/// waiting, and of a large range only a piece.
std::size_t SegmentPool::take_freed(std::span<FreedRange> batch) noexcept {
    std::uint64_t share = std::max(kReleaseBytes, freed_bytes_ / kReleaseShare & ~(kPage - 1));
    std::size_t taken = 0;
    while (taken < batch.size() && !freed_.empty() && share != 0) {
        FreedRange& last = freed_.back();
        FreedRange& piece = batch[taken++];
        piece = last;
        piece.bytes = std::min(last.bytes, share);
        if (piece.memory == nullptr) piece.memory = data(last.first_unit);
        share -= piece.bytes;
        freed_bytes_ -= piece.bytes;
        if (piece.bytes == last.bytes) {
            freed_.pop_back();
        } else {
            last.memory = piece.memory + piece.bytes;
            last.bytes -= piece.bytes;
            piece.units = 0;  // The last piece tells that all of it has gone.
            piece.first_unit = 0;
        }
    }
    return taken;
}

bool SegmentPool::release_freed_memory() noexcept {
    if (!has_freed_.load(std::memory_order_relaxed)) return false;
    FreedRange batch[kFreedBatch];
    std::size_t taken = 0;
    std::vector<FreedElsewhere> elsewhere;
    {
        const std::lock_guard guard(lock_);
        elsewhere.swap(freed_elsewhere_);
        taken = take_freed(batch);
    }
    for (const FreedElsewhere& freed : elsewhere) {
        release_pages(freed.range, freed.bytes);
        freed.pending->store(false, std::memory_order_release);
    }
    for (std::size_t i = 0; i < taken; ++i) release_pages(batch[i].memory, batch[i].bytes);
    const std::lock_guard guard(lock_);
    for (std::size_t i = 0; i < taken; ++i) {
        const FreedRange& range = batch[i];
        if (range.units == 0) continue;
        if (range.first_unit < single_units_) {
            free_released_.push_back(range.first_unit);
        } else {
            mark_run(range.first_unit, range.units, false);
        }
    }
    give_up_idle_locked(budget());
    if (freed_.empty() && freed_elsewhere_.empty())
        has_freed_.store(false, std::memory_order_relaxed);
    return !freed_.empty();
}

bool SegmentPool::begin_upload(std::uint64_t bytes) noexcept {
    const std::uint64_t before = upload_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    if (before + bytes <= budget() / 2) return true;
    end_upload(bytes);
    return false;
}

bool SegmentPool::set_limit(std::uint64_t bytes) {
    if (bytes > limit_max_) return false;
    // Room for the lists, so that they never grow under the lock.
    std::vector<std::uint32_t> charged, released;
    std::vector<FreedRange> freed;
    charged.reserve(units_for(bytes));
    released.reserve(units_for(bytes));
    freed.reserve(units_for(bytes));
    const std::lock_guard guard(lock_);
    const auto make_room = [](auto& list, auto& room) {
        if (room.capacity() <= list.capacity()) return;
        room.assign(list.begin(), list.end());
        list.swap(room);
    };
    make_room(free_charged_, charged);
    make_room(free_released_, released);
    make_room(freed_, freed);
    limit_.store(bytes, std::memory_order_relaxed);
    give_up_idle_locked(budget());
    return true;
}

std::uint64_t SegmentPool::budget() const noexcept {
    const std::uint64_t limit = memory_limit();
    const std::uint64_t buffers = buffer_bytes_.load(std::memory_order_relaxed);
    const std::uint64_t free = std::max(kFreeBufferBytes, limit / kFreeBufferShare);
    return limit - std::min(buffers - std::min(buffers, free), limit / 2);
}

void SegmentPool::charge_buffers(std::uint64_t before, std::uint64_t now) noexcept {
    buffer_bytes_.fetch_add(now - before, std::memory_order_relaxed);
    if (now <= before) return;
    const std::lock_guard guard(lock_);
    give_up_idle_locked(budget());
}

void SegmentPool::skip_sequences_to(std::uint64_t cas) noexcept {
    const std::uint64_t wanted = (cas >> 24) + 1;
    std::uint64_t current = sequence_.load(std::memory_order_relaxed);
    while (current < wanted &&
           !sequence_.compare_exchange_weak(current, wanted, std::memory_order_relaxed)) {
    }
}

}  // namespace shardmill::store
