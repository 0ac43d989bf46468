#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace shardmill::net {

/// Plain memory with a filled part. Owned by whoever holds it and given back to the pool it came
/// from; an empty one (no memory) may be dropped.
struct Buffer {
    char* memory = nullptr;
    std::uint32_t capacity = 0;
    std::uint32_t begin = 0;  // the filled part
    std::uint32_t end = 0;

    std::uint32_t size() const noexcept { return end - begin; }
    bool empty() const noexcept { return begin == end; }
    std::uint32_t room() const noexcept { return capacity - end; }
    char* data() const noexcept { return memory + begin; }
    std::string_view view() const noexcept { return {memory + begin, size()}; }
};

/// Input and output buffers of one reactor's connections, in sizes of powers of two. Some are kept
/// for the next one who needs them, the rest goes back: large ones to the system at once, because
/// an allocator would hold on to many times what is in use. What is kept has to be enough for a
/// turn of large replies: mapping memory anew costs several times what sending from it does. One
/// thread.
class BufferPool {
 public:
    static constexpr std::uint32_t kSmallest = 4u << 10;

    /// `kept_bytes_max`: of buffers that are in nobody's hands.
    explicit BufferPool(std::uint64_t kept_bytes_max) noexcept : kept_bytes_max_(kept_bytes_max) {}
    ~BufferPool();
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;

    /// An empty buffer with room for at least `bytes` (at most 2 GiB).
    Buffer take(std::size_t bytes) noexcept;
    /// Gives the memory back and leaves `buffer` without any.
    void give_back(Buffer& buffer) noexcept;

    /// Adds to what is filled, moving to a larger buffer if need be.
    void append(Buffer& buffer, std::string_view bytes) noexcept;
    /// Makes room for `bytes` more behind what is filled.
    void ensure_room(Buffer& buffer, std::size_t bytes) noexcept;

    /// Bytes held by users of the pool, not counting what it keeps itself.
    std::uint64_t bytes_in_use() const noexcept { return bytes_in_use_; }
    std::uint64_t bytes_kept() const noexcept { return bytes_kept_; }

    /// Gives up what nobody has needed since the last call: to be called now and then.
    void trim() noexcept;

 private:
    static constexpr std::uint32_t kSmallestShift = 12;
    static constexpr std::size_t kClasses = 20;  // 4 KiB to 2 GiB

    const std::uint64_t kept_bytes_max_;
    std::array<std::vector<char*>, kClasses> kept_;
    std::uint64_t bytes_in_use_ = 0;
    std::uint64_t bytes_kept_ = 0;
    std::uint64_t least_kept_ = 0;  // since the last `trim`
};

}  // namespace shardmill::net
