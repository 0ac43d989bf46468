#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace shardmill::protocol {

/// What a parsed command asks for. Classic commands and their meta counterparts are kept apart
/// because their replies differ; `Invalid` carries a ready error reply.
enum class Verb : std::uint8_t {
    // With keys: executed on a shard.
    Get,
    Gets,
    Gat,
    Gats,
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
    Delete,
    Incr,
    Decr,
    Touch,
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaArithmetic,
    MetaDebug,
    BinaryGet,  // GET and GETK
    BinarySet,
    BinaryAdd,
    BinaryReplace,
    BinaryAppend,
    BinaryPrepend,
    BinaryDelete,
    BinaryIncrement,
    BinaryDecrement,
    BinaryTouch,
    BinaryGat,  // GAT and GATK
    // Without a key.
    MetaNoop,
    Version,
    Verbosity,
    FlushAll,
    Stats,
    Shutdown,
    Quit,
    Batch,
    Snapshot,
    JobKey,  // a command on keys of jobs (`is_job_key`), whole in `arguments`
    CacheMemlimit,
    Slabs,
    Lru,
    LruCrawler,
    Extstore,
    RefreshCerts,
    Watch,
    Invalid,
    BinaryNoop,
    BinaryVersion,
    BinaryFlush,
    BinaryStat,
    BinaryQuit,
    BinarySasl,  // LIST_MECHS, AUTH and STEP: see BinaryFields::opcode
    BinaryLine,  // the extension: a line of `batch` or `snapshot` in a packet
    BinaryInvalid,
    BinaryBroken,  // as BinaryInvalid, and the connection closes behind the reply
};
inline constexpr std::size_t kVerbs = static_cast<std::size_t>(Verb::BinaryBroken) + 1;

/// True for the verbs that name a key and run on the shard that holds it.
constexpr bool has_key(Verb verb) noexcept { return verb <= Verb::BinaryGat; }

/// True for the verbs of the binary protocol.
constexpr bool is_binary(Verb verb) noexcept {
    return (verb >= Verb::BinaryGet && verb <= Verb::BinaryGat) || verb >= Verb::BinaryNoop;
}

/// True for the verbs that are followed by a data block of `Request::value_bytes` bytes and
/// `terminator_bytes`.
constexpr bool has_value(Verb verb) noexcept {
    return (verb >= Verb::Set && verb <= Verb::Cas) || verb == Verb::MetaSet ||
           (verb >= Verb::BinarySet && verb <= Verb::BinaryPrepend);
}

/// What follows a data block: CR LF, in the binary protocol nothing.
constexpr std::size_t terminator_bytes(Verb verb) noexcept { return is_binary(verb) ? 0 : 2; }

/// True for the verbs that close their connection once what came before, and their own reply, is
/// out.
constexpr bool closes(Verb verb) noexcept {
    return verb == Verb::Quit || verb == Verb::BinaryQuit || verb == Verb::BinaryBroken;
}

/// True for the verbs whose answer may come later and from another thread. A connection parses
/// nothing behind such a command until it is answered.
constexpr bool may_defer(Verb verb) noexcept {
    return verb == Verb::Batch || verb == Verb::Snapshot || verb == Verb::JobKey ||
           verb == Verb::Stats || verb == Verb::LruCrawler || verb == Verb::RefreshCerts ||
           verb == Verb::Watch || verb == Verb::BinaryStat || verb == Verb::BinarySasl ||
           verb == Verb::BinaryLine;
}

/// Keys that stand for jobs, for clients that know nothing but get, set and delete:
/// `~b/run/<name>`, `~b/stat/<name>`, `~b/out/<name>`.
inline constexpr std::string_view kJobKeyPrefix = "~b/";
constexpr bool is_job_key(std::string_view key) noexcept {
    return !key.empty() && key.front() == '~' && key.starts_with(kJobKeyPrefix);
}

/// Mode of `ms` (token of M); for classic storage commands it follows from the verb.
enum class StoreMode : std::uint8_t { Set, Add, Replace, Append, Prepend };

