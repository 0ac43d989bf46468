#include "shardmill/client.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <boost/asio/connect.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>
#include <cstring>

#include "base/base64.h"
#include "base/number.h"

namespace shardmill::client {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

constexpr std::size_t kReadBytes = 256 * 1024;
constexpr std::size_t kFlushBytes = 256 * 1024;
constexpr std::size_t kMaxReplyLine = 1 << 20;
constexpr std::uint64_t kMaxValueBytes = std::uint64_t{1} << 31;
constexpr std::size_t kMaxKeyBytes = 250;

/// Of a flag of a row; 0 if it is none.
std::uint32_t number_behind(std::string_view flag) noexcept {
    return base::parse_number<std::uint32_t>(flag.substr(1)).value_or(0);
}

/// Splits off the first word (spaces separate).
std::string_view take_word(std::string_view& rest) noexcept {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) {
        rest = {};
        return {};
    }
    const auto end = std::min(rest.find(' ', begin), rest.size());
    const auto word = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    return word;
}

bool is_server_error(std::string_view line) noexcept {
    return line == "ERROR" || line.starts_with("ERROR ") || line.starts_with("CLIENT_ERROR") ||
           line.starts_with("SERVER_ERROR");
}

std::string advice(const Address& address, const error_code& error) {
    if (error == asio::error::connection_refused ||
        error == boost::system::errc::no_such_file_or_directory) {
        return address.path.empty()
                   ? "; is the server running there? start it with `shardmill -p " + address.port +
                         "` or name another one with -s host:port"
                   : "; is the server running with `-s " + address.path + "`?";
    }
    if (error == asio::error::timed_out) return "; is the address right, is a firewall in the way?";
    if (error == asio::error::access_denied) return "; may this user open the socket?";
    return "";
}

}  // namespace

Address Address::parse(std::string_view text) {
    Address address;
    if (text.empty()) throw std::invalid_argument("the server's address is empty; give host:port");
    if (text.starts_with("unix:")) {
        address.path = text.substr(5);
    } else if (text.find('/') != std::string_view::npos) {
        address.path = text;
    }
    if (!address.path.empty()) return address;
    std::string_view host = text;
    std::string_view port;
    if (text.front() == '[') {
        const auto close = text.find(']');
        if (close == std::string_view::npos) {
            throw std::invalid_argument(fmt::format("'{}' has no closing ]", text));
        }
        host = text.substr(1, close - 1);
        port = text.substr(close + 1);
        if (!port.empty() && port.front() != ':') {
            throw std::invalid_argument(fmt::format("'{}' is not [address]:port", text));
        }
        if (!port.empty()) port.remove_prefix(1);
    } else if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
        host = text.substr(0, colon);
        port = text.substr(colon + 1);
        if (port.empty() || host.find(':') != std::string_view::npos) {
            throw std::invalid_argument(
                fmt::format("'{}' is not host:port (write a v6 address as [address]:port)", text));
        }
    }
    if (!host.empty()) address.host = host;
    if (!port.empty()) {
        const auto number = base::parse_number<std::uint16_t>(port);
        if (!number || *number == 0) {
            throw std::invalid_argument(fmt::format("'{}' is not a port; give 1 to 65535", port));
        }
        address.port = port;
    }
    return address;
}

std::string Address::to_string() const {
    if (!path.empty()) return path;
    return host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
}

std::string_view CommandReply::status() const noexcept {
    return std::string_view(line).substr(0, line.find(' '));
}

std::string_view CommandReply::rest() const noexcept {
    const auto space = line.find(' ');
    return space == std::string::npos ? std::string_view()
                                      : std::string_view(line).substr(space + 1);
}

std::optional<std::string> CommandReply::field(std::string_view name) const {
    std::string_view words = rest();
    if (name == "reason") {
        const auto at = words.find("reason=");
        if (at == std::string_view::npos) return std::nullopt;
        return std::string(words.substr(at + name.size() + 1));
    }
    while (!words.empty()) {
        const auto word = take_word(words);
        if (word.size() > name.size() && word.starts_with(name) && word[name.size()] == '=') {
            return std::string(word.substr(name.size() + 1));
        }
    }
    return std::nullopt;
}

