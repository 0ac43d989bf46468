#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>
#include <vector>

#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// Memory that is only ever added to, accounted for chunk by chunk. What it hands out stays where
/// it is until it is destroyed. One thread at a time.
class Arena {
 public:
    explicit Arena(kernel::Host host) noexcept : host_(host) {}
    ~Arena() { clear(); }
    Arena(const Arena&) = delete;
    Arena& operator=(const Arena&) = delete;

    /// `alignment` at most 16. nullptr: a bound of the job is reached.
    char* allocate(std::size_t bytes, std::size_t alignment = 1) noexcept {
        const std::size_t padding = (alignment - (at_ & (alignment - 1))) & (alignment - 1);
        if (chunks_.empty() || padding + bytes > size_ - at_) return add_chunk(bytes);
        char* const out = chunks_.back().get() + at_ + padding;
        at_ += padding + bytes;
        return out;
    }

    /// A copy of `bytes`; a view without data: a bound of the job is reached.
    std::string_view copy(std::string_view bytes) noexcept {
        char* const out = allocate(bytes.size());
        if (out == nullptr) return {};
        if (!bytes.empty()) std::memcpy(out, bytes.data(), bytes.size());
        return {out, bytes.size()};
    }

    /// Forgets all it has handed out.
    void clear() noexcept {
        if (chunks_.empty()) return;
        host_.give(static_cast<std::int64_t>(held_));
        chunks_.clear();
        held_ = size_ = at_ = 0;
    }

 private:
    static constexpr std::size_t kFirstChunk = 4u << 10;
    static constexpr std::size_t kLargestChunk = 1u << 20;

    char* add_chunk(std::size_t bytes) noexcept {
        const std::size_t usual = std::min(kLargestChunk, std::max(kFirstChunk, held_));
        const std::size_t size = std::max(bytes, usual);
        if (!host_.try_take(static_cast<std::int64_t>(size))) return nullptr;
        chunks_.push_back(std::unique_ptr<char[]>(new char[size]));  // new aligns to 16
        held_ += size;
        size_ = size;
        at_ = bytes;
        return chunks_.back().get();
    }

    kernel::Host host_;
    std::vector<std::unique_ptr<char[]>> chunks_;
    std::size_t held_ = 0;
    std::size_t size_ = 0;  // of the last chunk
    std::size_t at_ = 0;    // in it
};

}  // namespace shardmill::compute
