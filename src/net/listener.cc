#include "net/listener.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "net/resolve.h"

namespace shardmill::net {
namespace {

constexpr std::string_view kPortOption = "-p";

/// Accepted sockets inherit the options.
void set_options(int socket, int family) noexcept {
    const int on = 1;
    ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (family == AF_INET6) ::setsockopt(socket, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
}

std::expected<Listener, OpenError> open_tcp(sockaddr_storage address, socklen_t bytes,
                                            const ListenAddress& wanted, int backlog) {
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    const int family = address.ss_family;
    const std::string where = describe(address, bytes);
    FileDescriptor socket(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return open_error(errno, where, kPortOption);
    set_options(socket.get(), family);
    if (::bind(socket.get(), generic, bytes) != 0 || ::listen(socket.get(), backlog) != 0 ||
        ::getsockname(socket.get(), generic, &bytes) != 0) {
        return open_error(errno, where, kPortOption);
    }
    const auto kind = family == AF_INET6 ? BoundAddress::Kind::Tcp6 : BoundAddress::Kind::Tcp4;
    const int number = socket.get();
    return Listener{std::move(socket),
                    {.kind = kind,
                     .port = port_of(address),
                     .address = host_of(address, bytes),
                     .security = wanted.security,
                     .dialect = wanted.dialect,
                     .tag = wanted.tag,
                     .socket = number}};
}

/// Removes the socket file of a server that is gone. True if one is still there and answers.
bool unix_path_is_served(const sockaddr_un& address) noexcept {
    struct stat status{};
    if (::lstat(address.sun_path, &status) != 0 || !S_ISSOCK(status.st_mode)) return false;
    const FileDescriptor probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    const bool refused =
        ::connect(probe.get(), generic, sizeof(address)) != 0 && errno == ECONNREFUSED;
    if (refused) ::unlink(address.sun_path);
    return !refused;
}

std::expected<Listener, std::string> open_unix(const ServerConfig& config) {
    const auto fail = [&](std::string_view reason) {
        return std::unexpected(fmt::format("cannot listen on {}: {}", config.unix_path, reason));
    };
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (config.unix_path.size() >= sizeof(address.sun_path)) {
        return fail(
            "the path is too long for a unix socket (107 bytes); choose a shorter one with -s");
    }
    std::memcpy(address.sun_path, config.unix_path.c_str(), config.unix_path.size() + 1);
    if (unix_path_is_served(address)) {
        return fail("another program listens there; stop it or choose another path with -s");
    }
    FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket.valid()) return fail(std::strerror(errno));
    const mode_t old_mask = ::umask(static_cast<mode_t>(~config.unix_mode & 0777u));
    const int bound =
        ::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int error = errno;
    ::umask(old_mask);
    if (bound != 0) {
        return fail(error == EADDRINUSE
                        ? std::string("a file that is no socket is in the way; remove it or choose "
                                      "another path with -s")
                        : fmt::format("{}; check the path given with -s", std::strerror(error)));
    }
    if (::listen(socket.get(), config.backlog) != 0) return fail(std::strerror(errno));
    const int number = socket.get();
    return Listener{std::move(socket),
                    {.kind = BoundAddress::Kind::Unix,
                     .port = 0,
                     .address = config.unix_path,
                     .dialect = config.unix_dialect,
                     .socket = number}};
}

}  // namespace

std::expected<std::vector<Listener>, std::string> open_listeners(const ServerConfig& config) {
    std::vector<Listener> listeners;
    if (!config.unix_path.empty()) {
        auto listener = open_unix(config);
        if (!listener) return std::unexpected(listener.error());
        listeners.push_back(std::move(*listener));
        return listeners;
    }
    for (const ListenAddress& wanted : config.listen) {
        auto opened = open_host(wanted.host, wanted.port, SOCK_STREAM,
                                [&](const sockaddr_storage& address, socklen_t bytes) {
                                    return open_tcp(address, bytes, wanted, config.backlog);
                                });
        if (!opened) return std::unexpected(opened.error());
        std::ranges::move(*opened, std::back_inserter(listeners));
    }
    return listeners;
}

std::expected<void, std::string> raise_file_limit(const ServerConfig& config) {
    constexpr rlim_t kOthers = 64;  // listeners, files, the control plane
    // An address family each.
    const rlim_t udp_sockets = rlim_t{config.udp.size()} * 2 * config.reactors;
    const rlim_t needed =
        rlim_t{config.connections_max} + rlim_t{config.reactors} * 2 + udp_sockets + kOthers;
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
    const bool enough = limit.rlim_cur >= needed;
    // All that may be had: snapshots and jobs open some files for every core.
    limit.rlim_max = std::max(limit.rlim_max, needed);
    limit.rlim_cur = limit.rlim_max;
    if (::setrlimit(RLIMIT_NOFILE, &limit) == 0 || enough) return {};
    return std::unexpected(
        fmt::format("cannot have {} connections: that needs {} open files, and the limit cannot be "
                    "raised that far; raise it (ulimit -n) or ask for fewer connections with -c",
                    config.connections_max, needed));
}

}  // namespace shardmill::net
