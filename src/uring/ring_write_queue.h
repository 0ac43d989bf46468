#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "uring/file.h"
#include "uring/ring.h"

namespace shardmill::uring {

/// Large aligned writes go past the page cache: no copy, and nothing useful is pushed out of it.
bool fits_direct(std::uint64_t offset, std::span<const char> bytes) noexcept;

/// Writes through a ring of its own.
class RingWriteQueue final : public WriteQueue {
 public:
    struct Target {
        int fd = -1;
        int direct_fd = -1;  // the same file opened with O_DIRECT; -1: there is no such thing
        /// Told of what went through the page cache, in the order of `wait`.
        std::move_only_function<void(std::uint64_t offset, std::uint64_t bytes)> cached;
    };
    /// nullptr: the system gives no (more) rings.
    static std::unique_ptr<WriteQueue> open(std::string path, unsigned slots, Target target);
    ~RingWriteQueue() override;

 protected:
    void begin(unsigned slot, std::uint64_t offset, std::span<const char> bytes) override;
    FileResult<std::size_t> end(unsigned slot) override;

 private:
    struct Slot : Completion {
        std::uint64_t offset = 0;
        std::span<const char> bytes;
        std::int32_t result = 0;
        bool busy = false;
        bool direct = false;
    };

    RingWriteQueue(std::string path, unsigned slots, Target target, std::unique_ptr<Ring> ring);
    void submit(Slot& slot, bool direct) noexcept;
    void await(const Slot& slot) noexcept;

    Target target_;
    std::vector<Slot> slots_;
    std::unique_ptr<Ring> ring_;
};

}  // namespace shardmill::uring
