#include "uring/ring_write_queue.h"

#include <algorithm>
#include <cerrno>
#include <utility>

namespace shardmill::uring {
namespace {

/// What direct writes must be multiples of; more than most devices ask for.
constexpr std::uint64_t kDirectAlign = 4096;
/// Below this the page cache gathers better.
constexpr std::size_t kDirectMin = 256u << 10;
/// The kernel moves at most a little under 2 GiB at once.
constexpr std::size_t kTransferMax = 1u << 30;

}  // namespace

bool fits_direct(std::uint64_t offset, std::span<const char> bytes) noexcept {
    return bytes.size() >= kDirectMin && bytes.size() % kDirectAlign == 0 &&
           offset % kDirectAlign == 0 &&
           reinterpret_cast<std::uintptr_t>(bytes.data()) % kDirectAlign == 0;
}

std::unique_ptr<WriteQueue> RingWriteQueue::open(std::string path, unsigned slots, Target target) {
    auto ring = Ring::open({.submission_entries = slots,
                            .completion_entries = 2 * slots,
                            .features = {},
                            .changes_threads = true});
    if (!ring) return nullptr;
    return std::unique_ptr<WriteQueue>(
        new RingWriteQueue(std::move(path), slots, std::move(target), std::move(*ring)));
}

RingWriteQueue::RingWriteQueue(std::string path, unsigned slots, Target target,
                               std::unique_ptr<Ring> ring)
    : WriteQueue(std::move(path), slots),
      target_(std::move(target)),
      slots_(slots),
      ring_(std::move(ring)) {
    for (Slot& slot : slots_) {
        slot.handler = [](Completion& completion, std::int32_t result, std::uint32_t) noexcept {
            auto& done = static_cast<Slot&>(completion);
            done.result = result;
            done.busy = false;
        };
    }
}

RingWriteQueue::~RingWriteQueue() {
    for (const Slot& slot : slots_) await(slot);
}

void RingWriteQueue::begin(unsigned number, std::uint64_t offset, std::span<const char> bytes) {
    Slot& slot = slots_[number];
    slot.offset = offset;
    slot.bytes = bytes.first(std::min(bytes.size(), kTransferMax));
    submit(slot, target_.direct_fd >= 0 && fits_direct(offset, slot.bytes));
    ring_->submit();
}

void RingWriteQueue::submit(Slot& slot, bool direct) noexcept {
    slot.direct = direct;
    slot.busy = true;
    ring_->write(slot, direct ? target_.direct_fd : target_.fd, slot.offset, slot.bytes.data(),
                 static_cast<std::uint32_t>(slot.bytes.size()));
}

void RingWriteQueue::await(const Slot& slot) noexcept {
    while (slot.busy) {
        if (ring_->reap() == 0) ring_->wait(1, Ring::kForever);
    }
}

FileResult<std::size_t> RingWriteQueue::end(unsigned number) {
    Slot& slot = slots_[number];
    for (;;) {
        await(slot);
        if (slot.result >= 0) break;
        const bool refused_direct = slot.direct && slot.result == -EINVAL;
        if (!refused_direct && slot.result != -EINTR && slot.result != -EAGAIN) {
            return std::unexpected(make_file_error("write", path(), -slot.result));
        }
        submit(slot, slot.direct && !refused_direct);
    }
    const auto written = static_cast<std::size_t>(slot.result);
    if (!slot.direct) target_.cached(slot.offset, written);
    return written;
}

}  // namespace shardmill::uring
