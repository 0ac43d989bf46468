#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/request.h"

/// Reply composition: facts in, bytes out, appended to the string the caller collects a turn's
/// replies in. No I/O and no state. Any thread. A call grows the string at most once and allocates
/// nothing else; a string that is kept and cleared soon stops growing. Out of memory ends the
/// process: there is nobody left to answer then.
namespace shardmill::protocol {

/// Whole replies, CR LF included.
namespace replies {
inline constexpr std::string_view kCrLf = "\r\n";
inline constexpr std::string_view kStored = "STORED\r\n";
inline constexpr std::string_view kNotStored = "NOT_STORED\r\n";
inline constexpr std::string_view kExists = "EXISTS\r\n";
inline constexpr std::string_view kNotFound = "NOT_FOUND\r\n";
inline constexpr std::string_view kDeleted = "DELETED\r\n";
inline constexpr std::string_view kTouched = "TOUCHED\r\n";
inline constexpr std::string_view kOk = "OK\r\n";
inline constexpr std::string_view kEnd = "END\r\n";
inline constexpr std::string_view kReset = "RESET\r\n";
inline constexpr std::string_view kMetaNoop = "MN\r\n";
inline constexpr std::string_view kMetaEnd = "EN\r\n";  // me of a key that is not there
inline constexpr std::string_view kError = "ERROR\r\n";
inline constexpr std::string_view kBadLine = "CLIENT_ERROR bad command line format\r\n";
inline constexpr std::string_view kBadChunk = "CLIENT_ERROR bad data chunk\r\n";
inline constexpr std::string_view kBadExptime = "CLIENT_ERROR invalid exptime argument\r\n";
inline constexpr std::string_view kBadDelta = "CLIENT_ERROR invalid numeric delta argument\r\n";
inline constexpr std::string_view kNotNumeric =
    "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
inline constexpr std::string_view kFlushNotAllowed = "CLIENT_ERROR flush_all not allowed\r\n";
inline constexpr std::string_view kBadShutdownMode = "CLIENT_ERROR invalid shutdown mode\r\n";
inline constexpr std::string_view kShutdownNotEnabled =
    "SERVER_ERROR: shutdown not enabled\r\n";  // with the colon
inline constexpr std::string_view kTooLarge = "SERVER_ERROR object too large for cache\r\n";
inline constexpr std::string_view kNoMemory = "SERVER_ERROR out of memory storing object\r\n";
inline constexpr std::string_view kNoMemoryDelta = "SERVER_ERROR out of memory\r\n";  // incr, md x
inline constexpr std::string_view kLoading = "SERVER_ERROR loading\r\n";
inline constexpr std::string_view kNoMemoryMetaDelta =
    "SERVER_ERROR Out of memory allocating new item\r\n";  // ma N
}  // namespace replies

// ---- classic commands ----

/// `VALUE <key> <flags> <bytes>[ <cas>]`, the value, CR LF. `cas` for gets and gats only.
void append_value(std::string& out, std::string_view key, std::uint32_t client_flags,
                  std::string_view value, std::optional<std::uint64_t> cas = std::nullopt) noexcept;

/// The whole reply of a get of one key: `append_value` without CAS, and kEnd.
void append_only_value(std::string& out, std::string_view key, std::uint32_t client_flags,
                       std::string_view value) noexcept;

/// Only the line of `append_value`: the value is sent from elsewhere, and the caller appends its CR
/// LF.
void append_value_line(std::string& out, std::string_view key, std::uint32_t client_flags,
                       std::uint32_t value_bytes,
                       std::optional<std::uint64_t> cas = std::nullopt) noexcept;

/// The number as a line, as incr and decr answer.
void append_number_line(std::string& out, std::uint64_t number) noexcept;

/// `STAT <name> <value>`.
void append_stat(std::string& out, std::string_view name, std::string_view value) noexcept;
void append_stat(std::string& out, std::string_view name, std::uint64_t value) noexcept;

// ---- meta commands ----
//
// Which flags are answered, in which order and in which form is decided here from the request; so
// is what `q` hides: a miss of mg, a success of ms, md and ma. The caller states facts and always
// calls.

/// What a meta reply may have to tell about an item. Fill what the command's reply can ask for; the
/// rest stays 0.
struct MetaItem {
    std::string_view key;            // as stored
    bool key_is_binary = false;      // stored by `ms ... b`
    bool fetched = false;            // h: hit before this access
    bool created = false;            // mg N, ma N: this request made the item
    bool won = false;                // mg: W, this client is to recache
    bool stale = false;              // mg: X
    bool token_sent = false;         // mg: Z, somebody else was told to recache before this request
    std::uint32_t client_flags = 0;  // f
    std::uint32_t value_bytes = 0;   // s: of the item's value after the command
    std::uint32_t idle_seconds = 0;  // l, la=: since the access before this one
    std::uint64_t cas = 0;           // c: after the command
    std::int64_t ttl = -1;  // t: seconds left before the command, -1: never expires (created: -1)
    std::int64_t touched_ttl = -1;   // t behind a T: seconds left as T set them, -1: never
    std::int64_t vivified_ttl = -1;  // t behind an N, where `created`
};

/// Hit of mg: `HD` or, if `send_value`, `VA <size>`; return flags in the order asked for, then Z X
/// W; with `send_value` the value and CR LF. The caller clears `send_value` unless v was asked for
/// and C does not match.
void append_meta_get(std::string& out, const Request& request, const MetaItem& item,
                     bool send_value, std::string_view value) noexcept;

/// Only the line of a hit with a value of `item.value_bytes`: the value is sent from elsewhere and
/// the sender adds its CR LF.
void append_meta_get_line(std::string& out, const Request& request, const MetaItem& item) noexcept;

/// Miss of mg: `EN` with O and k.
void append_meta_miss(std::string& out, const Request& request) noexcept;

/// Return codes of meta commands that changed something, or refused to.
enum class MetaStatus : std::uint8_t { Done, NotStored, Exists, NotFound };  // HD NS EX NF

/// ms: the status with O k c s. `cas`: the new one, 0 unless Done; `value_bytes`: the item's whole
/// value after the command (append!), the length sent unless Done.
void append_meta_store(std::string& out, const Request& request, MetaStatus status,
                       std::uint64_t cas, std::uint32_t value_bytes) noexcept;

/// md, and ma without success: the status with O and k.
void append_meta_status(std::string& out, const Request& request, MetaStatus status) noexcept;

/// Success of ma: `HD`, or with v `VA <len>` and the number; t c O k. Uses cas, created and the ttl
/// members.
void append_meta_number(std::string& out, const Request& request, const MetaItem& item,
                        std::uint64_t number) noexcept;

/// `ME <key> exp=<ttl> la=<s> cas=<n> fetch=yes|no cls=<n> size=<n>`. `item_bytes`: of the whole
/// item in memory.
void append_meta_debug(std::string& out, const MetaItem& item, std::uint32_t item_class,
                       std::uint64_t item_bytes) noexcept;

// ---- batch and snapshot ----

/// `<code>[ <text>]` where code is HD, NF, EX, NS or EN. Line ends in `text` are sent as spaces.
void append_batch_line(std::string& out, std::string_view code,
                       std::string_view text = {}) noexcept;

/// `VA <bytes> k<key>[ b][ f<client flags>][ e<unix seconds>]`, the value, CR LF. A key that is not
/// plain text goes base64 with the flag `b`; flags and deadline of 0 are left out.
void append_batch_row(std::string& out, std::string_view key, std::string_view value,
                      std::uint32_t client_flags = 0, std::uint32_t exptime = 0) noexcept;

/// `EN more=<row>`, or `EN done` where there is no further row.
void append_batch_end(std::string& out, std::optional<std::uint64_t> next_row) noexcept;

/// `CLIENT_ERROR <text>` and `SERVER_ERROR <text>`. Line ends in `text` are sent as spaces.
void append_client_error(std::string& out, std::string_view text) noexcept;
void append_server_error(std::string& out, std::string_view text) noexcept;

/// True if a row's key is sent as it is: printable, tabs included, no spaces.
bool is_plain_key(std::string_view key) noexcept;

}  // namespace shardmill::protocol
