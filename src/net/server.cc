#include "net/server.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <string_view>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "base/log.h"
#include "net/acceptor.h"
#include "net/connection_state.h"
#include "net/listener.h"
#include "net/reactor_io.h"
#include "net/socket.h"
#include "net/tls_context.h"
#include "net/udp_socket.h"
#include "runtime/reactor.h"
#include "uring/probe.h"

namespace shardmill::net {

/// A reactor with what it does. The I/O outlives the reactor's thread.
struct ReactorParts {
    ReactorParts(const ServerConfig& config, std::uint32_t number, Executor& executor,
                 ConnectionQuota& quota)
        : io(config, number, executor, quota),
          reactor(
              {.name = fmt::format("reactor-{}", number), .batch_wait_us = config.batch_wait_us},
              io) {}

    ReactorIo io;
    std::atomic<bool> deserted{false};  // winding down, and no client is left
    runtime::Reactor reactor;
};

struct Server::Impl final : Replier {
    using RefreshDone = ServerControl::RefreshDone;
    using ListDone = ServerControl::ListDone;

    Impl(ServerConfig configuration, const std::vector<Executor*>& executors)
        : config(std::move(configuration)),
          quota(config.connections_max),
          handed_out(config.reactors) {
        SHARDMILL_ASSERT(config.reactors > 0 && executors.size() == config.reactors);
        for (std::uint32_t number = 0; number < config.reactors; ++number) {
            reactors.push_back(
                std::make_unique<ReactorParts>(config, number, *executors[number], quota));
        }
        // An empty task: the accepting reactor looks at who waits in each of its turns.
        quota.set_on_room([this] { reactors.front()->reactor.post([] {}); });
    }

    void reply_login(ConnectionId connection, std::string bytes, bool authenticated) override {
        SHARDMILL_ASSERT(connection.reactor < reactors.size());
        ReactorParts& parts = *reactors[connection.reactor];
        parts.reactor.post([&io = parts.io, connection, authenticated, text = std::move(bytes)] {
            io.admit(connection, authenticated);
            io.answer(connection, text);
        });
    }

    void reply(ConnectionId connection, std::string bytes) override {
        SHARDMILL_ASSERT(connection.reactor < reactors.size());
        ReactorParts& parts = *reactors[connection.reactor];
        parts.reactor.post(
            [&io = parts.io, connection, text = std::move(bytes)] { io.answer(connection, text); });
    }

    void push(ConnectionId connection, std::string bytes, Delivered delivered) override {
        SHARDMILL_ASSERT(connection.reactor < reactors.size());
        ReactorParts& parts = *reactors[connection.reactor];
        parts.reactor.post([&io = parts.io, connection, text = std::move(bytes),
                            delivered = std::move(delivered)]() mutable {
            io.push(connection, text, std::move(delivered));
        });
    }

    /// Connections that were given to a reactor and have not ended. On the accepting reactor.
    std::uint64_t load_of(std::size_t reactor) const noexcept {
        return handed_out[reactor] -
               reactors[reactor]->io.counters().ended.load(std::memory_order_relaxed);
    }

    /// To the reactor with the fewest, in turn among equals: a few busy connections do not end up
    /// together because others have come and gone in between. Called on the accepting reactor, the
    /// first.
    void hand_out(AcceptedSocket socket) {
        std::size_t chosen = next_reactor;
        for (std::size_t i = 1; i < reactors.size(); ++i) {
            const std::size_t other = (next_reactor + i) % reactors.size();
            if (load_of(other) < load_of(chosen)) chosen = other;
        }
        next_reactor = (chosen + 1) % reactors.size();
        ++handed_out[chosen];
        ReactorParts& parts = *reactors[chosen];
        if (chosen == 0) return parts.io.adopt(std::move(socket));
        parts.reactor.post([&io = parts.io, accepted = std::move(socket)]() mutable {
            io.adopt(std::move(accepted));
        });
    }

    std::expected<std::shared_ptr<const TlsContext>, std::string> load_tls() {
        auto loaded = TlsContext::load(config.tls);
        if (loaded) listen_counters.certs_loaded_at_ns.store(base::monotonic_ns());
        return loaded;
    }

    /// Some listener wants to see certificates, and nobody is named who vouches for them.
    bool asks_for_strangers() const {
        return config.tls.ca_cert.empty() &&
               std::ranges::any_of(config.listen, [this](const ListenAddress& address) {
                   return address.security == Security::TlsMutual ||
                          (address.security == Security::Tls && config.tls.verify_mode >= 2);
               });
    }

    /// Asks one reactor after the other, for some connections at a time. `reports`: what has been
    /// said so far.
    void list(std::size_t next, std::size_t slot, std::vector<ConnectionReport> reports,
              ListDone done) {
        if (next == reactors.size()) {
            std::ranges::sort(reports, {}, &ConnectionReport::socket);
            return done(std::move(reports));
        }
        ReactorParts& parts = *reactors[next];
        parts.reactor.post([this, next, slot, &io = parts.io, reports = std::move(reports),
                            done = std::move(done)]() mutable {
            const bool more = io.list_connections(slot, reports);
            list(more ? next : next + 1, more ? slot : 0, std::move(reports), std::move(done));
        });
    }

    /// Hands `context` to all reactors; the last one to have it calls `done`.
    void spread(const std::shared_ptr<const TlsContext>& context, RefreshDone done) {
        struct Spreading {
            std::atomic<std::size_t> left;
            RefreshDone done;
        };
        const auto spreading = std::make_shared<Spreading>(reactors.size(), std::move(done));
        for (auto& parts : reactors) {
            parts->reactor.post([&io = parts->io, context, spreading] {
                io.set_tls(context);
                if (--spreading->left == 0) spreading->done({});
            });
        }
    }

