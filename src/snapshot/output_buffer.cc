#include "snapshot/output_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace shardmill::snapshot {

OutputBuffer::OutputBuffer(uring::File& file)
    : buffer_(static_cast<char*>(std::aligned_alloc(kAlign, kBytes))),
      queue_(file.write_queue(kPieces)) {
    if (buffer_ == nullptr) throw std::bad_alloc();
}

uring::FileResult<void> OutputBuffer::append(std::span<const char> bytes) {
    while (!bytes.empty()) {
        const std::size_t count = std::min(bytes.size(), kPieceBytes - used_);
        std::memcpy(piece() + used_, bytes.data(), count);
        used_ += count;
        bytes = bytes.subspan(count);
        if (used_ == kPieceBytes) {
            hand_over();
            if (auto result = queue_->wait(current_); !result) return result;
        }
    }
    return {};
}

void OutputBuffer::hand_over() {
    queue_->start(current_, handed_over_, {piece(), used_});
    handed_over_ += used_;
    used_ = 0;
    current_ = (current_ + 1) % kPieces;
}

uring::FileResult<void> OutputBuffer::flush() {
    hand_over();
    for (unsigned piece = 0; piece < kPieces; ++piece) {
        // The oldest first.
        if (auto result = queue_->wait((current_ + piece) % kPieces); !result) return result;
    }
    return {};
}

}  // namespace shardmill::snapshot
