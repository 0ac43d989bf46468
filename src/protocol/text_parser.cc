#include "protocol/text_parser.h"

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>

#include "protocol/meta_parser.h"
#include "protocol/reply.h"
#include "protocol/text_line.h"
#include "protocol/text_number.h"

namespace shardmill::protocol {
namespace {

constexpr std::size_t kMinLineBytes = 4;  // terminator included

constexpr std::string_view kPayloadOption = "payload=";
constexpr std::string_view kBadPayloadLength = "CLIENT_ERROR bad payload length\r\n";
constexpr std::string_view kPayloadTooLong = "CLIENT_ERROR payload over 65536 bytes\r\n";

std::string_view trim(const char* begin, const char* end) noexcept {
    begin = skip_spaces(begin, end);
    while (end != begin && end[-1] == ' ') --end;
    return {begin, static_cast<std::size_t>(end - begin)};
}

void begin_request(Request& request, Verb verb, bool no_reply = false) noexcept {
    request.verb = verb;
    request.no_reply = no_reply;
    request.bad_data_chunk = false;
    request.binary_key = false;
}

ParseResult invalid_unless_quiet(const TextLine& line, Request& request,
                                 std::string_view error) noexcept {
    return invalid(line, request, request.no_reply ? std::string_view{} : error);
}

/// True if a token of [begin, end) is longer than a key may be. Looks back from where a too long
/// one would have to reach, so that most bytes are never read.
bool has_long_key(const char* begin, const char* end) noexcept {
    constexpr std::ptrdiff_t kTooLong = kMaxKeyBytes + 1;
    while (end - begin >= kTooLong) {
        const char* at = begin + kTooLong;
        while (at != begin && at[-1] != ' ') --at;
        if (at == begin) return true;
        begin = at;
    }
    return false;
}

/// The keys of get, gets, gat and gats: any number of them, from `begin` to the end of the line. At
/// least one.
ParseResult take_keys(const TextLine& line, const char* begin, Request& request) noexcept {
    begin = skip_spaces(begin, line.end);
    if (begin == line.end || has_long_key(begin, line.end))
        return invalid(line, request, replies::kBadLine);
    const char* key_end = find_space(begin, line.end);
    request.key = {begin, static_cast<std::size_t>(key_end - begin)};
    request.more_keys = {key_end, static_cast<std::size_t>(line.end - key_end)};
    return complete(line);
}

ParseResult parse_get(const TextLine& line, Verb verb, Request& request) noexcept {
    begin_request(request, verb);
    return take_keys(line, line.rest, request);
}

ParseResult parse_gat(const TextLine& line, Verb verb, Request& request) noexcept {
    begin_request(request, verb);
    const char* token = skip_spaces(line.rest, line.end);
    const char* token_end = find_space(token, line.end);
    if (skip_spaces(token_end, line.end) == line.end)
        return invalid(line, request, replies::kBadLine);
    const auto exptime = parse_i32({token, static_cast<std::size_t>(token_end - token)});
    if (!exptime) return invalid(line, request, replies::kBadExptime);
    request.exptime = *exptime;
    return take_keys(line, token_end, request);
}

/// Key, flags, exptime and cas of a storage command whose length is known. False: kBadLine.
bool take_storage_tokens(const Tokens& tokens, Verb verb, Request& request) noexcept {
    request.key = tokens[1];
    if (request.key.size() > kMaxKeyBytes) return false;
    const auto flags = parse_storage_flags(tokens[2]);
    const auto exptime = parse_storage_exptime(tokens[3]);
    if (!flags || !exptime) return false;
    request.client_flags = *flags;
    request.exptime = *exptime;
    if (verb != Verb::Cas) return true;
    const auto cas = tokens.count() > 5 ? parse_u64(tokens[5]) : std::nullopt;
    request.number = cas.value_or(0);
    return cas.has_value();
}

/// Until <bytes> is known nothing can be swallowed and noreply has not been seen; from then on both
/// hold.
ParseResult parse_storage(const TextLine& line, Verb verb, Request& request) noexcept {
    const Tokens tokens(line);
    if (tokens.count() < 5) return invalid(line, request, replies::kBadLine);
    const auto value_bytes = parse_i32(tokens[4]);
    if (!value_bytes || *value_bytes < 0 || *value_bytes > kMaxValueBytes) {
        return invalid(line, request, replies::kBadLine);
    }
    begin_request(request, verb, tokens.last_is_noreply());
    request.value_bytes = static_cast<std::uint32_t>(*value_bytes);
    if (!take_storage_tokens(tokens, verb, request)) {
        return refuse_block(line, request,
                            request.no_reply ? std::string_view{} : replies::kBadLine,
                            request.value_bytes);
    }
    return take_block(line, request);
}

/// `<verb> <key> ...` of at least `least` words. Gives a result only if that is wrong.
std::optional<ParseResult> refuse_keyed(const TextLine& line, const Tokens& tokens,
                                        std::size_t least, Verb verb, Request& request) noexcept {
    if (tokens.count() < least) return invalid(line, request, replies::kBadLine);
    begin_request(request, verb, tokens.last_is_noreply());
    request.key = tokens[1];
    if (request.key.size() <= kMaxKeyBytes) return std::nullopt;
    return invalid_unless_quiet(line, request, replies::kBadLine);
}

/// Takes the old hold time and noreply behind the key; more than that is a mistake (memccapable
/// insists on it).
ParseResult parse_delete(const TextLine& line, Verb verb, Request& request) noexcept {
    const Tokens tokens(line);
    if (tokens.count() > 4) return invalid(line, request, replies::kBadLine);
    if (const auto refused = refuse_keyed(line, tokens, 2, verb, request)) return *refused;
    return complete(line);
}

ParseResult parse_arithmetic(const TextLine& line, Verb verb, Request& request) noexcept {
    const Tokens tokens(line);
    if (const auto refused = refuse_keyed(line, tokens, 3, verb, request)) return *refused;
    const auto delta = parse_u64(tokens[2]);
    if (!delta) return invalid_unless_quiet(line, request, replies::kBadDelta);
    request.number = *delta;
    return complete(line);
}

ParseResult parse_touch(const TextLine& line, Verb verb, Request& request) noexcept {
    const Tokens tokens(line);
    if (const auto refused = refuse_keyed(line, tokens, 3, verb, request)) return *refused;
    const auto exptime = parse_i32(tokens[2]);
    if (!exptime) return invalid_unless_quiet(line, request, replies::kBadExptime);
    request.exptime = *exptime;
    return complete(line);
}

/// version, quit, stats, snapshot: whatever follows the word is for the executor.
ParseResult parse_plain(const TextLine& line, Verb verb, Request& request) noexcept {
    begin_request(request, verb);
    request.arguments = trim(line.rest, line.end);
    request.payload = {};
    return complete(line);
}

/// The text announced by `payload=<bytes>` follows the line like a data block. It is small: a
/// request has all of it or is not parsed yet.
ParseResult take_payload(const TextLine& line, std::string_view length, Request& request) noexcept {
    const auto announced = parse_u32(length);
    if (!announced || *announced > static_cast<std::uint32_t>(kMaxValueBytes)) {
        return invalid(line, request, kBadPayloadLength);
    }
    if (*announced > kMaxPayloadBytes)
        return refuse_block(line, request, kPayloadTooLong, *announced);
    request.value_bytes = *announced;
    ParseResult result = take_block(line, request);
    if (result.status == ParseStatus::NeedValue) {
        return {ParseStatus::NeedMore, 0, line.line_bytes + *announced + 2, 0};
    }
    if (request.bad_data_chunk) {
        request.verb = Verb::Invalid;
        request.error = replies::kBadChunk;
        return result;
    }
    request.payload = request.value;
    return result;
}

ParseResult parse_batch(const TextLine& line, Verb verb, Request& request) noexcept {
    begin_request(request, verb);
    request.arguments = trim(line.rest, line.end);
    request.payload = {};
    std::string_view rest = request.arguments;
    for (std::string_view option = next_key(rest); !option.empty(); option = next_key(rest)) {
        if (option.starts_with(kPayloadOption)) {
            return take_payload(line, option.substr(kPayloadOption.size()), request);
        }
    }
    return complete(line);
}

using LineParser = ParseResult (*)(const TextLine&, Verb, Request&) noexcept;

/// The first eight bytes of a word as one number, which compares fast.
constexpr std::uint64_t word_head(std::string_view word) noexcept {
    std::uint64_t head = 0;
    for (std::size_t i = 0; i < word.size() && i < 8; ++i) {
        head |= std::uint64_t{static_cast<unsigned char>(word[i])} << (8 * i);
    }
    return head;
}

struct Command {
    std::string_view word;
    Verb verb;
    LineParser parse;
    std::uint64_t head = word_head(word);
};

/// Sorted by length; among equals the frequent ones first.
constexpr std::array kCommands = {
    Command{"mg", Verb::MetaGet, parse_meta},
    Command{"ms", Verb::MetaSet, parse_meta_set},
    Command{"md", Verb::MetaDelete, parse_meta},
    Command{"mn", Verb::MetaNoop, parse_meta_noop},
    Command{"ma", Verb::MetaArithmetic, parse_meta},
    Command{"me", Verb::MetaDebug, parse_meta_debug},
    Command{"get", Verb::Get, parse_get},
    Command{"set", Verb::Set, parse_storage},
    Command{"add", Verb::Add, parse_storage},
    Command{"gat", Verb::Gat, parse_gat},
    Command{"cas", Verb::Cas, parse_storage},
    Command{"gets", Verb::Gets, parse_get},
    Command{"incr", Verb::Incr, parse_arithmetic},
    Command{"decr", Verb::Decr, parse_arithmetic},
    Command{"gats", Verb::Gats, parse_gat},
    Command{"quit", Verb::Quit, parse_plain},
    Command{"touch", Verb::Touch, parse_touch},
    Command{"batch", Verb::Batch, parse_batch},
    Command{"stats", Verb::Stats, parse_plain},
    Command{"delete", Verb::Delete, parse_delete},
    Command{"append", Verb::Append, parse_storage},
    Command{"replace", Verb::Replace, parse_storage},
    Command{"prepend", Verb::Prepend, parse_storage},
    Command{"version", Verb::Version, parse_plain},
    Command{"snapshot", Verb::Snapshot, parse_plain},
};
constexpr std::size_t kMaxWordBytes = 8;

/// Where in kCommands the words of each length begin.
constexpr auto kFirstOfLength = [] {
    std::array<std::uint8_t, kMaxWordBytes + 2> first{};
    for (std::size_t length = 0; length < first.size(); ++length) {
        while (first[length] < kCommands.size() && kCommands[first[length]].word.size() < length)
            ++first[length];
    }
    return first;
}();
static_assert(kFirstOfLength.back() == kCommands.size(), "no word is longer than kMaxWordBytes");

const Command* find_command(std::string_view word) noexcept {
    if (word.size() > kMaxWordBytes) return nullptr;
    std::uint64_t head = 0;
    std::memcpy(&head, word.data(), word.size());
    for (std::size_t i = kFirstOfLength[word.size()]; i != kFirstOfLength[word.size() + 1]; ++i) {
        if (kCommands[i].head == head) return &kCommands[i];
    }
    return nullptr;
}

/// The commands of administrators. Apart from the others because here noreply counts, spaces may
/// precede the word, and nothing is read twice a second.
ParseResult parse_verbosity(const TextLine& line, const Tokens& tokens, Request& request) noexcept {
    const auto level = tokens.count() > 1 ? parse_u32(tokens[1]) : std::nullopt;
    if (!level) return invalid_unless_quiet(line, request, replies::kBadLine);
    request.number = *level;
    return complete(line);
}

ParseResult parse_flush_all(const TextLine& line, const Tokens& tokens, Request& request) noexcept {
    request.exptime = 0;
    request.error = {};
    if (tokens.count() == (request.no_reply ? 2u : 1u)) return complete(line);
    const auto exptime = parse_i32(tokens[1]);
    // The executor has its say first: what is forbidden is not checked, and what is wrong counts.
    if (!exptime) request.error = replies::kBadExptime;
    request.exptime = exptime.value_or(0);
    return complete(line);
}

/// What follows the word is for the executor, noreply excepted.
ParseResult parse_arguments(const TextLine& line, const Tokens& tokens, Request& request) noexcept {
    const char* end = request.no_reply ? tokens.last().data() : line.end;
    request.arguments = trim(tokens[0].data() + tokens[0].size(), end);
    request.payload = {};
    return complete(line);
}

struct AdminCommand {
    std::string_view word;
    Verb verb;
    ParseResult (*parse)(const TextLine&, const Tokens&, Request&) noexcept;
};

constexpr std::array kAdminCommands = {
    AdminCommand{"verbosity", Verb::Verbosity, parse_verbosity},
    AdminCommand{"flush_all", Verb::FlushAll, parse_flush_all},
    AdminCommand{"shutdown", Verb::Shutdown, parse_arguments},
    AdminCommand{"cache_memlimit", Verb::CacheMemlimit, parse_arguments},
    AdminCommand{"slabs", Verb::Slabs, parse_arguments},
    AdminCommand{"lru", Verb::Lru, parse_arguments},
    AdminCommand{"lru_crawler", Verb::LruCrawler, parse_arguments},
    AdminCommand{"extstore", Verb::Extstore, parse_arguments},
    AdminCommand{"refresh_certs", Verb::RefreshCerts, parse_arguments},
    AdminCommand{"watch", Verb::Watch, parse_arguments},
};

/// A first word that is none of kCommands. Kept out of the way of those that are.
[[gnu::noinline]] ParseResult parse_other(const TextLine& line, Request& request) noexcept {
    const Tokens tokens(line);
    begin_request(request, Verb::Invalid, tokens.last_is_noreply());
    if (tokens.count() == 0) return invalid(line, request, replies::kError);
    for (const AdminCommand& command : kAdminCommands) {
        if (tokens[0] != command.word) continue;
        request.verb = command.verb;
        return command.parse(line, tokens, request);
    }
    if (tokens.count() > 1 && tokens.last().starts_with("HTTP/")) {
        return {ParseStatus::Close, line.line_bytes, 0, 0};
    }
    return invalid_unless_quiet(line, request, replies::kError);
}

/// Without a line end there is nothing to parse; what can be said is whether one may still come.
/// Only a get of many keys may be longer than the limit.
[[gnu::noinline]] ParseResult parse_without_line_end(std::string_view bytes) noexcept {
    constexpr std::size_t kMaxLeadingSpaces = 100;
    constexpr ParseResult kNeedMore{ParseStatus::NeedMore, 0, 0, 0};
    if (bytes.size() <= kMaxLineBytes) return kNeedMore;
    const std::size_t spaces = bytes.find_first_not_of(' ');
    if (spaces > kMaxLeadingSpaces) return {ParseStatus::Close, 0, 0, 0};
    bytes.remove_prefix(spaces);
    if (bytes.starts_with("get ") || bytes.starts_with("gets ")) return kNeedMore;
    return {ParseStatus::Close, 0, 0, 0};
}

}  // namespace

ParseResult parse_text(std::string_view bytes, Request& request) noexcept {
    const char* const begin = bytes.data();
    const auto* newline =
        static_cast<const char*>(bytes.empty() ? nullptr : std::memchr(begin, '\n', bytes.size()));
    if (newline == nullptr) return parse_without_line_end(bytes);
    TextLine line{bytes, static_cast<std::size_t>(newline - begin) + 1, nullptr, newline};
    if (line.line_bytes < kMinLineBytes) return invalid(line, request, replies::kBadLine);
    if (newline[-1] == '\r') --line.end;
    // Most requests are gets, and need not be looked up.
    if (std::memcmp(begin, "get ", 4) == 0) [[likely]] {
        line.rest = begin + 3;
        return parse_get(line, Verb::Get, request);
    }
    line.rest = find_space(begin, line.end);
    const Command* command = find_command({begin, static_cast<std::size_t>(line.rest - begin)});
    if (command == nullptr) return parse_other(line, request);
    return command->parse(line, command->verb, request);
}

void parse_extension(std::string_view bytes, Request& request) noexcept {
    const std::size_t newline = bytes.find('\n');
    const bool has_end = newline != std::string_view::npos;
    const char* const begin = bytes.data();
    TextLine line{bytes, has_end ? newline + 1 : bytes.size(), begin, begin + bytes.size()};
    if (has_end) line.end = begin + newline;
    if (line.end != begin && line.end[-1] == '\r') --line.end;
    line.rest = find_space(begin, line.end);
    const Command* command = find_command({begin, static_cast<std::size_t>(line.rest - begin)});
    const bool extension =
        command != nullptr && (command->verb == Verb::Batch || command->verb == Verb::Snapshot);
    if (!extension) {
        invalid(line, request, replies::kError);
    } else if (command->parse(line, command->verb, request).status != ParseStatus::Complete) {
        invalid(line, request, replies::kBadChunk);
    }
}

std::span<const std::string_view> command_words() noexcept {
    static constexpr auto kWords = [] {
        std::array<std::string_view, kCommands.size() + kAdminCommands.size()> words{};
        std::size_t count = 0;
        for (const Command& command : kCommands) words[count++] = command.word;
        for (const AdminCommand& command : kAdminCommands) words[count++] = command.word;
        return words;
    }();
    return kWords;
}

void finish_value(Request& request, std::string_view terminator) noexcept {
    request.value = {};
    request.bad_data_chunk = !is_binary(request.verb) && terminator != "\r\n";
}

}  // namespace shardmill::protocol