    /// Opens the sockets for datagrams and gives every reactor its share.
    std::expected<void, std::string> listen_udp() {
        if (config.udp.empty()) return {};
        auto opened = open_udp(config);
        if (!opened) return std::unexpected(opened.error());
        for (std::size_t number = 0; number < reactors.size(); ++number) {
            std::vector<UdpSocket> share;
            for (UdpSockets& address : *opened) {
                share.push_back({std::move(address.sockets[number]), address.address.dialect});
            }
            reactors[number]->io.set_udp(std::move(share));
        }
        for (const UdpSockets& address : *opened) bound.push_back(address.address);
        listen_counters.listeners += opened->size() * reactors.size();
        return {};
    }

    void stop() noexcept {
        for (auto& parts : reactors) parts->reactor.stop();
        for (auto& parts : reactors) parts->reactor.join();
        quota.set_on_room({});
    }

    ServerConfig config;
    ConnectionQuota quota;
    uring::FeatureSet features;
    std::vector<Listener> listeners;  // until the acceptor takes them over
    std::vector<BoundAddress> bound;
    std::vector<std::unique_ptr<ReactorParts>> reactors;
    std::vector<std::uint64_t> handed_out;  // connections, by reactor
    std::size_t next_reactor = 0;
    ListenCounters listen_counters;
};

Server::Server(ServerConfig config, std::vector<Executor*> executors)
    : impl_(std::make_unique<Impl>(std::move(config), executors)) {}

Server::~Server() { stop(); }

std::expected<void, std::string> Server::load_certs() {
    if (!impl_->config.tls.enabled) return {};
    const auto loaded = impl_->load_tls();
    if (!loaded) return std::unexpected(loaded.error());
    if (impl_->asks_for_strangers()) {
        base::log_error(
            "no client's certificate is trusted without ssl_ca_cert, and some are "
            "asked for");
    }
    for (auto& parts : impl_->reactors) parts->io.set_tls(*loaded);
    return {};
}

void Server::refresh_certs(RefreshDone done) {
    if (!impl_->config.tls.enabled) return done(std::unexpected("Error TLS not enabled"));
    const auto loaded = impl_->load_tls();
    if (!loaded) return done(std::unexpected(loaded.error()));
    impl_->spread(*loaded, std::move(done));
}

void Server::list_connections(ListDone done) {
    std::vector<ConnectionReport> reports;
    for (const BoundAddress& listener : impl_->bound) reports.push_back(report_on(listener));
    impl_->list(0, 0, std::move(reports), std::move(done));
}

std::expected<void, std::string> Server::listen() {
    if (auto raised = raise_file_limit(impl_->config); !raised) return raised;
    auto listeners = open_listeners(impl_->config);
    if (!listeners) return std::unexpected(listeners.error());
    impl_->listeners = std::move(*listeners);
    for (const Listener& listener : impl_->listeners) {
        SHARDMILL_ASSERT(listener.address.security == Security::None || impl_->config.tls.enabled);
        impl_->bound.push_back(listener.address);
    }
    impl_->listen_counters.listeners.store(impl_->bound.size());
    return impl_->listen_udp();
}

std::expected<void, std::string> Server::start() {
    const auto features = uring::probe(impl_->config.disabled_features);
    if (!features) return std::unexpected(features.error());
    impl_->features = *features;
    if (impl_->bound.empty()) {
        if (auto listening = listen(); !listening) return listening;
    }
    // The reactor that accepts comes last: the others are there when it hands out connections.
    ReactorIo& accepting = impl_->reactors.front()->io;
    accepting.set_acceptor(std::make_unique<Acceptor>(
        std::move(impl_->listeners),
        Acceptor::Parts{.bound = impl_->bound,
                        .quota = impl_->quota,
                        .close_over_limit = impl_->config.close_over_limit,
                        .counters = accepting.counters(),
                        .listen_counters = impl_->listen_counters},
        [impl = impl_.get()](AcceptedSocket socket) { impl->hand_out(std::move(socket)); }));
    for (auto parts = impl_->reactors.rbegin(); parts != impl_->reactors.rend(); ++parts) {
        if (auto started = (*parts)->reactor.start({.features = *features}); !started) {
            stop();
            return started;
        }
    }
    return {};
}

bool Server::close_clients() {
    bool deserted = true;
    for (const auto& reactor_parts : impl_->reactors) {
        ReactorParts& parts = *reactor_parts;
        if (parts.deserted.load(std::memory_order_acquire)) continue;
        deserted = false;
        parts.reactor.post([&parts] {
            if (parts.io.wind_down()) parts.deserted.store(true, std::memory_order_release);
        });
    }
    return deserted;
}

void Server::stop() { impl_->stop(); }

std::uint32_t Server::reactors() const noexcept { return impl_->config.reactors; }

runtime::TaskQueue& Server::tasks(std::uint32_t reactor) noexcept {
    return impl_->reactors[reactor]->reactor;
}

Replier& Server::replier() noexcept { return *impl_; }

const runtime::TurnHistogram& Server::turn_lengths(std::uint32_t reactor) const noexcept {
    return impl_->reactors[reactor]->reactor.turn_lengths();
}

const ConnectionCounters& Server::counters(std::uint32_t reactor) const noexcept {
    return impl_->reactors[reactor]->io.counters();
}

const ListenCounters& Server::listen_counters() const noexcept { return impl_->listen_counters; }

const std::vector<BoundAddress>& Server::bound() const noexcept { return impl_->bound; }

std::string Server::describe_features() const {
    return fmt::format("io_uring features in use: {}", uring::to_string(impl_->features));
}

}  // namespace shardmill::net
