#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "uring/file.h"

namespace shardmill::snapshot {

/// Where the bytes of a file are put together: in pieces that are written while the next ones are
/// filled. Writes go out in order, aligned (the last one's end aside) and large. One thread at a
/// time.
class OutputBuffer {
 public:
    static constexpr unsigned kPieces = 3;

    /// A piece has room for `room_bytes`, whatever was left of the one before. Throws
    /// std::bad_alloc. The file outlives the buffer.
    OutputBuffer(uring::File& file, std::size_t room_bytes);

    /// Room for so many bytes, at most `room_bytes`, in one piece, behind everything that was
    /// appended, to be filled by the caller. Valid until the next call.
    uring::FileResult<std::span<char>> room(std::size_t bytes);
    /// The first `bytes` of the room have been filled.
    void add(std::size_t bytes) noexcept { used_ += bytes; }

    uring::FileResult<void> append(std::span<const char> bytes);
    /// Writes what is left and waits for all of it; the last call.
    uring::FileResult<void> flush();

    /// Bytes appended so far: the offset of the next one in the file.
    std::uint64_t offset() const noexcept { return handed_over_ + used_; }
    std::size_t memory_bytes() const noexcept { return kPieces * piece_bytes_; }

 private:
    struct Free {
        void operator()(char* memory) const noexcept { std::free(memory); }
    };
    char* piece() const noexcept { return buffer_.get() + current_ * piece_bytes_; }
    uring::FileResult<void> hand_over(std::size_t bytes);

    const std::size_t piece_bytes_;
    const std::unique_ptr<char, Free> buffer_;
    const std::unique_ptr<uring::WriteQueue> queue_;  // goes first: it waits for the buffer's bytes
    unsigned current_ = 0;                            // piece that is being filled
    std::size_t used_ = 0;                            // of it
    std::uint64_t handed_over_ = 0;
};

}  // namespace shardmill::snapshot
