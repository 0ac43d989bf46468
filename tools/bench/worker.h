#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "bench/connection.h"
#include "bench/workload.h"

namespace shardmill::bench {

/// One stretch of load on all connections.
struct Phase {
    enum class Kind : std::uint8_t { Prefill, Load };
    Kind kind = Kind::Load;
    std::uint64_t start_ns = 0;  // all threads start their schedules here
    std::uint64_t stop_ns = 0;   // no new requests from here on; 0: until `requests` are sent
    std::uint64_t requests =
        0;               // of this thread; 0: until stop_ns. For Prefill: keys from `first_key`
    unsigned depth = 1;  // requests in flight on a connection
    std::uint64_t first_key = 0;  // Prefill
    double interval_ns = 0;       // between requests of this thread; 0: as fast as replies come
};

struct PhaseResult {
    Counters counters;
    std::uint64_t first_ns = 0;  // start of the first request and end of the last reply
    std::uint64_t last_ns = 0;
    std::uint64_t cpu_ns = 0;  // of the thread
    std::string failure;       // not empty: the phase was given up, with the reason
};

/// A thread's share of the connections and the loop that drives them.
class Worker {
 public:
    /// Connects `connections` times; throws client::Error when that fails. `first_lane` numbers
    /// them over all threads.
    Worker(const Options& options, const Workload& workload, unsigned first_lane,
           unsigned connections);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Runs one phase to its end; called on the thread that is to do the work.
    PhaseResult run(const Phase& phase);

 private:
    struct Lane {
        Connection connection;
        std::uint64_t turn = 0;  // requests of the schedule this connection has sent
        bool wants_write = false;
    };

    bool may_send(const Phase& phase, std::uint64_t now) const noexcept;
    void fill(Lane& lane, const Phase& phase, std::uint64_t now);
    void add_one(Lane& lane, const Phase& phase, std::uint64_t intended);
    std::uint64_t due_ns(const Lane& lane, const Phase& phase) const noexcept;
    void send_due(const Phase& phase, std::uint64_t now);
    void flush(Lane& lane);
    void serve(std::uint32_t events, Lane& lane, const Phase& phase);
    int wait(const Phase& phase, std::uint64_t now);
    unsigned in_flight() const noexcept;

    const Options& options_;
    int epoll_ = -1;
    std::vector<Lane> lanes_;
    std::vector<char> scratch_;
    Counters counters_;
    std::uint64_t issued_ = 0;
    std::uint64_t scheduled_ = 0;  // requests of the schedule that have come due
    unsigned open_ = 0;
};

}  // namespace shardmill::bench
