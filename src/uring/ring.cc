#include "uring/ring.h"

#include <liburing.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/assert.h"
#include "uring/probe.h"

namespace shardmill::uring {
namespace {

constexpr int kSendFlags = MSG_NOSIGNAL;

/// Set-up flags, best first: what the first kernel that refuses one of them is given instead.
std::array<unsigned, 3> setup_flags(const RingConfig& config) noexcept {
    constexpr unsigned kPlain = IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    constexpr unsigned kCooperative =
        kPlain | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    constexpr unsigned kDeferred = kPlain | IORING_SETUP_SUBMIT_ALL | IORING_SETUP_SINGLE_ISSUER |
                                   IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
    if (config.changes_threads) return {kPlain, kPlain, kPlain};
    const bool deferred = config.features.has(Feature::DeferTaskrun);
    return {deferred ? kDeferred : kCooperative, kCooperative, kPlain};
}

/// After preparing, because preparing clears the field in newer versions of the library.
void set_completion(io_uring_sqe& entry, Completion* completion) noexcept {
    io_uring_sqe_set_data(&entry, completion);
}

}  // namespace

bool more(std::uint32_t flags) noexcept { return (flags & IORING_CQE_F_MORE) != 0; }
bool has_buffer(std::uint32_t flags) noexcept { return (flags & IORING_CQE_F_BUFFER) != 0; }
std::uint16_t buffer_id(std::uint32_t flags) noexcept {
    return static_cast<std::uint16_t>(flags >> IORING_CQE_BUFFER_SHIFT);
}

std::expected<std::unique_ptr<Ring>, std::string> Ring::open(const RingConfig& config) {
    auto native = std::make_unique<::io_uring>();
    int result = -EINVAL;
    for (const unsigned flags : setup_flags(config)) {
        *native = {};
        io_uring_params params{};
        params.flags = flags;
        params.cq_entries = config.completion_entries;
        result = io_uring_queue_init_params(config.submission_entries, native.get(), &params);
        if (result != -EINVAL) break;
    }
    if (result < 0) return std::unexpected(explain_setup_error(result));
    if (config.features.has(Feature::RegisteredRing)) io_uring_register_ring_fd(native.get());
    return std::unique_ptr<Ring>(new Ring(std::move(native), config));
}

Ring::Ring(std::unique_ptr<::io_uring> ring, const RingConfig& config)
    : ring_(std::move(ring)),
      features_(config.features),
      wait_limit_(std::max(config.completion_entries / 2, 1u)) {}

Ring::~Ring() { io_uring_queue_exit(ring_.get()); }

io_uring_sqe& Ring::next_entry() noexcept {
    io_uring_sqe* entry = io_uring_get_sqe(ring_.get());
    while (entry == nullptr) {
        io_uring_submit(ring_.get());
        entry = io_uring_get_sqe(ring_.get());
    }
    return *entry;
}

void Ring::accept(Completion& completion, int listener, bool repeat) noexcept {
    io_uring_sqe& entry = next_entry();
    if (repeat && features_.has(Feature::MultishotAccept)) {
        io_uring_prep_multishot_accept(&entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    } else {
        io_uring_prep_accept(&entry, listener, nullptr, nullptr, SOCK_CLOEXEC);
    }
    set_completion(entry, &completion);
}

void Ring::receive(Completion& completion, int socket, std::uint16_t group, bool repeat) noexcept {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_recv(&entry, socket, nullptr, 0, 0);
    if (repeat && features_.has(Feature::MultishotReceive)) entry.ioprio |= IORING_RECV_MULTISHOT;
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = group;
    set_completion(entry, &completion);
}

void Ring::receive_message(Completion& completion, int socket, msghdr& header,
                           std::uint16_t group) noexcept {
    io_uring_sqe& entry = next_entry();
    if (features_.has(Feature::MultishotReceiveMessage)) {
        io_uring_prep_recvmsg_multishot(&entry, socket, &header, 0);
    } else {
        io_uring_prep_recvmsg(&entry, socket, &header, 0);
    }
    entry.flags |= IOSQE_BUFFER_SELECT;
    entry.buf_group = group;
    set_completion(entry, &completion);
}

void Ring::send(Completion& completion, int socket, const void* data, std::size_t bytes) noexcept {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_send(&entry, socket, data, bytes, kSendFlags);
    set_completion(entry, &completion);
}

void Ring::send(Completion& completion, int socket, const msghdr& message) noexcept {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_sendmsg(&entry, socket, &message, kSendFlags);
    set_completion(entry, &completion);
}

void Ring::read(Completion& completion, int file, void* data, std::uint32_t bytes) noexcept {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_read(&entry, file, data, bytes, 0);
    set_completion(entry, &completion);
}

void Ring::write(Completion& completion, int file, std::uint64_t offset, const void* data,
                 std::uint32_t bytes) noexcept {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_write(&entry, file, data, bytes, offset);
    set_completion(entry, &completion);
}

void Ring::cancel(Completion& target) noexcept {
    io_uring_sqe& entry = next_entry();
    io_uring_prep_cancel(&entry, &target, 0);
    set_completion(entry, nullptr);
}

void Ring::wait(std::uint32_t events, std::uint64_t timeout_ns) noexcept {
    if (events == 0 || timeout_ns == 0) return submit();
    const unsigned wait_for = std::min(events, wait_limit_);
    io_uring_cqe* ignored = nullptr;
    if (timeout_ns == kForever) {
        io_uring_submit_and_wait(ring_.get(), wait_for);
        return;
    }
    __kernel_timespec timeout{};
    timeout.tv_sec = static_cast<long long>(timeout_ns / 1'000'000'000u);
    timeout.tv_nsec = static_cast<long long>(timeout_ns % 1'000'000'000u);
    io_uring_submit_and_wait_timeout(ring_.get(), &ignored, wait_for, &timeout, nullptr);
}

void Ring::submit() noexcept { io_uring_submit_and_get_events(ring_.get()); }

std::uint32_t Ring::reap() noexcept {
    constexpr unsigned kChunk = 64;
    std::uint32_t reaped = 0;
    for (;;) {
        io_uring_cqe* entries[kChunk];
        const unsigned count = io_uring_peek_batch_cqe(ring_.get(), entries, kChunk);
        if (count == 0) return reaped;
        for (unsigned i = 0; i < count; ++i) {
            auto* completion = static_cast<Completion*>(io_uring_cqe_get_data(entries[i]));
            if (completion == nullptr) continue;
            completion->handler(*completion, entries[i]->res, entries[i]->flags);
        }
        io_uring_cq_advance(ring_.get(), count);
        reaped += count;
    }
}

}  // namespace shardmill::uring
