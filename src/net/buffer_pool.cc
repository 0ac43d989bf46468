#include "net/buffer_pool.h"

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

}  // namespace

BufferPool::~BufferPool() {
    for (auto& list : kept_) {
        for (char* memory : list) std::free(memory);
    }
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
        return buffer;
    }
    buffer.memory = static_cast<char*>(std::malloc(buffer.capacity));
    SHARDMILL_ASSERT(buffer.memory != nullptr);
    return buffer;
}

void BufferPool::give_back(Buffer& buffer) noexcept {
    if (buffer.memory == nullptr) return;
    bytes_in_use_ -= buffer.capacity;
    auto& list = kept_[class_of(buffer.capacity, kSmallestShift)];
    if ((list.size() + 1) * buffer.capacity <= kKeptBytes) {
        list.push_back(buffer.memory);
    } else {
        std::free(buffer.memory);
    }
    buffer = {};
}

void BufferPool::ensure_room(Buffer& buffer, std::size_t bytes) noexcept {
    if (buffer.room() >= bytes && buffer.memory != nullptr) return;
    Buffer larger =
        take(std::max<std::size_t>(buffer.size() + bytes, std::size_t{buffer.capacity} * 2));
    if (!buffer.empty()) std::memcpy(larger.memory, buffer.data(), buffer.size());
    larger.end = buffer.size();
    give_back(buffer);
    buffer = larger;
}

void BufferPool::append(Buffer& buffer, std::string_view bytes) noexcept {
    ensure_room(buffer, bytes.size());
    std::memcpy(buffer.memory + buffer.end, bytes.data(), bytes.size());
    buffer.end += static_cast<std::uint32_t>(bytes.size());
}

}  // namespace shardmill::net
