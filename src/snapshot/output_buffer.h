#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>

#include "uring/file.h"

namespace shardmill::snapshot {

/// Gathers bytes into pieces and has them written while the next ones are filled. Every piece but
/// the last starts at a multiple of its size and is that long. One thread at a time.
class OutputBuffer {
 public:
    static constexpr std::size_t kPieceBytes = 512u << 10;
    static constexpr unsigned kPieces = 4;
    static constexpr std::size_t kBytes = kPieceBytes * kPieces;
    static constexpr std::size_t kAlign = 4096;

    /// Throws std::bad_alloc. The file outlives the buffer.
    explicit OutputBuffer(uring::File& file);

    uring::FileResult<void> append(std::span<const char> bytes);
    /// Writes what is left and waits for all of it; the last call.
    uring::FileResult<void> flush();

    /// Bytes appended so far: the offset of the next one in the file.
    std::uint64_t offset() const noexcept { return handed_over_ + used_; }

 private:
    struct Free {
        void operator()(char* memory) const noexcept { std::free(memory); }
    };
    char* piece() const noexcept { return buffer_.get() + current_ * kPieceBytes; }
    void hand_over();

    const std::unique_ptr<char, Free> buffer_;
    const std::unique_ptr<uring::WriteQueue> queue_;  // goes first: it waits for the buffer's bytes
    unsigned current_ = 0;                            // piece that is being filled
    std::size_t used_ = 0;                            // of it
    std::uint64_t handed_over_ = 0;
};

}  // namespace shardmill::snapshot
