#include "snapshot/output_buffer.h"

#include <algorithm>
#include <cstring>
#include <new>

namespace shardmill::snapshot {

OutputBuffer::OutputBuffer(uring::File& file)
    : file_(file), buffer_(static_cast<char*>(std::aligned_alloc(kAlign, kBytes))) {
    if (buffer_ == nullptr) throw std::bad_alloc();
}

uring::FileResult<void> OutputBuffer::append(std::span<const char> bytes) {
    while (!bytes.empty()) {
        const std::size_t count = std::min(bytes.size(), kBytes - used_);
        std::memcpy(buffer_.get() + used_, bytes.data(), count);
        used_ += count;
        bytes = bytes.subspan(count);
        if (used_ == kBytes) {
            if (auto result = flush(); !result) return result;
        }
    }
    return {};
}

uring::FileResult<void> OutputBuffer::flush() {
    if (auto result = file_.append({buffer_.get(), used_}); !result) return result;
    written_ += used_;
    used_ = 0;
    return {};
}

}  // namespace shardmill::snapshot
