#include "uring/probe.h"

#include <liburing.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "uring/buffer_ring.h"
#include "uring/ring.h"

namespace shardmill::uring {
namespace {

constexpr std::string_view kNeedsKernel =
    "shardmill needs Linux 6.0 or newer with io_uring (Debian 12 has it)";

struct NamedFeature {
    Feature feature;
    std::string_view name;
    std::string_view instead;  // what is done where it is missing
};
constexpr std::array kFeatureNames{
    NamedFeature{Feature::DeferTaskrun, "defer-taskrun", "completions interrupt the thread"},
    NamedFeature{Feature::MultishotAccept, "multishot-accept", "a request for each connection"},
    NamedFeature{Feature::MultishotReceive, "multishot-receive",
                 "a request for each piece received"},
    NamedFeature{Feature::MultishotReceiveMessage, "multishot-receive-message",
                 "a request for each datagram"},
    NamedFeature{Feature::RegisteredRing, "registered-ring",
                 "the descriptor is looked up in every call"},
};

struct NamedRingFeature {
    unsigned bit;
    std::string_view name;
};
constexpr std::array kRequiredRingFeatures{
    NamedRingFeature{IORING_FEAT_EXT_ARG, "timed waits"},
    NamedRingFeature{IORING_FEAT_NODROP, "kept completions"},
    NamedRingFeature{IORING_FEAT_FAST_POLL, "internal polling"},
};

struct NamedOpcode {
    int opcode;
    std::string_view name;
};
constexpr std::array kRequiredOpcodes{
    NamedOpcode{IORING_OP_ACCEPT, "accept"},   NamedOpcode{IORING_OP_RECV, "recv"},
    NamedOpcode{IORING_OP_SEND, "send"},       NamedOpcode{IORING_OP_SENDMSG, "sendmsg"},
    NamedOpcode{IORING_OP_READ, "read"},       NamedOpcode{IORING_OP_ASYNC_CANCEL, "async_cancel"},
    NamedOpcode{IORING_OP_RECVMSG, "recvmsg"},
};

/// Value of kernel.io_uring_disabled, or -1 where there is no such setting.
int disabled_by_sysctl() noexcept {
    int value = -1;
    if (std::FILE* file = std::fopen("/proc/sys/kernel/io_uring_disabled", "re")) {
        if (std::fscanf(file, "%d", &value) != 1) value = -1;
        std::fclose(file);
    }
    return value;
}

class Socket {
 public:
    explicit Socket(int descriptor) noexcept : descriptor_(descriptor) {}
    ~Socket() {
        if (descriptor_ >= 0) ::close(descriptor_);
    }
    Socket(const Socket&) = delete;
    Socket& operator=(const Socket&) = delete;
    int get() const noexcept { return descriptor_; }

