#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/acceptor.h"
#include "net/batch.h"
#include "net/buffer_account.h"
#include "net/buffer_pool.h"
#include "net/command_reader.h"
#include "net/connection_table.h"
#include "net/executor.h"
#include "net/server.h"
#include "net/socket.h"
#include "net/tls_context.h"
#include "net/udp_port.h"
#include "runtime/reactor.h"
#include "uring/buffer_ring.h"
#include "uring/ring.h"

namespace shardmill::net {

/// A reactor's connections: what its turns consist of. All on the reactor's thread, except
/// `counters`.
class ReactorIo final : public runtime::TurnWork {
 public:
    ReactorIo(const ServerConfig& config, std::uint32_t reactor, Executor& executor,
              ConnectionQuota& quota);
    ~ReactorIo() override;

    /// The reactor that accepts for all: before it starts.
    void set_acceptor(std::unique_ptr<Acceptor> acceptor) noexcept;
    /// Sockets for datagrams, none twice: before the reactor starts.
    void set_udp(std::vector<UdpSocket> sockets);

    /// What secured connections begin with from now on. On the reactor's thread, or before it
    /// starts.
    void set_tls(std::shared_ptr<const TlsContext> context) noexcept { tls_ = std::move(context); }
    /// Takes a new connection over.
    void adopt(AcceptedSocket socket);
    /// Adds reports on some connections, from a slot on, and moves `slot` behind them. False: those
    /// were the last.
    bool list_connections(std::size_t& slot, std::vector<ConnectionReport>& reports);
    /// Sets what a deferred operation has found out about its connection; `answer` follows.
    void admit(ConnectionId id, bool authenticated) noexcept;
    /// Answers a deferred operation.
    void answer(ConnectionId id, std::string_view reply);
    /// Output of a deferred operation before its answer.
    void push(ConnectionId id, std::string_view bytes, Delivered delivered);

    /// Any thread.
    const ConnectionCounters& counters() const noexcept { return counters_; }
    ConnectionCounters& counters() noexcept { return counters_; }

    std::expected<void, std::string> begin(uring::Ring& ring,
                                           runtime::WaitPolicy& wait_policy) override;
    void turn() noexcept override;
    runtime::TurnReport finish_turn() noexcept override;
    bool wind_down() noexcept override;
    void end() noexcept override;

 private:
    /// A completed receive that the turn has yet to look at.
    struct Arrival {
        Connection* connection;
        std::int32_t result;
        std::uint16_t buffer;
        bool has_buffer;
    };

    static void on_receive(uring::Completion& completion, std::int32_t result,
                           std::uint32_t flags) noexcept;
    static void on_send(uring::Completion& completion, std::int32_t result,
                        std::uint32_t flags) noexcept;

    std::expected<void, std::string> begin_parts(uring::Ring& ring,
                                                 runtime::WaitPolicy& wait_policy);
    void let_go_of_ring() noexcept;
    Connection* find(ConnectionId id) noexcept;
    void begin_session(Connection& connection) noexcept;
    void look_after(Connection& connection) noexcept;
    void take_arrival(const Arrival& arrival) noexcept;
    void note_end(Connection& connection) noexcept;
    void note_sent(Connection& connection, OutputQueue& output, std::int64_t result) noexcept;
    void send_pending(Connection& connection) noexcept;
    void send_rest(Connection& connection) noexcept;
    void take_ciphertext(Connection& connection, std::string_view received) noexcept;
    void note_interruption(Connection& connection) noexcept;
    void drop_output(Connection& connection) noexcept;
    void fail_session(Connection& connection, std::string_view reason) noexcept;
    bool encrypt_some(Connection& connection) noexcept;
    void send_secured(Connection& connection) noexcept;
    void note_secured_sent(Connection& connection, std::int32_t result) noexcept;
    void say_goodbye(Connection& connection) noexcept;
    bool is_contended() const noexcept;
    void allow_round(Connection& connection) noexcept;
    std::size_t resume_all() noexcept;
    void send_early() noexcept;
    void settle_all() noexcept;
    void settle(Connection& connection) noexcept;
    void adapt(Connection& connection) noexcept;
    void note_yields(const Connection& connection) noexcept;
    void update_receive(Connection& connection) noexcept;
    bool finished(const Connection& connection) const noexcept;
    void dismantle(Connection& connection) noexcept;
    void break_all() noexcept;
    void close_idle() noexcept;
    std::uint64_t memory_held() const noexcept;
    void keep_house(runtime::TurnReport& report) noexcept;
    void publish_counters() noexcept;

    const ServerConfig& config_;
    std::uint32_t reactor_;
    Executor& executor_;
    ConnectionQuota& quota_;
    std::unique_ptr<Acceptor> acceptor_;
    std::unique_ptr<UdpPort> udp_;           // nullptr: no UDP
    std::shared_ptr<const TlsContext> tls_;  // nullptr: no listener is secured
    Buffer plain_;                           // what the next record is gathered in

    uring::Ring* ring_ = nullptr;
    runtime::WaitPolicy* wait_policy_ = nullptr;
    std::unique_ptr<uring::BufferRing> receive_buffers_;
    BufferPool buffers_;
    BufferAccount account_;
    ConnectionTable table_;
    std::vector<Connection*> dirty_;     // to be settled at the end of the turn
    std::vector<Connection*> runnable_;  // with input left over from the last turn
    std::vector<Connection*> running_;   // the same, of this round
    std::vector<Connection*> early_;     // through before the turn is
    bool contended_ = false;             // several connections have something to do in this round
    std::unique_ptr<Batch> batch_;
    std::unique_ptr<CommandReader> reader_;
    std::vector<Arrival> arrivals_;

    std::uint32_t now_s_ = 0;         // monotonic, as of this turn
    std::uint32_t next_sweep_s_ = 0;  // when idle connections are looked for again
    bool winding_down_ = false;
    std::uint64_t wind_down_deadline_ns_ = 0;

    ConnectionCounters counters_;
    std::uint64_t bytes_read_ = 0;
    std::uint64_t bytes_written_ = 0;
    std::uint64_t turns_ = 0;
    std::uint64_t yields_ = 0;
};

}  // namespace shardmill::net
