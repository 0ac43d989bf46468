#include "snapshot/output_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace shardmill::snapshot {

namespace {

/// Of writes.
constexpr std::size_t kAlign = 4096;

}  // namespace

OutputBuffer::OutputBuffer(uring::File& file, std::size_t room_bytes)
    : piece_bytes_((room_bytes / kAlign + 2) * kAlign),
      buffer_(static_cast<char*>(std::aligned_alloc(kAlign, kPieces * piece_bytes_))),
      queue_(file.write_queue(kPieces)) {
    if (buffer_ == nullptr) throw std::bad_alloc();
}

uring::FileResult<std::span<char>> OutputBuffer::room(std::size_t bytes) {
    SHARDMILL_ASSERT(bytes + kAlign <= piece_bytes_);
    if (piece_bytes_ - used_ < bytes) {
        if (auto result = hand_over(used_ / kAlign * kAlign); !result) {
            return std::unexpected(std::move(result.error()));
        }
    }
    return std::span(piece() + used_, bytes);
}

uring::FileResult<void> OutputBuffer::append(std::span<const char> bytes) {
    while (!bytes.empty()) {
        const std::size_t count = std::min(bytes.size(), piece_bytes_ - used_);
        std::memcpy(piece() + used_, bytes.data(), count);
        used_ += count;
        bytes = bytes.subspan(count);
        if (used_ == piece_bytes_) {
            if (auto result = hand_over(used_); !result) return result;
        }
    }
    return {};
}

/// Has the first `bytes` of the piece written; what is behind them goes to the next one.
uring::FileResult<void> OutputBuffer::hand_over(std::size_t bytes) {
    const std::span<const char> rest(piece() + bytes, used_ - bytes);
    queue_->start(current_, handed_over_, {piece(), bytes});
    handed_over_ += bytes;
    current_ = (current_ + 1) % kPieces;
    if (auto result = queue_->wait(current_); !result) return result;
    std::ranges::copy(rest, piece());
    used_ = rest.size();
    return {};
}

uring::FileResult<void> OutputBuffer::flush() {
    if (auto result = hand_over(used_); !result) return result;
    for (unsigned piece = 1; piece < kPieces; ++piece) {
        // The oldest first.
        if (auto result = queue_->wait((current_ + piece) % kPieces); !result) return result;
    }
    return {};
}

}  // namespace shardmill::snapshot
