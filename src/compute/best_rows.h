#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// The first `limit` of all entries offered, in the order of Entry::before (a total order, so that
/// the answer does not depend on who saw which). Entry::held_bytes is what it holds outside of
/// itself. Memory and rows are accounted for. One thread at a time.
template <typename Entry>
class BestRows {
 public:
    BestRows(kernel::Host host, std::uint64_t limit) noexcept : host_(host), limit_(limit) {}
    ~BestRows() { host_.give(held_, static_cast<std::int64_t>(heap_.size())); }
    BestRows(const BestRows&) = delete;
    BestRows& operator=(const BestRows&) = delete;

    /// Whether an entry for which `before(last)` would be kept; so that only such need be made.
    template <typename Before>
    bool wants(Before&& before) const {
        return heap_.size() < limit_ || before(heap_.front());
    }

    /// For entries that are wanted.
    void add(Entry entry) {
        const bool full = heap_.size() == limit_;
        const std::int64_t bytes = cost(entry);
        host_.take(bytes, full ? 0 : 1);
        held_ += bytes;
        if (full) {
            std::pop_heap(heap_.begin(), heap_.end(), in_order);
            const std::int64_t freed = cost(heap_.back());
            heap_.pop_back();
            host_.give(freed);
            held_ -= freed;
        }
        heap_.push_back(std::move(entry));
        std::push_heap(heap_.begin(), heap_.end(), in_order);
    }
    void merge(const BestRows& other) {
        for (const Entry& entry : other.heap_) {
            if (wants([&entry](const Entry& last) { return entry.before(last); })) add(entry);
        }
    }

    const std::vector<Entry>& entries() const noexcept { return heap_; }
    /// Once, at the end.
    const std::vector<Entry>& sorted() {
        std::sort(heap_.begin(), heap_.end(), in_order);
        return heap_;
    }

 private:
    static bool in_order(const Entry& left, const Entry& right) { return left.before(right); }
    /// Two entries each: the vector grows by doubling.
    static std::int64_t cost(const Entry& entry) noexcept {
        return static_cast<std::int64_t>(2 * sizeof(Entry) + entry.held_bytes());
    }

    kernel::Host host_;
    const std::uint64_t limit_;
    std::vector<Entry> heap_;  // the one to be dropped next on top
    std::int64_t held_ = 0;
};

}  // namespace shardmill::compute
