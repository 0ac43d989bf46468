#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string_view>

#include "compute/group_table.h"

namespace shardmill::compute {

/// A word of up to 16 bytes none of which is zero, as two words of the machine filled up with
/// zeros.
struct ShortWord {
    static constexpr std::size_t kBytesMax = 16;
    std::uint64_t low = 0;
    std::uint64_t high = 0;

    bool operator==(const ShortWord& other) const noexcept {
        return ((low ^ other.low) | (high ^ other.high)) == 0;
    }
    /// Two multiplications folded, as wyhash does.
    std::uint64_t hash() const noexcept {
        __extension__ typedef unsigned __int128 Wide;
        const auto product =
            static_cast<Wide>(low ^ 0x9e3779b97f4a7c15u) * (high ^ 0xe7037ed1a0b428dbu);
        const auto folded =
            static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
        return folded * 0x9e3779b97f4a7c15u;
    }
};

/// Counts words. Those of up to 16 bytes, nearly all, are compared and hashed as two numbers in a
/// table of their own; longer ones are in a GroupTable. Memory and rows are accounted for. One
/// thread at a time.
class WordTable {
 public:
    explicit WordTable(kernel::Host host) noexcept
        : host_(host), longer_(host, sizeof(std::uint64_t)) {}
    ~WordTable();
    WordTable(const WordTable&) = delete;
    WordTable& operator=(const WordTable&) = delete;

    /// Once more. False: a bound of the job is reached.
    bool add(const ShortWord& word, std::uint64_t hash) noexcept {
        // Nearly always it is known and in the first place it can have.
        if (capacity_ == 0) return add(word, hash, 1);
        Slot& slot = slots_[hash >> shift_];
        if (slot.word != word || slot.count == UINT64_MAX) return add(word, hash, 1);
        ++slot.count;
        return true;
    }
    bool add(const ShortWord& word, std::uint64_t hash, std::uint64_t count) noexcept;
    /// For words of any length and any bytes.
    bool add(std::string_view word, std::uint64_t count) noexcept;
    void prefetch(std::uint64_t hash) const noexcept {
        if (capacity_ > 0) __builtin_prefetch(&slots_[hash >> shift_]);
    }

    /// visit(word, count) for every word, in no order that could be relied on.
    template <typename Visit>
    void for_each(Visit&& visit) const {
        for (std::size_t at = 0; at < capacity_; ++at) {
            if (slots_[at].count == 0) continue;
            char bytes[ShortWord::kBytesMax];
            std::memcpy(bytes, &slots_[at].word, sizeof bytes);
            visit(std::string_view(bytes, strnlen(bytes, sizeof bytes)), slots_[at].count);
        }
        longer_.for_each([&visit](std::string_view word, const char* record) {
            std::uint64_t count;
            std::memcpy(&count, record, sizeof count);
            visit(word, count);
            return true;
        });
    }

 private:
    struct Slot {
        ShortWord word;
        std::uint64_t count;  // 0: free
    };
    bool grow() noexcept;
    Slot& slot_of(const ShortWord& word, std::uint64_t hash) noexcept;

    kernel::Host host_;
    std::unique_ptr<Slot[]> slots_;
    std::size_t capacity_ = 0;  // a power of two
    unsigned shift_ = 64;       // the hash's upper bits are the place
    std::size_t size_ = 0;
    GroupTable longer_;
};

}  // namespace shardmill::compute
