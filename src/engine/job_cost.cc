#include "engine/job_cost.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "base/clock.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

constexpr double kNsPerMs = 1e6;
constexpr std::size_t kKeyBytes = 24;

/// Both ends of a connection within the process.
class Loopback {
 public:
    Loopback() noexcept {
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_) != 0) {
            ends_[0] = ends_[1] = -1;
        }
    }
    ~Loopback() {
        for (const int end : ends_) {
            if (end >= 0) ::close(end);
        }
    }
    Loopback(const Loopback&) = delete;
    Loopback& operator=(const Loopback&) = delete;

    /// Sends and receives `bytes`; the rest of what does not fit is left out.
    std::size_t move(std::string_view bytes, char* into) noexcept {
        const ssize_t sent = ::send(ends_[0], bytes.data(), bytes.size(), MSG_NOSIGNAL);
        std::size_t got = 0;
        while (sent > 0 && got < static_cast<std::size_t>(sent)) {
            const ssize_t read = ::recv(ends_[1], into + got, bytes.size() - got, 0);
            if (read <= 0) break;
            got += static_cast<std::size_t>(read);
        }
        return got;
    }

 private:
    int ends_[2];
};

/// Values found in received replies, as a client goes through them.
std::size_t count_values(std::string_view bytes, std::size_t value_bytes) {
    std::size_t values = 0;
    while (bytes.starts_with("VALUE ")) {
        const auto line = bytes.find('\n');
        if (line == std::string_view::npos || line + 1 + value_bytes + 2 > bytes.size()) break;
        bytes.remove_prefix(line + 1 + value_bytes + 2);
        ++values;
    }
    return values;
}

/// CPU nanoseconds for one item with a value of that size.
double item_ns(std::size_t value_bytes) {
    constexpr std::size_t kWriteBytes = 64u << 10;
    constexpr int kRounds = 24;
    Loopback loopback;
    const std::string key(kKeyBytes, 'k');
    const std::string value(value_bytes, 'v');
    std::string replies;
    std::string received(kWriteBytes + value_bytes + 256, '\0');
    std::size_t items = 0;
    std::uint64_t began = 0;
    for (int round = 0; round < kRounds; ++round) {
        if (round == kRounds / 4) {  // warm
            began = base::thread_cpu_ns();
            items = 0;
        }
        replies.clear();
        while (replies.size() < kWriteBytes) protocol::append_value(replies, key, 0, value);
        const std::size_t got = loopback.move(replies, received.data());
        items += count_values({received.data(), got}, value_bytes);
    }
    return static_cast<double>(base::thread_cpu_ns() - began) /
           static_cast<double>(std::max<std::size_t>(items, 1));
}

TransferCost measure() {
    constexpr std::size_t kSmall = 16;
    constexpr std::size_t kLarge = 8192;
    const double small = item_ns(kSmall);
    const double large = item_ns(kLarge);
    TransferCost cost;
    cost.byte_ns = std::max(0.0, large - small) / (kLarge - kSmall);
    cost.item_ns = std::max(0.0, small - cost.byte_ns * (kKeyBytes + kSmall));
    return cost;
}

template <typename Number>
double ratio(double dividend, Number divisor) {
    return divisor == 0 ? 0 : dividend / static_cast<double>(divisor);
}

}  // namespace

const TransferCost& transfer_cost() {
    static const TransferCost cost = measure();
    return cost;
}

JobCost measured_cost(const JobFigures& figures, double cpu_ns, double took_ns) {
    JobCost cost{.items = figures.scanned,
                 .bytes = figures.bytes,
                 .workers = figures.workers,
                 .item_ns = ratio(cpu_ns, figures.scanned),
                 .transfer_ns = 0,
                 .in_place_ms = took_ns / kNsPerMs,
                 .ship_out_ms = 0,
                 .not_moved = 0};
    add_ship_out(cost, figures.selected, figures.selected_bytes, figures.result_bytes);
    return cost;
}

void add_ship_out(JobCost& cost, std::uint64_t selected, std::uint64_t selected_bytes,
                  std::uint64_t result_bytes) {
    const double transfer_ns = transfer_cost().ns(selected, selected_bytes);
    cost.transfer_ns = ratio(transfer_ns, selected_bytes);
    cost.ship_out_ms = transfer_ns / kNsPerMs + cost.in_place_ms;
    cost.not_moved = selected_bytes - std::min(selected_bytes, result_bytes);
}

std::string cost_text(const JobCost& cost) {
    return fmt::format("{} {} {} {:.3f} {:.3f} {:.3f} {:.3f} {}", cost.items, cost.bytes,
                       cost.workers, cost.item_ns, cost.transfer_ns, cost.in_place_ms,
                       cost.ship_out_ms, cost.not_moved);
}

std::optional<JobCost> parse_cost(std::string_view text) {
    JobCost cost;
    const char* at = text.data();
    const char* const end = at + text.size();
    const auto take = [&](auto& number) {
        if (at != end && *at == ' ') ++at;
        const auto [next, error] = std::from_chars(at, end, number);
        at = next;
        return error == std::errc{};
    };
    const bool whole = take(cost.items) && take(cost.bytes) && take(cost.workers) &&
                       take(cost.item_ns) && take(cost.transfer_ns) && take(cost.in_place_ms) &&
                       take(cost.ship_out_ms) && take(cost.not_moved) && at == end;
    return whole ? std::optional(cost) : std::nullopt;
}

}  // namespace shardmill::engine
