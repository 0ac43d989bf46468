#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "compute/block.h"
#include "compute/path_set.h"

namespace shardmill::compute {

/// Reads a program's fields out of JSON values, one pass over each document. One per partial; used
/// by one thread at a time.
///
/// A document is checked as far as it is read: reading ends with the last field that is wanted. Of
/// members with the same name the first counts.
class JsonReader {
 public:
    /// `paths` must outlive the reader.
    explicit JsonReader(const PathSet& paths);
    ~JsonReader();
    JsonReader(const JsonReader&) = delete;
    JsonReader& operator=(const JsonReader&) = delete;

    /// Memory held when blocks of `value_bytes`, the longest value of `longest_value` bytes, are
    /// read. To be accounted for before reading such a block.
    std::uint64_t memory_for(std::uint64_t value_bytes, std::uint64_t longest_value) const noexcept;

    /// Fills the block's fields. failed[i] is set where the value is not JSON; its fields are then
    /// null. Strings point into the reader's own copies of the values and are valid until the next
    /// call.
    void read(Block& block, std::span<bool> failed);

 private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::compute