 private:
    int descriptor_;
};

/// Waits for one completion of an operation and remembers it.
struct Outcome : Completion {
    Outcome() {
        handler = [](Completion& self, std::int32_t code, std::uint32_t bits) noexcept {
            auto& outcome = static_cast<Outcome&>(self);
            if (outcome.arrived) return;  // a multishot operation ends when its ring does
            outcome.arrived = true;
            outcome.result = code;
            outcome.flags = bits;
        };
    }
    void await(Ring& ring) noexcept {
        constexpr std::uint64_t kPatience = 1'000'000'000;
        for (int attempt = 0; attempt < 4 && !arrived; ++attempt) {
            ring.wait(1, kPatience);
            ring.reap();
        }
    }
    bool arrived = false;
    std::int32_t result = -ETIME;
    std::uint32_t flags = 0;
};

/// Receives one byte over a socket pair. Returns the kernel's result, and in `repeats` whether the
/// receive goes on by itself.
std::expected<bool, std::string> try_receive(FeatureSet features) {
    auto ring =
        Ring::open({.submission_entries = 8, .completion_entries = 16, .features = features});
    if (!ring) return std::unexpected(ring.error());
    auto buffers = BufferRing::open(**ring, 0, 2, 64);
    if (!buffers) return std::unexpected(fmt::format("{}. {}", buffers.error(), kNeedsKernel));
    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return std::unexpected(fmt::format("cannot open a socket: {}", std::strerror(errno)));
    }
    const Socket near(pair[0]);
    const Socket far(pair[1]);
    Outcome outcome;
    (*ring)->receive(outcome, near.get(), (*buffers)->group());
    if (::send(far.get(), "x", 1, MSG_NOSIGNAL) != 1) return false;
    outcome.await(**ring);
    if (outcome.result != 1 || !has_buffer(outcome.flags)) {
        return std::unexpected(fmt::format("io_uring cannot receive into provided buffers: {}. {}",
                                           std::strerror(-outcome.result), kNeedsKernel));
    }
    return more(outcome.flags);
}

/// Accepts a connection to a nameless local socket.
bool multishot_accept_works(FeatureSet features) {
    auto ring =
        Ring::open({.submission_entries = 8, .completion_entries = 16, .features = features});
    if (!ring) return false;
    const Socket listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const Socket client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    socklen_t bytes = sizeof(sa_family_t);  // the kernel picks an abstract name
    if (::bind(listener.get(), generic, bytes) != 0 || ::listen(listener.get(), 1) != 0)
        return false;
    bytes = sizeof(address);
    if (::getsockname(listener.get(), generic, &bytes) != 0) return false;
    Outcome outcome;
    (*ring)->accept(outcome, listener.get());
    (*ring)->submit();
    if (::connect(client.get(), generic, bytes) != 0) return false;
    outcome.await(**ring);
    const Socket accepted(outcome.result);
    return outcome.result >= 0 && more(outcome.flags);
}

/// Receives one message over a pair of datagram sockets.
bool multishot_receive_message_works(FeatureSet features) {
    auto ring =
        Ring::open({.submission_entries = 8, .completion_entries = 16, .features = features});
    if (!ring) return false;
    auto buffers = BufferRing::open(**ring, 0, 2, 256);
    int pair[2];
    if (!buffers || ::socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    const Socket near(pair[0]);
    const Socket far(pair[1]);
    msghdr header{};
    Outcome outcome;
    (*ring)->receive_message(outcome, near.get(), header, (*buffers)->group());
    (*ring)->submit();
    if (::send(far.get(), "x", 1, MSG_NOSIGNAL) != 1) return false;
    outcome.await(**ring);
    return outcome.result > 0 && has_buffer(outcome.flags) && more(outcome.flags);
}

/// Checks what there is no way around. Returns an error text, empty if all is there.
std::string find_missing(Ring& ring) {
    for (const auto& [bit, name] : kRequiredRingFeatures) {
        if ((ring.native().features & bit) == 0)
            return fmt::format("this kernel's io_uring lacks {}. {}", name, kNeedsKernel);
    }
    const std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)> probe(
        io_uring_get_probe_ring(&ring.native()), &io_uring_free_probe);
    if (!probe) return fmt::format("this kernel's io_uring cannot be probed. {}", kNeedsKernel);
    for (const auto& [opcode, name] : kRequiredOpcodes) {
        if (io_uring_opcode_supported(probe.get(), opcode) == 0) {
            return fmt::format("this kernel's io_uring lacks {}. {}", name, kNeedsKernel);
        }
    }
    return {};
}

/// Whether a ring whose completions are produced on request can be had.
bool defer_taskrun_works() noexcept {
    ::io_uring native{};
    if (io_uring_queue_init(4, &native, IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN) !=
        0) {
        return false;
    }
    io_uring_queue_exit(&native);
    return true;
}

bool registered_ring_works(Ring& ring) noexcept {
    return io_uring_register_ring_fd(&ring.native()) == 1;
}

}  // namespace