std::optional<std::string> key_problem(std::string_view key) {
    if (key.empty()) return "the key is empty";
    if (key.size() > kMaxKeyBytes) {
        return fmt::format("the key has {} bytes, {} are allowed", key.size(), kMaxKeyBytes);
    }
    for (const char c : key) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= ' ' || byte == 127) {
            return "the key contains a space or a control character";
        }
    }
    return std::nullopt;
}

/// The socket, its buffers and the time limits. Asio's own synchronous calls know no time limit, so
/// every step is an asynchronous one that is run to its end or to the limit.
class Client::Connection {
 public:
    Connection(const Address& address, Options options)
        : address_(address), options_(options), socket_(context_) {
        input_.resize(kReadBytes);
        connect();
    }

    const Address& address() const noexcept { return address_; }
    void set_reply_timeout(std::chrono::milliseconds timeout) noexcept {
        options_.reply_timeout = timeout;
    }

    std::string& output() noexcept { return output_; }

    void flush() {
        if (output_.empty()) return;
        asio::async_write(socket_, asio::buffer(output_),
                          [this](const error_code& error, std::size_t) { finish(error); });
        run(options_.reply_timeout, "writing to");
        output_.clear();
    }

    std::string_view read_line() {
        consume_previous();
        std::size_t searched = 0;
        for (;;) {
            const char* begin = input_.data() + begin_;
            const std::size_t have = end_ - begin_;
            if (const void* found = std::memchr(begin + searched, '\n', have - searched)) {
                const auto length =
                    static_cast<std::size_t>(static_cast<const char*>(found) - begin);
                pending_ = length + 1;
                return {begin, length > 0 && begin[length - 1] == '\r' ? length - 1 : length};
            }
            searched = have;
            if (have > kMaxReplyLine) fail_protocol("a reply line has no end");
            receive();
        }
    }

    /// Exactly `bytes` and the CR LF after them.
    std::string read_block(std::size_t bytes) {
        consume_previous();
        std::string block;
        block.reserve(bytes + 2);
        while (block.size() < bytes + 2) {
            if (begin_ == end_) receive();
            const std::size_t take = std::min(bytes + 2 - block.size(), end_ - begin_);
            block.append(input_.data() + begin_, take);
            begin_ += take;
        }
        if (!block.ends_with("\r\n")) fail_protocol("a value does not end where it should");
        block.resize(bytes);
        return block;
    }

    [[noreturn]] void fail_protocol(std::string_view what) const {
        throw Error(Error::Kind::Protocol,
                    fmt::format("{}: unexpected reply: {}; is this a memcached-protocol server?",
                                address_.to_string(), what));
    }

    [[noreturn]] void fail_server(std::string_view line) const {
        throw Error(Error::Kind::Server,
                    fmt::format("{} answered: {}", address_.to_string(), line));
    }

 private:
    using Socket = asio::generic::stream_protocol::socket;

    void connect() {
        error_code error;
        if (!address_.path.empty()) {
            sockaddr_un probe{};
            if (address_.path.size() >= sizeof probe.sun_path) {
                fail_connect("the socket's path is too long");
            }
            connect_to(asio::local::stream_protocol::endpoint(address_.path), error);
            if (error) fail_connect(error.message() + advice(address_, error));
            return;
        }
        asio::ip::tcp::resolver resolver(context_);
        const auto found = resolver.resolve(address_.host, address_.port, error);
        if (error) fail_connect("the host name cannot be resolved: " + error.message());
        for (const auto& entry : found) {
            connect_to(entry.endpoint(), error);
            if (!error) {
                socket_.set_option(asio::ip::tcp::no_delay(true), error);
                return;
            }
        }
        fail_connect(error.message() + advice(address_, error));
    }

