#include "bench/connection.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "base/number.h"
#include "bench/cpu_time.h"

namespace shardmill::bench {

void Counters::merge(const Counters& other) {
    gets += other.gets;
    get_keys += other.get_keys;
    hits += other.hits;
    sets += other.sets;
    errors += other.errors;
    wrong += other.wrong;
    bytes_in += other.bytes_in;
    bytes_out += other.bytes_out;
    if (first_error.empty()) first_error = other.first_error;
    get_latency.merge(other.get_latency);
    set_latency.merge(other.set_latency);
}

Connection::Connection(int fd, const Workload& workload, const Options& options, std::uint64_t lane)
    : fd_(fd),
      workload_(&workload),
      picker_(options, lane, options.connections),
      multiget_(options.multiget),
      exptime_(options.exptime),
      verify_(options.verify),
      depth_(options.pipeline),
      ring_(options.pipeline) {}

Connection::~Connection() {
    if (fd_ >= 0) ::close(fd_);
}

Connection::Connection(Connection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      workload_(other.workload_),
      picker_(other.picker_),
      multiget_(other.multiget_),
      exptime_(other.exptime_),
      verify_(other.verify_),
      depth_(other.depth_),
      ring_(std::move(other.ring_)),
      head_(other.head_),
      in_flight_(other.in_flight_),
      output_(std::move(other.output_)),
      sent_(other.sent_),
      partial_(std::move(other.partial_)),
      data_left_(other.data_left_),
      values_seen_(other.values_seen_),
      expected_(other.expected_),
      mismatch_(other.mismatch_) {}

void Connection::set_depth(unsigned depth) {
    depth_ = depth;
    if (ring_.size() < depth) ring_.resize(depth);
    head_ = 0;
}

void Connection::push(const Pending& pending) noexcept {
    std::size_t tail = head_ + in_flight_;
    if (tail >= ring_.size()) tail -= ring_.size();
    ring_[tail] = pending;
    ++in_flight_;
}

void Connection::add_next(std::uint64_t intended_ns) {
    if (picker_.next_is_set()) {
        add_set(picker_.next(), intended_ns);
    } else {
        add_get(intended_ns);
    }
}

void Connection::add_get(std::uint64_t intended_ns) {
    const std::size_t key_bytes = workload_->key_bytes();
    const std::size_t old_size = output_.size();
    output_.resize(old_size + 3 + multiget_ * (key_bytes + 1) + 2);
    char* out = output_.data() + old_size;
    std::memcpy(out, "get", 3);
    out += 3;
    std::uint64_t first_id = 0;
    for (unsigned i = 0; i < multiget_; ++i) {
        const std::uint64_t id = picker_.next();
        if (i == 0) first_id = id;
        *out++ = ' ';
        out = workload_->write_key(out, id);
    }
    std::memcpy(out, "\r\n", 2);
    push({intended_ns, first_id, multiget_});
}

void Connection::add_set(std::uint64_t id, std::uint64_t intended_ns) {
    const auto value = workload_->value(id);
    const std::size_t old_size = output_.size();
    constexpr std::size_t kNumbers = 3 * base::kMaxNumberText;
    output_.resize(old_size + 4 + workload_->key_bytes() + kNumbers + value.size() + 4);
    char* out = output_.data() + old_size;
    std::memcpy(out, "set ", 4);
    out = workload_->write_key(out + 4, id);
    std::memcpy(out, " 0 ", 3);
    out = base::write_number(out + 3, exptime_);
    *out++ = ' ';
    out = base::write_number(out, value.size());
    std::memcpy(out, "\r\n", 2);
    std::memcpy(out + 2, value.data(), value.size());
    out += 2 + value.size();
    std::memcpy(out, "\r\n", 2);
    output_.resize(static_cast<std::size_t>(out + 2 - output_.data()));
    push({intended_ns, id, 0});
}

bool Connection::fail(Counters& counters, std::string reason) {
    ++counters.errors;
    if (counters.first_error.empty()) counters.first_error = std::move(reason);
    ::close(fd_);
    fd_ = -1;
    return false;
}

bool Connection::flush(Counters& counters) {
    while (sent_ < output_.size()) {
        const ssize_t n = ::send(fd_, output_.data() + sent_, output_.size() - sent_, MSG_NOSIGNAL);
        if (n < 0) {
            if (errno == EINTR) continue;
            if (errno == EAGAIN) return true;
            return fail(counters,
                        fmt::format("connection lost while writing: {}", std::strerror(errno)));
        }
        sent_ += static_cast<std::size_t>(n);
        counters.bytes_out += static_cast<std::uint64_t>(n);
    }
    output_.clear();
    sent_ = 0;
    return true;
}

bool Connection::read(std::vector<char>& scratch, Counters& counters) {
    const std::size_t kept = partial_.size();
    std::memcpy(scratch.data(), partial_.data(), kept);
    const ssize_t n = ::recv(fd_, scratch.data() + kept, scratch.size() - kept, 0);
    if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) return true;
        return fail(counters,
                    fmt::format("connection lost while reading: {}", std::strerror(errno)));
    }
    if (n == 0) return fail(counters, "the server closed a connection");
    counters.bytes_in += static_cast<std::uint64_t>(n);
    const std::string_view bytes(scratch.data(), kept + static_cast<std::size_t>(n));
    const std::ptrdiff_t consumed = parse(bytes, counters);
    if (consumed < 0) return fail(counters, std::exchange(counters.first_error, {}));
    const auto rest = bytes.substr(static_cast<std::size_t>(consumed));
    if (rest.size() >= scratch.size() / 2) {
        return fail(counters, "a reply line without end");
    }
    partial_.assign(rest);
    return true;
}