/// The flags of a meta command, checked and parsed. Numbers are valid only where `has(letter)`.
struct MetaFlags {
    std::uint64_t present;       // bit per letter, see `bit`
    std::string_view text;       // all flags as sent: replies follow the request's order
    std::string_view opaque;     // token of O
    std::uint64_t compare_cas;   // C
    std::uint64_t new_cas;       // E
    std::uint64_t delta;         // D, 1 if not given
    std::uint64_t initial;       // J, 0 if not given
    std::int32_t ttl;            // T, as sent
    std::int32_t vivify_ttl;     // N, as sent
    std::int32_t recache_ttl;    // R, as sent
    std::uint32_t client_flags;  // F, 0 if not given
    StoreMode mode;              // ms M
    bool decrement;              // ma M

    static constexpr std::uint64_t bit(char letter) noexcept {
        return std::uint64_t{1} << (static_cast<unsigned>(letter) - 'A');
    }
    bool has(char letter) const noexcept { return (present & bit(letter)) != 0; }
};

/// Status of a binary reply.
enum class BinaryStatus : std::uint16_t {
    Ok = 0,
    NotFound = 1,
    Exists = 2,
    TooLarge = 3,
    InvalidArguments = 4,
    NotStored = 5,
    NotNumeric = 6,
    AuthError = 0x20,
    AuthContinue = 0x21,
    UnknownCommand = 0x81,
    NoMemory = 0x82,
    TemporaryFailure = 0x86,
};

/// What only packets of the binary protocol have.
struct BinaryFields {
    std::uint8_t opcode;    // as sent: replies repeat it
    bool with_key;          // GETK and GATK: the reply has the key
    bool create;            // increment, decrement: a missing item is made with `initial`
    Verb line_verb;         // BinaryLine: Batch, Snapshot or Invalid, which its members follow
    BinaryStatus status;    // BinaryInvalid, BinaryBroken
    std::uint32_t opaque;   // the four bytes as sent
    std::uint64_t cas;      // 0: not compared
    std::uint64_t initial;  // increment, decrement
};

/// One command. Views point into the parsed bytes and live as long as those. Deliberately without
/// initialisers: the parser writes the members its verb has, and nothing else is read. Not to be
/// copied: `key` may point into the request itself.
struct Request {
    Verb verb;
    bool no_reply;        // `noreply`; meta commands have q, which composing their replies obeys;
                          // binary: a quiet opcode, which hides success (of gets: a miss) only
    bool bad_data_chunk;  // has_value: the data block did not end in CR LF; nothing may be stored;
                          // BinarySasl: the response is too long and was thrown away
    bool binary_key;      // meta b: `key` holds the decoded bytes, `sent_key` the base64 text
    std::uint32_t client_flags;  // storage verbs
    std::int32_t exptime;  // storage verbs, touch, gat(s), flush_all: relative, absolute, negative;
                           // binary: the bits of an unsigned number
    std::uint32_t value_bytes;   // has_value: length of the data block without CR LF
    std::uint64_t number;        // cas: unique; incr, decr: delta; verbosity: level
    std::string_view key;        // has_key; for get(s), gat(s) the first key; BinarySasl: mechanism
    std::string_view sent_key;   // meta: the key as sent
    std::string_view more_keys;  // get(s), gat(s): the line after the first key, for `next_key`
    std::string_view value;      // has_value: the data block, if complete in the parsed bytes;
                                 // BinarySasl: the client's response
    std::string_view arguments;  // verbs without a key: the rest of the line, trimmed; BinaryStat:
                                 // what is asked for
    std::string_view payload;    // batch with payload=: the text that followed the line
    std::string_view error;      // Invalid: the whole reply, static text; empty: none (noreply);
                                 // FlushAll: the reply if it is allowed at all; empty: it is right
    char decoded_key[256];       // storage behind `key` where binary_key
    MetaFlags meta;              // Meta* verbs
    BinaryFields binary;         // Binary* verbs
};

/// Takes the next key off `rest` (runs of spaces separate); empty when there is none. Keys over 250
/// bytes have been refused by the parser.
inline std::string_view next_key(std::string_view& rest) noexcept {
    const auto begin = rest.find_first_not_of(' ');
    if (begin == std::string_view::npos) {
        rest = {};
        return {};
    }
    auto end = rest.find(' ', begin);
    if (end == std::string_view::npos) end = rest.size();
    const std::string_view key = rest.substr(begin, end - begin);
    rest.remove_prefix(end);
    return key;
}

inline constexpr std::size_t kMaxKeyBytes = 250;
/// A line may be longer when its end arrives with it; without one only get and gets may go on.
inline constexpr std::size_t kMaxLineBytes = 2048;

}  // namespace shardmill::protocol
