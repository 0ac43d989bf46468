#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/histogram.h"
#include "bench/workload.h"

namespace shardmill::bench {

/// What a thread counted in one phase. One thread writes; `merge` joins afterwards.
struct Counters {
    std::uint64_t gets = 0;      // get requests answered
    std::uint64_t get_keys = 0;  // keys they asked for
    std::uint64_t hits = 0;
    std::uint64_t sets = 0;
    std::uint64_t errors = 0;  // error replies
    std::uint64_t wrong = 0;   // values or keys that are not what was stored (--verify)
    std::uint64_t bytes_in = 0;
    std::uint64_t bytes_out = 0;
    std::string first_error;
    Histogram get_latency;
    Histogram set_latency;

    std::uint64_t requests() const noexcept { return gets + sets; }
    std::uint64_t operations() const noexcept { return get_keys + sets; }
    void merge(const Counters& other);
};

/// One connection to the server: composes requests, understands replies. Owns the socket. Used by
/// one thread.
class Connection {
 public:
    /// Takes a connected, non-blocking socket.
    Connection(int fd, const Workload& workload, const Options& options, std::uint64_t lane);
    ~Connection();
    Connection(Connection&& other) noexcept;
    Connection& operator=(Connection&&) = delete;

    int fd() const noexcept { return fd_; }
    bool open() const noexcept { return fd_ >= 0; }
    unsigned in_flight() const noexcept { return in_flight_; }
    bool has_room() const noexcept { return in_flight_ < depth_; }
    /// How many requests may be in flight. Only while none is.
    void set_depth(unsigned depth);
    bool has_output() const noexcept { return sent_ < output_.size(); }

    /// Composes the next request of the load, or the set of one key. `intended_ns` is where its
    /// latency starts.
    void add_next(std::uint64_t intended_ns);
    void add_set(std::uint64_t id, std::uint64_t intended_ns);

    /// Writes what the socket takes. False: the connection is broken (and closed).
    bool flush(Counters& counters);
    /// Reads once through `scratch` and books the replies. False: the connection is broken (and
    /// closed); the reason is in counters.first_error.
    bool read(std::vector<char>& scratch, Counters& counters);

 private:
    struct Pending {
        std::uint64_t intended_ns;
        std::uint64_t first_id;
        std::uint32_t keys;  // 0: a set
    };

    void add_get(std::uint64_t intended_ns);
    void push(const Pending& pending) noexcept;
    const Pending& oldest() const noexcept { return ring_[head_]; }
    void complete(Counters& counters, std::uint64_t now) noexcept;
    /// Bytes consumed; less than given only when a line is not complete. Negative: a reply nobody
    /// can understand.
    std::ptrdiff_t parse(std::string_view bytes, Counters& counters);
    bool parse_line(std::string_view line, Counters& counters, std::uint64_t now);
    bool parse_value_line(std::string_view line, Counters& counters);
    std::size_t take_data(std::string_view bytes, Counters& counters);
    bool fail(Counters& counters, std::string reason);

    int fd_;
    const Workload* workload_;
    KeyPicker picker_;
    unsigned multiget_;
    std::int32_t exptime_;
    bool verify_;
    unsigned depth_;
    std::vector<Pending> ring_;
    std::size_t head_ = 0;
    unsigned in_flight_ = 0;
    std::string output_;
    std::size_t sent_ = 0;
    std::string partial_;            // the start of a line that was not complete
    std::uint64_t data_left_ = 0;    // bytes of a value and its CR LF still to come
    std::uint32_t values_seen_ = 0;  // of the oldest request
    std::string_view expected_;      // what is left to compare of the value being read
    bool mismatch_ = false;
};

}  // namespace shardmill::bench
