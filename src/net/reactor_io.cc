#include "net/reactor_io.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <utility>

#include "base/assert.h"
#include "protocol/binary_reply.h"

namespace shardmill::net {
namespace {

constexpr std::uint16_t kBufferGroup = 0;
constexpr std::uint32_t kTurnInputMax = 256u << 10;
constexpr std::uint64_t kIdleNs = 100'000'000;          // housekeeping without traffic
constexpr std::uint64_t kHousekeepingSoonNs = 200'000;  // while more of it is waiting
constexpr std::uint64_t kLargeTurnOutput = 256u << 10;
constexpr std::uint32_t kFewOperations = 8;
constexpr std::uint32_t kRoundsPerTurn = 16;  // before those are looked at who came meanwhile

void set(std::atomic<std::uint64_t>& counter, std::uint64_t value) noexcept {
    counter.store(value, std::memory_order_relaxed);
}

/// Seconds for what need not be exact.
std::uint32_t coarse_seconds() noexcept {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
    return static_cast<std::uint32_t>(time.tv_sec);
}

}  // namespace

ReactorIo::ReactorIo(const ServerConfig& config, std::uint32_t reactor, Executor& executor,
                     ConnectionQuota& quota)
    : config_(config),
      reactor_(reactor),
      executor_(executor),
      quota_(quota),
      buffers_(config.kept_buffer_bytes),
      account_(executor),
      table_(reactor) {}

ReactorIo::~ReactorIo() = default;

void ReactorIo::set_acceptor(std::unique_ptr<Acceptor> acceptor) noexcept {
    acceptor_ = std::move(acceptor);
}

void ReactorIo::set_udp(std::vector<UdpSocket> sockets) {
    udp_ = std::make_unique<UdpPort>(config_, reactor_, std::move(sockets));
}

std::expected<void, std::string> ReactorIo::begin(uring::Ring& ring,
                                                  runtime::WaitPolicy& wait_policy) {
    try {
        auto begun = begin_parts(ring, wait_policy);
        if (!begun) let_go_of_ring();
        return begun;
    } catch (...) {
        let_go_of_ring();
        throw;
    }
}

std::expected<void, std::string> ReactorIo::begin_parts(uring::Ring& ring,
                                                        runtime::WaitPolicy& wait_policy) {
    auto buffers = uring::BufferRing::open(ring, kBufferGroup, config_.receive_buffers,
                                           config_.receive_buffer_bytes);
    if (!buffers) return std::unexpected(buffers.error());
    receive_buffers_ = std::move(*buffers);
    ring_ = &ring;
    wait_policy_ = &wait_policy;
    batch_ = std::make_unique<Batch>(executor_, buffers_, dirty_, config_.batch_operations_max);
    reader_ =
        std::make_unique<CommandReader>(ReaderLimits{.authentication = config_.authentication,
                                                     .job_keys = config_.job_keys,
                                                     .upload_bytes_min = config_.upload_bytes_min,
                                                     .output_bytes_max = config_.output_bytes_max,
                                                     .line_bytes_max = config_.line_bytes_max,
                                                     .turn_input_max = kTurnInputMax},
                                        executor_, buffers_, *batch_, runnable_);
    arrivals_.reserve(config_.receive_buffers);
    if (udp_) {
        const UdpPort::Parts parts{
            .executor = executor_, .buffers = buffers_, .reader = *reader_, .counters = counters_};
        if (auto begun = udp_->begin(ring, parts); !begun) return begun;
    }
    if (acceptor_) acceptor_->begin(ring);
    return {};
}

Connection* ReactorIo::find(ConnectionId id) noexcept {
    return UdpPort::owns(id) && udp_ ? udp_->find(id) : table_.find(id);
}

void ReactorIo::admit(ConnectionId id, bool authenticated) noexcept {
    Connection* connection = find(id);
    if (connection != nullptr && connection->deferred) connection->authenticated = authenticated;
}

void ReactorIo::answer(ConnectionId id, std::string_view reply) {
    Connection* connection = find(id);
    if (connection == nullptr || connection->released || !connection->deferred) return;
    connection->deferred = false;
    connection->last_command_s = now_s_;  // it was not idle while it waited
    if (connection->answer_in_packet) {
        std::string head;
        protocol::append_binary_line_head(head, connection->answer_opaque,
                                          static_cast<std::uint32_t>(reply.size()));
        connection->pending.append(buffers_, head);
    }
    connection->pending.append(buffers_, reply);
    if (!connection->input.empty()) reader_->make_runnable(*connection);
    look_after(*connection);
}

void ReactorIo::push(ConnectionId id, std::string_view bytes, Delivered delivered) {
    if (UdpPort::owns(id)) return delivered(udp_ && udp_->push(id, bytes));
    Connection* to = table_.find(id);
    if (to == nullptr || to->broken || to->closing || !to->deferred) {
        delivered(false);
        return;
    }
    to->pending.append(buffers_, bytes);
    if (!to->deliveries) to->deliveries = std::make_unique<Deliveries>();
    to->deliveries->add(to->output_bytes(), std::move(delivered));
    look_after(*to);
}

void ReactorIo::look_after(Connection& connection) noexcept {
    if (connection.in_dirty) return;
    connection.in_dirty = true;
    dirty_.push_back(&connection);
}

void ReactorIo::on_receive(uring::Completion& completion, std::int32_t result,
                           std::uint32_t flags) noexcept {
    auto& connection = Connection::of(completion, static_cast<ReceiveCompletion*>(nullptr));
    if (!uring::more(flags)) {
        connection.receiving = false;
        connection.cancelling = false;
    }
    connection.io->arrivals_.push_back(
        {&connection, result, uring::buffer_id(flags), uring::has_buffer(flags)});
}

void ReactorIo::on_send(uring::Completion& completion, std::int32_t result,
                        std::uint32_t) noexcept {
    auto& connection = Connection::of(completion, static_cast<SendCompletion*>(nullptr));
    ReactorIo& io = *connection.io;
    connection.sending = false;
    if (connection.tls) return io.note_secured_sent(connection, result);
    io.note_sent(connection, connection.outgoing, result);
    if (connection.broken) connection.outgoing.clear(io.buffers_, io.executor_);
    if (!connection.outgoing.empty()) return io.send_rest(connection);
    io.look_after(connection);
}

/// `result`: bytes, or a negative errno.
void ReactorIo::note_sent(Connection& connection, OutputQueue& output,
                          std::int64_t result) noexcept {
    if (result > 0) {
        bytes_written_ += static_cast<std::uint64_t>(result);
        output.sent(static_cast<std::size_t>(result), buffers_, executor_);
        if (connection.deliveries) connection.deliveries->sent(static_cast<std::uint64_t>(result));
    } else if (result != -EAGAIN && result != -EINTR) {
        connection.broken = true;
    }
}

/// Most replies fit into the socket's buffer, and then a plain system call is the cheapest way: no
/// completion to reap, and the output buffer is free again while it is still in the cache. What
/// does not fit is left to the ring.
void ReactorIo::send_pending(Connection& connection) noexcept {
    constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
    OutputQueue& output = connection.pending;
    ssize_t sent = 0;
    if (output.is_plain()) {
        sent = ::send(connection.socket, output.front().data(), output.front().size(), kFlags);
    } else {
        sent = ::sendmsg(connection.socket, &output.message(), kFlags);
    }
    note_sent(connection, output, sent < 0 ? -errno : sent);
    if (connection.broken || output.empty()) return;
    connection.outgoing.swap(output);
    send_rest(connection);
}

void ReactorIo::send_rest(Connection& connection) noexcept {
    connection.sending = true;
    auto& completion = static_cast<SendCompletion&>(connection);
    OutputQueue& output = connection.outgoing;
    if (output.is_plain()) {
        const std::string_view text = output.front();
        ring_->send(completion, connection.socket, text.data(), text.size());
    } else {
        ring_->send(completion, connection.socket, output.message());
    }
}

void ReactorIo::take_arrival(const Arrival& arrival) noexcept {
    Connection& connection = *arrival.connection;
    look_after(connection);
    if (arrival.result > 0 && arrival.has_buffer) {
        const auto bytes = static_cast<std::size_t>(arrival.result);
        if (bytes < receive_buffers_->buffer_bytes()) connection.flooding = false;
        wait_policy_->note_arrival(connection.arrival_mark);
        if (connection.broken) return;
        if (!connection.in_runnable) allow_round(connection);
        char* const data = receive_buffers_->data(arrival.buffer);
        if (connection.tls) return take_ciphertext(connection, {data, bytes});
        bytes_read_ += bytes;
        reader_->receive(connection, data, bytes);
        return;
    }
    switch (arrival.result) {
        case 0:
            note_end(connection);
            break;
        case -ENOBUFS:    // received again once this turn's buffers are back
        case -ECANCELED:  // our own wish
        case -EINTR:
        case -EAGAIN:
            break;
        default:
            if (connection.tls && !connection.closing) note_interruption(connection);
            connection.broken = true;
    }
}

/// The peer has sent all it wants to send.
void ReactorIo::note_end(Connection& connection) noexcept {
    connection.end_seen = true;
    if (connection.closing || connection.broken) return;
    connection.close_reason = CloseReason::Normal;
    if (connection.tls) note_interruption(connection);
}

void ReactorIo::turn() noexcept {
    ++turns_;
    now_s_ = coarse_seconds();
    if (acceptor_) acceptor_->turn();
    contended_ = is_contended();
    running_.swap(runnable_);
    for (const Arrival& arrival : arrivals_) take_arrival(arrival);
    if (udp_) udp_->take_arrivals();
    resume_all();
    for (std::uint32_t round = 1; round < kRoundsPerTurn && contended_; ++round) {
        send_early();
        running_.swap(runnable_);
        contended_ = running_.size() > 1;
        if (resume_all() == 0) break;
    }
    batch_->run();
    for (const Arrival& arrival : arrivals_) {
        if (arrival.has_buffer) receive_buffers_->recycle(arrival.buffer);
    }
    receive_buffers_->publish();
    arrivals_.clear();
    if (udp_) udp_->recycle();
}

bool ReactorIo::is_contended() const noexcept {
    const Connection* only = runnable_.empty() ? nullptr : runnable_.front();
    if (only == nullptr && !arrivals_.empty()) only = arrivals_.front().connection;
    return runnable_.size() > 1 || std::ranges::any_of(arrivals_, [only](const Arrival& arrival) {
               return arrival.connection != only;
           });
}

/// While several connections have something to do, each does a little at a time.
void ReactorIo::allow_round(Connection& connection) noexcept {
    const std::uint32_t most = connection.operations_max;
    const std::uint32_t done = std::min(connection.turn_operations, most);
    connection.operations_now =
        contended_ ? done + std::min(config_.requests_per_event, most - done) : most;
}

/// Lets those go on that had to stop before their input was through. Returns how many did: who has
/// had his share of the turn waits for the next one.
std::size_t ReactorIo::resume_all() noexcept {
    std::size_t resumed = 0;
    for (Connection* connection : running_) {
        if (connection->turn_operations >= connection->operations_max) {
            runnable_.push_back(connection);
            continue;
        }
        ++resumed;
        connection->in_runnable = false;
        look_after(*connection);
        allow_round(*connection);
        if (!connection->broken) reader_->resume(*connection);
    }
    running_.clear();
    return resumed;
}

/// Who is through with his input is answered before the others go on.
void ReactorIo::send_early() noexcept {
    const auto goes_on = [](const Connection* connection) { return connection->in_runnable; };
    if (runnable_.empty() || std::ranges::all_of(dirty_, goes_on)) return;
    batch_->run();
    const auto through = std::stable_partition(dirty_.begin(), dirty_.end(), goes_on);
    early_.assign(through, dirty_.end());
    dirty_.erase(through, dirty_.end());
    for (Connection* connection : early_) {
        connection->in_dirty = false;
        settle(*connection);
    }
}

void ReactorIo::settle_all() noexcept {
    for (std::size_t i = 0; i < dirty_.size(); ++i) {
        dirty_[i]->in_dirty = false;
        settle(*dirty_[i]);
    }
    dirty_.clear();
}

runtime::TurnReport ReactorIo::finish_turn() noexcept {
    settle_all();
    if (now_s_ >= next_sweep_s_) {
        close_idle();
        settle_all();
    }
    if (udp_) udp_->finish_turn();
    runtime::TurnReport report{.again = !runnable_.empty(), .idle_ns = kIdleNs};
    if (acceptor_) report.idle_ns = std::min(report.idle_ns, acceptor_->idle_ns());
    keep_house(report);
    publish_counters();
    return report;
}

/// For connections. A receive buffer that was filled once stays resident.
std::uint64_t ReactorIo::memory_held() const noexcept {
    return std::uint64_t{config_.receive_buffers} * config_.receive_buffer_bytes +
           buffers_.bytes_in_use() + buffers_.bytes_kept() + table_.capacity() * sizeof(Connection);
}

void ReactorIo::keep_house(runtime::TurnReport& report) noexcept {
    if (account_.note(memory_held(), now_s_)) buffers_.trim();
    if (executor_.housekeep()) report.idle_ns = std::min(report.idle_ns, kHousekeepingSoonNs);
}

void ReactorIo::publish_counters() noexcept {
    set(counters_.bytes_read, bytes_read_ + (udp_ ? udp_->bytes_received() : 0));
    set(counters_.bytes_written, bytes_written_ + (udp_ ? udp_->bytes_sent() : 0));
    set(counters_.turns, turns_);
    set(counters_.yields, yields_);
    set(counters_.buffer_bytes, buffers_.bytes_in_use());
    set(counters_.idle_buffer_bytes, buffers_.bytes_kept());
}

/// Many operations a turn for those with small replies, few for those with large ones.
void ReactorIo::adapt(Connection& connection) noexcept {
    if (connection.turn_output >= kLargeTurnOutput) {
        connection.operations_max = std::max(kFewOperations, connection.operations_max / 4);
    } else if (connection.turn_operations >= connection.operations_max) {
        connection.operations_max =
            std::min(connection.operations_max * 2, config_.turn_requests_max);
    }
    if (connection.turn_operations != 0) connection.last_command_s = now_s_;
    note_yields(connection);
    connection.turn_operations = 0;
    connection.turn_input = 0;
    connection.turn_output = 0;
}

/// As memcached counts: each time after `requests_per_event` operations with more to do, whether
/// or not somebody else was waiting.
void ReactorIo::note_yields(const Connection& connection) noexcept {
    const std::uint32_t in_a_row = config_.requests_per_event;
    if (connection.turn_operations <= in_a_row && !connection.in_runnable) return;
    const std::uint32_t done = std::max(connection.turn_operations, 1u);
    yields_ += (done - 1) / in_a_row + (connection.in_runnable ? 1 : 0);
}

/// What a connection needs at the end of a turn in which something happened to it.
void ReactorIo::settle(Connection& connection) noexcept {
    adapt(connection);
    if (connection.closing || connection.endless) reader_->drop(connection);
    if (!connection.broken && !connection.sending) {
        if (connection.tls) {
            send_secured(connection);
        } else if (!connection.pending.empty()) {
            send_pending(connection);
        }
    }
    if (connection.choked && connection.output_bytes() < config_.output_bytes_max / 2) {
        connection.choked = false;
        if (!connection.input.empty()) reader_->make_runnable(connection);
    }
    if (finished(connection)) {
        if (connection.tls) say_goodbye(connection);
        if (!connection.sending) connection.broken = true;
    }
    if (connection.broken) return dismantle(connection);
    update_receive(connection);
}

void ReactorIo::update_receive(Connection& connection) noexcept {
    // Whoever has to wait is listened to a little longer: that is how its end is noticed.
    const bool full = connection.stalled() && connection.input.size() >= config_.backlog_bytes_max;
    const bool wanted = !connection.end_seen && !connection.closing && !full;
    auto& completion = static_cast<ReceiveCompletion&>(connection);
    if (full) connection.flooding = true;
    if (wanted && !connection.receiving) {
        connection.receiving = true;
        ring_->receive(completion, connection.socket, receive_buffers_->group(),
                       !connection.flooding);
    } else if (!wanted && connection.receiving && !connection.cancelling && !connection.closing) {
        connection.cancelling = true;
        ring_->cancel(completion);
    }
}

void ReactorIo::end() noexcept {
    SHARDMILL_ASSERT(table_.size() == 0);
    dirty_.clear();
    buffers_.give_back(plain_);
    let_go_of_ring();
    account_.close();
    publish_counters();
}

void ReactorIo::let_go_of_ring() noexcept {
    if (udp_) udp_->end();
    reader_.reset();
    batch_.reset();
    receive_buffers_.reset();
    ring_ = nullptr;
}

}  // namespace shardmill::net
