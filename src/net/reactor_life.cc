// The part of ReactorIo that is about the life of connections: how they come, how long they may
// stay, and how they are taken apart.

#include "net/reactor_io.h"

#include <sys/socket.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "base/clock.h"
#include "net/connection_state.h"

namespace shardmill::net {
namespace {

constexpr std::uint64_t kNsPerMs = 1'000'000;
constexpr std::size_t kListedAtOnce = 256;  // connections, between two turns

void add(std::atomic<std::uint64_t>& counter, std::int64_t delta) noexcept {
    // One writer: no need for a locked addition.
    counter.store(counter.load(std::memory_order_relaxed) + static_cast<std::uint64_t>(delta),
                  std::memory_order_relaxed);
}

}  // namespace

void ReactorIo::adopt(AcceptedSocket socket) {
    if (winding_down_) return;
    Connection& connection = table_.open(socket.release());
    connection.io = this;
    connection.authenticated = config_.authentication == Authentication::None;
    connection.listener = &socket.listener();
    connection.peer = PeerAddress::of(connection.socket);
    connection.dialect = socket.listener().dialect;
    connection.last_command_s = now_s_;
    connection.operations_max = std::min(connection.operations_max, config_.turn_requests_max);
    static_cast<ReceiveCompletion&>(connection).handler = on_receive;
    static_cast<SendCompletion&>(connection).handler = on_send;
    add(counters_.current, 1);
    add(counters_.total, 1);
    counters_.structures.store(table_.capacity(), std::memory_order_relaxed);
    executor_.connection_opened(connection.facts());
    if (socket.listener().security != Security::None) begin_session(connection);
    update_receive(connection);
}

/// Nothing more will come in, and everything has gone out.
bool ReactorIo::finished(const Connection& connection) const noexcept {
    if (!connection.closing && !connection.end_seen) return false;
    if (connection.sending || connection.output_bytes() != 0) return false;
    return connection.closing || connection.endless || !connection.stalled();
}

/// Takes a broken connection apart, as far as that is possible yet.
void ReactorIo::dismantle(Connection& connection) noexcept {
    if (!std::exchange(connection.released, true)) {
        reader_->drop(connection);
        connection.pending.clear(buffers_, executor_);
        if (connection.deliveries) connection.deliveries->give_up();
        executor_.connection_closed(connection.facts(), connection.close_reason);
    }
    if (connection.receiving || connection.sending) {
        // Ends both operations; their completions bring us back here.
        if (!std::exchange(connection.shut_down, true)) ::shutdown(connection.socket, SHUT_RDWR);
        return;
    }
    if (connection.in_runnable) return;  // comes by once more in the next turn
    connection.outgoing.clear(buffers_, executor_);
    connection.tls.reset();
    ::close(connection.socket);
    table_.close(connection);
    quota_.give_back();
    add(counters_.current, -1);
    add(counters_.ended, 1);
}

void ReactorIo::break_all() noexcept {
    table_.for_each([this](Connection& connection) {
        connection.broken = true;
        look_after(connection);
    });
}

/// A coarse sweep instead of a timer for each: when somebody may be due, all are looked at.
void ReactorIo::close_idle() noexcept {
    const std::uint32_t timeout = config_.idle_timeout_s;
    next_sweep_s_ = std::numeric_limits<std::uint32_t>::max();
    if (timeout == 0) return;
    std::uint32_t oldest = now_s_;
    table_.for_each([&](Connection& connection) {
        if (connection.closing || connection.broken || !is_idle(connection)) return;
        if (now_s_ - connection.last_command_s <= timeout) {
            oldest = std::min(oldest, connection.last_command_s);
            return;
        }
        add(counters_.idle_kicks, 1);
        connection.close_reason = CloseReason::IdleTimeout;
        connection.closing = true;
        look_after(connection);
    });
    next_sweep_s_ = std::max(now_s_, oldest + timeout) + 1;
}

bool ReactorIo::list_connections(std::size_t& slot, std::vector<ConnectionReport>& reports) {
    table_.for_each_from(slot, kListedAtOnce, [&](Connection& connection) {
        if (!connection.released) reports.push_back(report_on(connection, now_s_));
    });
    slot += kListedAtOnce;
    return slot < table_.capacity();
}

bool ReactorIo::wind_down() noexcept {
    if (!std::exchange(winding_down_, true)) {
        wind_down_deadline_ns_ = base::monotonic_ns() + config_.stop_drain_ms * kNsPerMs;
        if (acceptor_) acceptor_->stop();
        if (udp_) udp_->stop();
        table_.for_each([this](Connection& connection) {
            // A deferred reply would need whoever is stopping, too.
            if (connection.deferred) connection.broken = true;
            if (!connection.closing) connection.close_reason = CloseReason::Shutdown;
            connection.closing = true;
            look_after(connection);
        });
    }
    if (table_.size() == 0) {
        return (!acceptor_ || acceptor_->stopped()) && (!udp_ || udp_->stopped());
    }
    if (base::monotonic_ns() >= wind_down_deadline_ns_) break_all();
    return false;
}

}  // namespace shardmill::net
