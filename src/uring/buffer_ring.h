#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <string>

#include "uring/ring.h"

struct io_uring_buf_ring;

namespace shardmill::uring {

/// Buffers the kernel picks from when a receive completes, so that an idle connection holds none.
/// Used on the ring's thread; destroyed before the ring.
class BufferRing {
 public:
    /// `count`: power of two up to 32768. The memory is only touched as buffers are filled.
    static std::expected<std::unique_ptr<BufferRing>, std::string> open(Ring& ring,
                                                                        std::uint16_t group,
                                                                        std::uint32_t count,
                                                                        std::uint32_t bytes);
    ~BufferRing();
    BufferRing(const BufferRing&) = delete;
    BufferRing& operator=(const BufferRing&) = delete;

    /// A buffer that a completion has named; ours until it is recycled.
    char* data(std::uint16_t id) const noexcept {
        return memory_ + std::size_t{id} * buffer_bytes_;
    }

    /// Gives a buffer back. The kernel sees it at the next `publish`.
    void recycle(std::uint16_t id) noexcept;
    void publish() noexcept;

    std::uint16_t group() const noexcept { return group_; }
    std::uint32_t buffer_bytes() const noexcept { return buffer_bytes_; }

 private:
    BufferRing(Ring& ring, std::uint16_t group, std::uint32_t count, std::uint32_t bytes) noexcept;

    Ring& ring_;
    ::io_uring_buf_ring* entries_ = nullptr;
    std::size_t entries_bytes_ = 0;
    char* memory_ = nullptr;
    std::uint32_t count_;
    std::uint32_t buffer_bytes_;
    std::uint16_t group_;
    std::uint16_t pending_ = 0;
    bool registered_ = false;
};

}  // namespace shardmill::uring
