#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/options.h"
#include "bench/random.h"

namespace shardmill::bench {

/// What keys and values look like. Everything about a key follows from its number, so that any
/// thread can make it and any thread can check it. Immutable, shared by all threads.
class Workload {
 public:
    explicit Workload(const Options& options);

    std::uint64_t keys() const noexcept { return keys_; }
    std::size_t key_bytes() const noexcept { return key_bytes_; }

    /// Writes the key of number `id` (key_bytes() bytes) and returns the end.
    char* write_key(char* out, std::uint64_t id) const noexcept;
    /// The number of a key as the server sent it back; keys() when it is none of ours.
    std::uint64_t id_of(std::string_view key) const noexcept;
    /// The value every set of this key stores. Points into the workload.
    std::string_view value(std::uint64_t id) const noexcept;
    std::size_t value_bytes(std::uint64_t id) const noexcept;
    std::size_t value_bytes_max() const noexcept { return size_.high; }

 private:
    std::uint64_t keys_;
    std::size_t key_bytes_;
    std::string template_;  // the prefix, then zeros
    std::size_t digits_;
    ValueSize size_;
    std::vector<std::uint32_t> lognormal_;  // lengths to draw from
    std::string pool_;                      // values are slices of it
};

/// Which key comes next; one for each connection.
class KeyPicker {
 public:
    /// `lane` of `lanes`: sequential pickers start evenly spread.
    KeyPicker(const Options& options, std::uint64_t lane, std::uint64_t lanes);
    std::uint64_t next() noexcept;
    /// True: the next request is a set.
    bool next_is_set() noexcept {
        return set_share_ == 0 ? false : random_.below(ratio_total_) < set_share_;
    }

 private:
    Distribution distribution_;
    std::uint64_t keys_;
    std::uint64_t set_share_;
    std::uint64_t ratio_total_;
    std::uint64_t position_;
    std::uint64_t spread_;
    Random random_;
    Zipf zipf_;
};

}  // namespace shardmill::bench