std::ptrdiff_t Connection::parse(std::string_view bytes, Counters& counters) {
    const std::uint64_t now = now_ns();
    std::size_t at = 0;
    while (at < bytes.size()) {
        if (data_left_ > 0) {
            at += take_data(bytes.substr(at), counters);
            continue;
        }
        const void* found = std::memchr(bytes.data() + at, '\n', bytes.size() - at);
        if (found == nullptr) break;
        const auto end = static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
        auto line = bytes.substr(at, end - at);
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (!parse_line(line, counters, now)) {
            if (counters.first_error.empty()) {
                counters.first_error = fmt::format("unexpected reply: {}", line.substr(0, 100));
            }
            return -1;
        }
        at = end + 1;
    }
    return static_cast<std::ptrdiff_t>(at);
}

bool Connection::parse_line(std::string_view line, Counters& counters, std::uint64_t now) {
    if (in_flight_ == 0) return false;
    const bool is_set = oldest().keys == 0;
    if (line.starts_with("VALUE ")) return !is_set && parse_value_line(line, counters);
    if (line == (is_set ? "STORED" : "END")) {
        complete(counters, now);
        return true;
    }
    if (line == "ERROR" || line.starts_with("SERVER_ERROR") || line.starts_with("CLIENT_ERROR") ||
        line == "NOT_STORED") {
        ++counters.errors;
        if (counters.first_error.empty()) counters.first_error = line;
        complete(counters, now);
        return true;
    }
    return false;
}

bool Connection::parse_value_line(std::string_view line, Counters& counters) {
    const auto space = line.rfind(' ');
    const auto bytes = base::parse_number<std::uint32_t>(line.substr(space + 1));
    if (!bytes) return false;
    data_left_ = std::uint64_t{*bytes} + 2;
    ++counters.hits;
    ++values_seen_;
    if (!verify_) return true;
    const auto key = line.substr(6, line.find(' ', 6) - 6);
    const std::uint64_t id = workload_->id_of(key);
    mismatch_ = id == workload_->keys() || (oldest().keys == 1 && id != oldest().first_id);
    expected_ = mismatch_ ? std::string_view() : workload_->value(id);
    mismatch_ = mismatch_ || expected_.size() != *bytes;
    return true;
}

std::size_t Connection::take_data(std::string_view bytes, Counters& counters) {
    const auto take = static_cast<std::size_t>(std::min<std::uint64_t>(data_left_, bytes.size()));
    data_left_ -= take;
    if (!verify_) return take;
    const auto compared = std::min(take, expected_.size());
    mismatch_ = mismatch_ || bytes.substr(0, compared) != expected_.substr(0, compared);
    expected_.remove_prefix(compared);
    if (data_left_ == 0 && mismatch_) ++counters.wrong;
    return take;
}

void Connection::complete(Counters& counters, std::uint64_t now) noexcept {
    const Pending& done = oldest();
    const std::uint64_t took = now > done.intended_ns ? now - done.intended_ns : 0;
    if (done.keys == 0) {
        ++counters.sets;
        counters.set_latency.record(took);
    } else {
        ++counters.gets;
        counters.get_keys += done.keys;
        counters.get_latency.record(took);
        if (verify_ && values_seen_ > done.keys) ++counters.wrong;
    }
    values_seen_ = 0;
    if (++head_ == ring_.size()) head_ = 0;
    --in_flight_;
}

}  // namespace shardmill::bench