    void connect_to(const asio::generic::stream_protocol::endpoint& endpoint, error_code& error) {
        error_code ignored;
        socket_.close(ignored);
        socket_.async_connect(endpoint, [this](const error_code& result) { finish(result); });
        if (!run_for(options_.connect_timeout)) {
            error = asio::error::timed_out;
            return;
        }
        error = result_;
    }

    [[noreturn]] void fail_connect(const std::string& what) const {
        throw Error(Error::Kind::Connect,
                    fmt::format("cannot connect to {}: {}", address_.to_string(), what));
    }

    /// Forgets the line handed out last.
    void consume_previous() noexcept {
        begin_ += pending_;
        pending_ = 0;
    }

    void receive() {
        flush();
        if (begin_ > 0) {
            std::memmove(input_.data(), input_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        if (end_ == input_.size()) input_.resize(input_.size() * 2);
        std::size_t received = 0;
        socket_.async_read_some(asio::buffer(input_.data() + end_, input_.size() - end_),
                                [&](const error_code& error, std::size_t bytes) {
                                    received = bytes;
                                    finish(error);
                                });
        run(options_.reply_timeout, "waiting for");
        end_ += received;
    }

    void finish(const error_code& error) noexcept { result_ = error; }

    /// False: the limit passed; the operation was cancelled.
    bool run_for(std::chrono::milliseconds limit) {
        context_.restart();
        if (limit.count() == 0) {
            context_.run();
            return true;
        }
        context_.run_for(limit);
        if (context_.stopped()) return true;
        error_code ignored;
        socket_.close(ignored);
        context_.run();
        return false;
    }

    void run(std::chrono::milliseconds limit, std::string_view doing) {
        const bool in_time = run_for(limit);
        if (!in_time) {
            throw Error(
                Error::Kind::Io,
                fmt::format("{}: nothing for {} s while {} the server", address_.to_string(),
                            static_cast<double>(limit.count()) / 1000, doing));
        }
        if (!result_) return;
        throw Error(Error::Kind::Io,
                    fmt::format("{}: {}", address_.to_string(),
                                result_ == asio::error::eof
                                    ? std::string("the server closed the connection")
                                    : "connection lost: " + result_.message()));
    }

    Address address_;
    Options options_;
    asio::io_context context_{1};
    Socket socket_;
    error_code result_;
    std::string output_;
    std::vector<char> input_;
    std::size_t begin_ = 0;  // unread bytes of input_: [begin_, end_)
    std::size_t end_ = 0;
    std::size_t pending_ = 0;  // bytes at begin_ that belong to the line handed out last
};

Client::Client(const Address& address, Options options)
    : connection_(std::make_unique<Connection>(address, options)) {}
Client::~Client() = default;
Client::Client(Client&& other) noexcept = default;
Client& Client::operator=(Client&& other) noexcept = default;

const Address& Client::address() const noexcept { return connection_->address(); }
std::size_t Client::unsent_bytes() const noexcept { return connection_->output().size(); }
void Client::flush() { connection_->flush(); }
std::string_view Client::read_line() { return connection_->read_line(); }
void Client::set_reply_timeout(std::chrono::milliseconds timeout) noexcept {
    connection_->set_reply_timeout(timeout);
}

void Client::send_set(std::string_view key, std::string_view value, std::uint32_t flags,
                      std::int64_t exptime) {
    if (const auto problem = key_problem(key)) throw Error(Error::Kind::Argument, *problem);
    auto& out = connection_->output();
    fmt::format_to(std::back_inserter(out), "set {} {} {} {}\r\n", key, flags, exptime,
                   value.size());
    out.append(value).append("\r\n");
    if (out.size() >= kFlushBytes) flush();
}

void Client::send_get(std::string_view key) {
    if (const auto problem = key_problem(key)) throw Error(Error::Kind::Argument, *problem);
    connection_->output().append("get ").append(key).append("\r\n");
}

void Client::send_line(std::string_view line) {
    if (line.find_first_of("\r\n") != std::string_view::npos) {
        throw Error(Error::Kind::Argument, "a command cannot contain a line end");
    }
    connection_->output().append(line).append("\r\n");
}

void Client::send_line(std::string_view line, std::string_view payload) {
    send_line(line);
    connection_->output().append(payload).append("\r\n");
}

bool Client::read_stored(std::string* refusal) {
    const auto line = read_line();
    if (line == "STORED") return true;
    if (line != "NOT_STORED" && !is_server_error(line)) connection_->fail_protocol(line);
    if (refusal != nullptr) *refusal = line;
    return false;
}

std::optional<Value> Client::read_value() {
    const auto line = read_line();
    if (line == "END") return std::nullopt;
    if (is_server_error(line)) connection_->fail_server(line);
    std::string_view rest = line;
    const auto word = take_word(rest);
    take_word(rest);
    const auto flags = base::parse_number<std::uint32_t>(take_word(rest));
    const auto bytes = base::parse_number<std::uint64_t>(take_word(rest));
    if (word != "VALUE" || !flags || !bytes || *bytes > kMaxValueBytes) {
        connection_->fail_protocol(line);
    }
    Value value{connection_->read_block(*bytes), *flags};
    if (read_line() != "END") connection_->fail_protocol("no END after a value");
    return value;
}

CommandReply Client::read_command() {
    CommandReply reply;
    for (;;) {
        const auto line = read_line();
        std::string_view rest = line;
        const auto word = take_word(rest);
        if (word != "VA") {
            const bool known = word == "HD" || word == "EN" || word == "NF" || word == "NS" ||
                               word == "EX" || word == "OK" || is_server_error(line);
            if (!known) connection_->fail_protocol(line);
            reply.line = line;
            return reply;
        }
        const auto bytes = base::parse_number<std::uint64_t>(take_word(rest));
        if (!bytes || *bytes > kMaxValueBytes) connection_->fail_protocol(line);
        Row row;
        bool encoded = false;
        while (!rest.empty()) {
            const auto flag = take_word(rest);
            if (flag.starts_with('k')) row.key = flag.substr(1);
            if (flag == "b") encoded = true;
            if (flag.starts_with('f')) row.flags = number_behind(flag);
            if (flag.starts_with('e')) row.exptime = number_behind(flag);
        }
        if (encoded) {
            auto decoded = base::base64_decode(row.key);
            if (!decoded) connection_->fail_protocol("a row's key is not base64");
            row.key = *std::move(decoded);
        }
        row.value = connection_->read_block(*bytes);
        reply.rows.push_back(std::move(row));
    }
}

void Client::set(std::string_view key, std::string_view value, std::uint32_t flags,
                 std::int64_t exptime) {
    send_set(key, value, flags, exptime);
    std::string refusal;
    if (!read_stored(&refusal)) connection_->fail_server(refusal);
}

std::optional<Value> Client::get(std::string_view key) {
    send_get(key);
    return read_value();
}

std::vector<Row> Client::stats(std::string_view arguments) {
    send_line(arguments.empty() ? std::string("stats") : fmt::format("stats {}", arguments));
    std::vector<Row> rows;
    for (;;) {
        const auto line = read_line();
        if (line == "END") return rows;
        if (is_server_error(line)) connection_->fail_server(line);
        std::string_view rest = line;
        const auto word = take_word(rest);
        if (word == "RESET" || word == "OK") {
            rows.push_back({std::string(word), ""});
            return rows;
        }
        if (word != "STAT") connection_->fail_protocol(line);
        const auto name = take_word(rest);
        if (!rest.empty()) rest.remove_prefix(1);
        rows.push_back({std::string(name), std::string(rest)});
    }
}

std::string Client::version() {
    send_line("version");
    const auto line = read_line();
    if (!line.starts_with("VERSION ")) connection_->fail_protocol(line);
    return std::string(line.substr(8));
}

CommandReply Client::command(std::string_view line) {
    send_line(line);
    return read_command();
}

CommandReply Client::command(std::string_view line, std::string_view payload) {
    send_line(line, payload);
    return read_command();
}

}  // namespace shardmill::client
