#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "uring/file.h"

namespace shardmill::snapshot {

/// Gathers bytes so that every write but the last starts at a multiple of its size and is that
/// long. One thread.
class OutputBuffer {
 public:
    static constexpr std::size_t kBytes = 1u << 20;
    static constexpr std::size_t kAlign = 4096;

    /// Throws std::bad_alloc. The file outlives the buffer.
    explicit OutputBuffer(uring::File& file);

    uring::FileResult<void> append(std::span<const char> bytes);
    /// Writes what is left; the last call.
    uring::FileResult<void> flush();

    /// Bytes appended so far: the offset of the next one in the file.
    std::uint64_t offset() const noexcept { return written_ + used_; }

 private:
    struct Free {
        void operator()(char* memory) const noexcept { std::free(memory); }
    };
    uring::File& file_;
    std::unique_ptr<char, Free> buffer_;
    std::size_t used_ = 0;
    std::uint64_t written_ = 0;
};

}  // namespace shardmill::snapshot
