#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <limits>
#include <memory>
#include <string>

#include "uring/feature_set.h"

struct io_uring;
struct io_uring_sqe;

namespace shardmill::uring {

/// One outstanding operation. It is embedded in the object that waits for the operation, which must
/// stay where it is until the handler has been called for the last time: once, or for multishot
/// operations until `more(flags)` is false. Submitting never allocates.
struct Completion {
    using Handler = void (*)(Completion& completion, std::int32_t result,
                             std::uint32_t flags) noexcept;
    Handler handler = nullptr;
};

/// The operation goes on and will complete again.
bool more(std::uint32_t flags) noexcept;
/// A provided buffer was used; its number is `buffer_id(flags)`.
bool has_buffer(std::uint32_t flags) noexcept;
std::uint16_t buffer_id(std::uint32_t flags) noexcept;

struct RingConfig {
    std::uint32_t submission_entries =
        512;  // more than that in one turn are submitted in several goes
    std::uint32_t completion_entries = 4096;
    FeatureSet features;  // as probed
    /// Not one thread but several use it, one after the other: nothing waits for one of them.
    bool changes_threads = false;
};

/// An io_uring instance. Created, used and destroyed by one thread (unless told otherwise).
///
/// Operations are only queued by the calls below; `wait` or `submit` hands them to the kernel. A
/// full submission queue is submitted on the spot, so queueing cannot fail. Results are the
/// kernel's: negative errno or a count.
class Ring {
 public:
    static std::expected<std::unique_ptr<Ring>, std::string> open(const RingConfig& config);
    ~Ring();
    Ring(const Ring&) = delete;
    Ring& operator=(const Ring&) = delete;

    /// Result: the new descriptor, close-on-exec. Repeats while more(flags), if wanted.
    void accept(Completion& completion, int listener, bool repeat = true) noexcept;
    /// Receives into provided buffers of `group`. Result: bytes, 0 at the end, -ENOBUFS when all
    /// buffers are in use. Repeats while more(flags), if wanted; it then takes whatever the socket
    /// has before a cancellation can end it.
    void receive(Completion& completion, int socket, std::uint16_t group,
                 bool repeat = true) noexcept;
    /// Receives one message into a provided buffer of `group`, as `header` says, which has a single
    /// vector (its length is that of a buffer) and stays in place until done. Repeats while
    /// more(flags); see DatagramReceiver for what the buffer then holds.
    void receive_message(Completion& completion, int socket, msghdr& header,
                         std::uint16_t group) noexcept;
    /// Waits until the socket takes something. May send less than asked for. `message` stays in
    /// place until done.
    void send(Completion& completion, int socket, const void* data, std::size_t bytes) noexcept;
    void send(Completion& completion, int socket, const msghdr& message) noexcept;
    void read(Completion& completion, int file, void* data, std::uint32_t bytes) noexcept;
    void write(Completion& completion, int file, std::uint64_t offset, const void* data,
               std::uint32_t bytes) noexcept;
    /// Asks for the end of another operation, which completes with -ECANCELED, or as it would have
    /// anyway.
    void cancel(Completion& target) noexcept;

    static constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

    /// Submits what is queued and waits until `events` completions have arrived, or for
    /// `timeout_ns`. May return early; `reap` tells.
    void wait(std::uint32_t events, std::uint64_t timeout_ns) noexcept;
    /// Submits what is queued and collects what has completed, without waiting.
    void submit() noexcept;
    /// Calls the handlers of everything that has completed; they may queue operations. Returns how
    /// many.
    std::uint32_t reap() noexcept;

    FeatureSet features() const noexcept { return features_; }
    /// For the other files of this folder.
    ::io_uring& native() noexcept { return *ring_; }

 private:
    Ring(std::unique_ptr<::io_uring> ring, const RingConfig& config);
    ::io_uring_sqe& next_entry() noexcept;

    std::unique_ptr<::io_uring> ring_;
    FeatureSet features_;
    std::uint32_t wait_limit_;
};

}  // namespace shardmill::uring