std::string explain_setup_error(int error) {
    error = error < 0 ? -error : error;
    switch (error) {
        case ENOSYS:
            return fmt::format("this kernel has no io_uring. {}", kNeedsKernel);
        case EPERM:
        case EACCES:
            if (const int level = disabled_by_sysctl(); level > 0) {
                return fmt::format(
                    "io_uring is switched off by the setting kernel.io_uring_disabled = {}; allow "
                    "it with "
                    "'sysctl kernel.io_uring_disabled=0'",
                    level);
            }
            return "io_uring is forbidden here, most likely by a container's seccomp profile; "
                   "allow "
                   "io_uring_setup, io_uring_enter and io_uring_register in it (Docker: "
                   "--security-opt "
                   "seccomp=<profile>)";
        case ENOMEM:
            return "no memory for io_uring; raise the limit on locked memory (ulimit -l, "
                   "LimitMEMLOCK= in a "
                   "service unit) or use fewer reactors (-t)";
        case EMFILE:
        case ENFILE:
            return "no file descriptor left for io_uring; raise the limit on open files (ulimit "
                   "-n)";
        default:
            return fmt::format("io_uring cannot be set up: {}. {}", std::strerror(error),
                               kNeedsKernel);
    }
}

std::string to_string(FeatureSet features) {
    std::string text;
    for (const auto& [feature, name, instead] : kFeatureNames) {
        if (!features.has(feature)) continue;
        if (!text.empty()) text += ' ';
        text += name;
    }
    return text.empty() ? "none" : text;
}

std::expected<FeatureSet, std::string> probe(FeatureSet disabled) {
    FeatureSet found;
    auto ring = Ring::open({.submission_entries = 4, .completion_entries = 8, .features = {}});
    if (!ring) return std::unexpected(ring.error());
    if (std::string missing = find_missing(**ring); !missing.empty()) {
        return std::unexpected(std::move(missing));
    }
    if (auto plain = try_receive({}); !plain) return std::unexpected(plain.error());

    if (defer_taskrun_works()) found = found.with(Feature::DeferTaskrun);
    if (registered_ring_works(**ring)) found = found.with(Feature::RegisteredRing);
    found = found.without(disabled);
    if (try_receive(found.with(Feature::MultishotReceive)).value_or(false)) {
        found = found.with(Feature::MultishotReceive);
    }
    if (multishot_receive_message_works(found.with(Feature::MultishotReceiveMessage))) {
        found = found.with(Feature::MultishotReceiveMessage);
    }
    if (multishot_accept_works(found.with(Feature::MultishotAccept))) {
        found = found.with(Feature::MultishotAccept);
    }
    return found.without(disabled);
}

ProbeReport probe_report() {
    ProbeReport report{.text = fmt::format("{:<27}{:<10}{:<7}{}\n", "feature", "need", "found",
                                           "used instead when missing"),
                       .usable = true};
    const auto add = [&report](std::string_view name, bool required, bool found,
                               std::string_view instead) {
        report.text +=
            fmt::format("{:<27}{:<10}{:<7}{}\n", name, required ? "required" : "optional",
                        found ? "yes" : "no", instead);
        report.usable &= found || !required;
    };
    auto ring = Ring::open({.submission_entries = 4, .completion_entries = 8, .features = {}});
    add("io_uring", true, ring.has_value(), ring ? "-" : std::string_view(ring.error()));
    if (!ring) return report;
    for (const auto& [bit, name] : kRequiredRingFeatures)
        add(name, true, ((*ring)->native().features & bit) != 0, "-");
    const std::unique_ptr<io_uring_probe, decltype(&io_uring_free_probe)> opcodes(
        io_uring_get_probe_ring(&(*ring)->native()), &io_uring_free_probe);
    for (const auto& [opcode, name] : kRequiredOpcodes)
        add(name, true, opcodes && io_uring_opcode_supported(opcodes.get(), opcode) != 0, "-");
    add("provided buffer rings", true, try_receive({}).has_value(), "-");
    const FeatureSet found = probe().value_or(FeatureSet{});
    for (const auto& [feature, name, instead] : kFeatureNames)
        add(name, false, found.has(feature), instead);
    return report;
}

}  // namespace shardmill::uring
