#include "net/buffer_pool.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "base/assert.h"

namespace shardmill::net {
namespace {

std::size_t class_of(std::size_t capacity, std::uint32_t smallest_shift) noexcept {
    const auto width = static_cast<std::uint32_t>(std::bit_width(capacity - 1));
    return width <= smallest_shift ? 0 : width - smallest_shift;
}

/// Buffers from this size on are mapped, each on its own.
constexpr std::uint32_t kMapped = 8u << 10;

char* allocate(std::uint32_t capacity) noexcept {
    if (capacity < kMapped) return static_cast<char*>(std::malloc(capacity));
    void* memory =
        ::mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? nullptr : static_cast<char*>(memory);
}

void release(char* memory, std::uint32_t capacity) noexcept {
    capacity < kMapped ? std::free(memory) : static_cast<void>(::munmap(memory, capacity));
}

}  // namespace

BufferPool::~BufferPool() {
    least_kept_ = bytes_kept_;
    trim();
}

Buffer BufferPool::take(std::size_t bytes) noexcept {
    const std::size_t index = class_of(std::max<std::size_t>(bytes, 1), kSmallestShift);
    SHARDMILL_ASSERT(index < kClasses);
    Buffer buffer;
    buffer.capacity = kSmallest << index;
    bytes_in_use_ += buffer.capacity;
    auto& list = kept_[index];
    if (!list.empty()) {
        buffer.memory = list.back();
        list.pop_back();
        bytes_kept_ -= buffer.capacity;
        least_kept_ = std::min(least_kept_, bytes_kept_);
        return buffer;
    }
    buffer.memory = allocate(buffer.capacity);
    SHARDMILL_ASSERT(buffer.memory != nullptr);
    return buffer;
}

void BufferPool::give_back(Buffer& buffer) noexcept {
    if (buffer.memory == nullptr) return;
    bytes_in_use_ -= buffer.capacity;
    if (bytes_kept_ + buffer.capacity <= kept_bytes_max_) {
        kept_[class_of(buffer.capacity, kSmallestShift)].push_back(buffer.memory);
        bytes_kept_ += buffer.capacity;
    } else {
        release(buffer.memory, buffer.capacity);
    }
    buffer = {};
}

void BufferPool::trim() noexcept {
    for (std::size_t index = kClasses; index-- > 0;) {
        const std::uint32_t capacity = kSmallest << index;
        auto& list = kept_[index];
        for (; !list.empty() && capacity <= least_kept_; list.pop_back()) {
            release(list.back(), capacity);
            bytes_kept_ -= capacity;
            least_kept_ -= capacity;
        }
    }
    least_kept_ = bytes_kept_;
}

void BufferPool::ensure_room(Buffer& buffer, std::size_t bytes) noexcept {
    if (buffer.room() >= bytes && buffer.memory != nullptr) return;
    const std::size_t size = buffer.size();
    // What was taken off the front makes room, too: else a buffer that is never quite empty would
    // grow for ever.
    if (buffer.begin != 0 && buffer.begin >= size && size + bytes <= buffer.capacity) {
        std::memcpy(buffer.memory, buffer.data(), size);
        buffer.begin = 0;
        buffer.end = static_cast<std::uint32_t>(size);
        return;
    }
    Buffer larger = take(std::max(size + bytes, 2 * size));
    if (!buffer.empty()) std::memcpy(larger.memory, buffer.data(), buffer.size());
    larger.end = buffer.size();
    give_back(buffer);
    buffer = larger;
}

void BufferPool::append(Buffer& buffer, std::string_view bytes) noexcept {
    if (bytes.empty()) return;
    ensure_room(buffer, bytes.size());
    std::memcpy(buffer.memory + buffer.end, bytes.data(), bytes.size());
    buffer.end += static_cast<std::uint32_t>(bytes.size());
}

}  // namespace shardmill::net
