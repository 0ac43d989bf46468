#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// A small synchronous client for the text protocol, with pipelining: what the tools and tests use,
/// and what a program can link (libshardmill-client) to load a server and to run jobs on it.
namespace shardmill::client {

/// Where a server listens: TCP host and port, or the path of a unix socket.
struct Address {
    std::string host = "127.0.0.1";
    std::string port = "11211";
    std::string path;  // not empty: a unix socket

    /// "host:port", "host", ":port", "[v6]:port", "unix:<path>" or any text with a '/' (a path).
    /// Throws std::invalid_argument with what is wrong.
    static Address parse(std::string_view text);
    std::string to_string() const;
};

/// Something went wrong; `what()` names the server and says what happened and, where known, what to
/// do.
class Error : public std::runtime_error {
 public:
    enum class Kind : std::uint8_t {
        Connect,  // no connection could be made
        Io,  // the connection was lost or no reply came in time; the client is of no further use
        Protocol,  // the reply was not one the protocol knows; the client is of no further use
        Server,    // the server refused (ERROR, CLIENT_ERROR, SERVER_ERROR); the client can go on
        Argument,  // the call itself was wrong (a key with spaces, ...); nothing was sent
    };
    Error(Kind kind, const std::string& text) : std::runtime_error(text), kind_(kind) {}
    Kind kind() const noexcept { return kind_; }

 private:
    Kind kind_;
};

struct Options {
    std::chrono::milliseconds connect_timeout{5000};
    std::chrono::milliseconds reply_timeout{30000};  // between two pieces of a reply; 0: for ever
};

struct Value {
    std::string data;
    std::uint32_t flags = 0;
};

/// One row of a `batch get` or of a list, with the key decoded.
struct Row {
    std::string key;
    std::string value;
    std::uint32_t flags = 0;    // client flags, of rows that are items
    std::uint32_t exptime = 0;  // unix seconds, 0: never expires; of such, too
};

/// The reply to a command in the manner of the meta commands: rows, if any, then one final line.
struct CommandReply {
    std::vector<Row> rows;
    std::string
        line;  // "HD ...", "EN ...", "NF", "NS <reason>", "EX", "SERVER_ERROR ...", without CR LF

    /// The first word of `line`.
    std::string_view status() const noexcept;
    /// The rest of `line`.
    std::string_view rest() const noexcept;
    /// The text of `name=<text>` among the words of `line`; `reason` goes to the line's end.
    std::optional<std::string> field(std::string_view name) const;
};

/// One connection. Not for use by two threads at a time. Every call may throw Error.
///
/// Pipelining: any number of `send_*` calls collect bytes; `flush` (or reading a reply) writes
/// them; then one `read_*` call per request sent, in the order of sending. The caller bounds what
/// is in flight: a server stops reading from a client that does not read.
class Client {
 public:
    explicit Client(const Address& address, Options options = {});
    ~Client();
    Client(Client&& other) noexcept;
    Client& operator=(Client&& other) noexcept;

    const Address& address() const noexcept;

    // Pipelined use.
    void send_set(std::string_view key, std::string_view value, std::uint32_t flags = 0,
                  std::int64_t exptime = 0);
    void send_get(std::string_view key);
    /// `line` without CR LF; `payload`, if any, follows it with CR LF.
    void send_line(std::string_view line);
    void send_line(std::string_view line, std::string_view payload);
    void flush();
    /// Bytes collected and not yet written.
    std::size_t unsent_bytes() const noexcept;

    /// One line, without CR LF. The view lives until the next read.
    std::string_view read_line();
    /// True: stored. False: the server's own words are in `refusal` (if not null); no exception.
    bool read_stored(std::string* refusal);
    std::optional<Value> read_value();
    CommandReply read_command();

    // One request and its reply.
    void set(std::string_view key, std::string_view value, std::uint32_t flags = 0,
             std::int64_t exptime = 0);
    std::optional<Value> get(std::string_view key);
    /// Name and text of every STAT line. `arguments` may be empty.
    std::vector<Row> stats(std::string_view arguments);
    /// The server's version.
    std::string version();
    /// A `batch` or `snapshot` line. Error replies of the server are returned, not thrown.
    CommandReply command(std::string_view line);
    CommandReply command(std::string_view line, std::string_view payload);

    /// How long a single reply may take from now on; 0: for ever.
    void set_reply_timeout(std::chrono::milliseconds timeout) noexcept;

 private:
    class Connection;
    std::unique_ptr<Connection> connection_;
};

/// Why `key` cannot be a key of the text protocol; nullopt if it can.
std::optional<std::string> key_problem(std::string_view key);

}  // namespace shardmill::client
