#include "uring/buffer_ring.h"

#include <liburing.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <new>

#include "base/assert.h"

namespace shardmill::uring {
namespace {

constexpr std::uint32_t kMaxBuffers = 32768;

/// Zeroed pages, or nullptr.
void* map_pages(std::size_t bytes) noexcept {
    void* pages =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? nullptr : pages;
}

}  // namespace

BufferRing::BufferRing(Ring& ring, std::uint16_t group, std::uint32_t count,
                       std::uint32_t bytes) noexcept
    : ring_(ring), count_(count), buffer_bytes_(bytes), group_(group) {}

std::expected<std::unique_ptr<BufferRing>, std::string> BufferRing::open(Ring& ring,
                                                                         std::uint16_t group,
                                                                         std::uint32_t count,
                                                                         std::uint32_t bytes) {
    SHARDMILL_ASSERT(count > 0 && count <= kMaxBuffers && (count & (count - 1)) == 0);
    std::unique_ptr<BufferRing> buffers(new BufferRing(ring, group, count, bytes));
    buffers->entries_bytes_ = count * sizeof(io_uring_buf);
    buffers->entries_ = static_cast<io_uring_buf_ring*>(map_pages(buffers->entries_bytes_));
    buffers->memory_ = static_cast<char*>(map_pages(std::size_t{count} * bytes));
    if (buffers->entries_ == nullptr || buffers->memory_ == nullptr) {
        return std::unexpected(
            "no memory for the receive buffers of a reactor; use fewer reactors (-t)");
    }
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffers->entries_);
    registration.ring_entries = count;
    registration.bgid = group;
    const int result = io_uring_register_buf_ring(&ring.native(), &registration, 0);
    if (result < 0) {
        return std::unexpected(
            std::string("the kernel refuses receive buffers: ") + std::strerror(-result) +
            "; raise the limit on locked memory (ulimit -l) or use fewer reactors (-t)");
    }
    buffers->registered_ = true;
    io_uring_buf_ring_init(buffers->entries_);
    for (std::uint32_t id = 0; id < count; ++id) buffers->recycle(static_cast<std::uint16_t>(id));
    buffers->publish();
    return buffers;
}

BufferRing::~BufferRing() {
    if (registered_) io_uring_unregister_buf_ring(&ring_.native(), group_);
    if (entries_ != nullptr) ::munmap(entries_, entries_bytes_);
    if (memory_ != nullptr) ::munmap(memory_, std::size_t{count_} * buffer_bytes_);
}

void BufferRing::recycle(std::uint16_t id) noexcept {
    SHARDMILL_DASSERT(id < count_);
    io_uring_buf_ring_add(entries_, data(id), buffer_bytes_, id, io_uring_buf_ring_mask(count_),
                          pending_);
    ++pending_;
}

void BufferRing::publish() noexcept {
    if (pending_ == 0) return;
    io_uring_buf_ring_advance(entries_, pending_);
    pending_ = 0;
}

}  // namespace shardmill::uring
