#include "protocol/meta_parser.h"

#include <optional>

#include "base/base64.h"
#include "protocol/text_number.h"

namespace shardmill::protocol {
namespace {

constexpr std::size_t kKeyToken = 1;
constexpr std::size_t kMaxMetaTokens = 20;
constexpr std::size_t kMaxOpaqueBytes = 32;  // with its letter

constexpr std::string_view kTooManyFlags = "CLIENT_ERROR options flags are too long\r\n";
constexpr std::string_view kDuplicateFlag = "CLIENT_ERROR duplicate flag\r\n";
constexpr std::string_view kUnknownFlag = "CLIENT_ERROR invalid flag\r\n";
constexpr std::string_view kBadFlagToken = "CLIENT_ERROR bad token in command line format\r\n";
constexpr std::string_view kBadInitial = "CLIENT_ERROR invalid numeric initial value\r\n";
constexpr std::string_view kBadMetaDelta = "CLIENT_ERROR invalid numeric delta value\r\n";
constexpr std::string_view kBadBase64 = "CLIENT_ERROR error decoding key\r\n";
constexpr std::string_view kOpaqueTooLong = "CLIENT_ERROR opaque token too long\r\n";
constexpr std::string_view kBadStoreMode = "CLIENT_ERROR invalid mode for ms M token\r\n";
constexpr std::string_view kBadArithmeticMode = "CLIENT_ERROR invalid mode for ma M token\r\n";
constexpr std::string_view kArithmeticFlagError = "CLIENT_ERROR invalid or duplicate flag\r\n";

/// Walks the flags of one command. Some errors end the walk at once; bad numbers let it go on, and
/// the last one found is the one reported, which is what clients of memcached see.
class FlagParser {
 public:
    FlagParser(const Tokens& tokens, std::size_t first_flag, Request& request) noexcept
        : tokens_(tokens), first_flag_(first_flag), request_(request), flags_(request.meta) {}

    /// Reply of the first error that ends the walk, else of the last of the others; nullopt if all
    /// is well. Mode and opaque are not judged here.
    std::optional<std::string_view> parse() noexcept {
        reset();
        if (request_.sent_key.size() > kMaxKeyBytes) return replies::kBadLine;
        if (tokens_.count() > kMaxMetaTokens) return kTooManyFlags;
        for (std::size_t i = first_flag_; i < tokens_.count(); ++i) {
            const std::string_view flag = tokens_[i];
            if (flag[0] < 'A') return kUnknownFlag;  // a digit
            const std::uint64_t bit = MetaFlags::bit(flag[0]);
            if ((flags_.present & bit) != 0) return kDuplicateFlag;
            flags_.present |= bit;
            if (!parse_flag(flag)) return kUnknownFlag;
        }
        if (failed_) return error_;
        return std::nullopt;
    }

    std::string_view mode() const noexcept { return mode_; }

 private:
    void reset() noexcept {
        request_.key = request_.sent_key;
        request_.binary_key = false;
        flags_.present = 0;
        flags_.delta = 1;
        flags_.initial = 0;
        flags_.client_flags = 0;
        flags_.mode = StoreMode::Set;
        flags_.decrement = false;
        flags_.opaque = {};
    }

    /// False: no such flag.
    bool parse_flag(std::string_view flag) noexcept {
        const std::string_view argument = flag.substr(1);
        switch (flag[0]) {
            case 'b':
                return decode_key(), true;
            case 'T':
                return store(parse_i32(argument), flags_.ttl, kBadFlagToken), true;
            case 'N':
                return store(parse_i32(argument), flags_.vivify_ttl, kBadFlagToken), true;
            case 'R':
                return store(parse_i32(argument), flags_.recache_ttl, kBadFlagToken), true;
            case 'C':
                return store(parse_u64(argument), flags_.compare_cas, kBadFlagToken), true;
            case 'E':
                return store(parse_u64(argument), flags_.new_cas, kBadFlagToken), true;
            case 'D':
                return store(parse_u64(argument), flags_.delta, kBadMetaDelta), true;
            case 'J':
                return store(parse_u64(argument), flags_.initial, kBadInitial), true;
            // A bad F has no words of its own: it fails with those of an earlier flag, if there are
            // any.
            case 'F':
                return store(parse_u32(argument), flags_.client_flags, error_), true;
            case 'M':
                mode_ = argument;
                return true;
            case 'O':
                flags_.opaque = argument;
                return true;
            case 'I':
            case 'L':
            case 'P':
            case 'c':
            case 'f':
            case 'h':
            case 'k':
            case 'l':
            case 'q':
            case 's':
            case 't':
            case 'u':
            case 'v':
            case 'x':
                return true;
            default:
                return false;
        }
    }

    template <typename Number>
    void store(std::optional<Number> value, Number& member, std::string_view error) noexcept {
        if (value) {
            member = *value;
        } else {
            fail(error);
        }
    }

    void decode_key() noexcept {
        const auto bytes = base::base64_decode(request_.sent_key, request_.decoded_key);
        if (!bytes || *bytes == 0) return fail(kBadBase64);
        request_.key = {request_.decoded_key, *bytes};
        request_.binary_key = true;
    }

    void fail(std::string_view error) noexcept {
        failed_ = true;
        error_ = error;
    }

    const Tokens& tokens_;
    const std::size_t first_flag_;
    Request& request_;
    MetaFlags& flags_;
    std::string_view mode_;
    std::string_view error_ = replies::kBadLine;
    bool failed_ = false;
};

/// The first byte of a flag outside of '0'-'9' and 'A'-'z' spoils the line as a whole.
bool flags_well_formed(const Tokens& tokens, std::size_t first_flag) noexcept {
    for (std::size_t i = first_flag; i < tokens.count(); ++i) {
        const char letter = tokens[i][0];
        if (!(letter >= 'A' && letter <= 'z') && !(letter >= '0' && letter <= '9')) return false;
    }
    return true;
}

std::string_view flags_text(const Tokens& tokens, std::size_t first_flag,
                            const TextLine& line) noexcept {
    if (tokens.count() <= first_flag) return {};
    const char* begin = tokens[first_flag].data();
    return {begin, static_cast<std::size_t>(line.end - begin)};
}

/// What all meta commands with a key have in common. False: answered with kBadLine, whatever the
/// flags say.
bool begin_meta(const TextLine& line, const Tokens& tokens, std::size_t first_flag, Verb verb,
                Request& request) noexcept {
    if (tokens.count() < first_flag || !flags_well_formed(tokens, first_flag)) return false;
    request.verb = verb;
    request.no_reply = false;
    request.sent_key = tokens[kKeyToken];
    request.meta.text = flags_text(tokens, first_flag, line);
    return true;
}

bool opaque_too_long(const MetaFlags& flags) noexcept {
    return flags.has('O') && flags.opaque.size() + 1 > kMaxOpaqueBytes;
}

/// An M without a token has the byte behind it, a line end or a space, for its mode: never a valid
/// one.
std::optional<StoreMode> store_mode(std::string_view token) noexcept {
    switch (token.empty() ? ' ' : token[0]) {
        case 'S':
            return StoreMode::Set;
        case 'E':
            return StoreMode::Add;
        case 'A':
            return StoreMode::Append;
        case 'P':
            return StoreMode::Prepend;
        case 'R':
            return StoreMode::Replace;
        default:
            return std::nullopt;
    }
}

std::optional<bool> decrement_mode(std::string_view token) noexcept {
    switch (token.empty() ? ' ' : token[0]) {
        case 'I':
        case '+':
            return false;
        case 'D':
        case '-':
            return true;
        default:
            return std::nullopt;
    }
}

/// The error of a complete `ms` line, nullopt if there is none.
std::optional<std::string_view> meta_set_error(const Tokens& tokens, std::size_t first_flag,
                                               Request& request) noexcept {
    FlagParser flags(tokens, first_flag, request);
    if (const auto error = flags.parse()) return error;
    if (request.meta.has('M')) {
        const auto mode = store_mode(flags.mode());
        if (!mode) return kBadStoreMode;
        request.meta.mode = *mode;
    }
    if (opaque_too_long(request.meta)) return kOpaqueTooLong;
    return std::nullopt;
}

}  // namespace

ParseResult parse_meta_noop(const TextLine& line, Verb verb, Request& request) noexcept {
    request.verb = verb;
    request.no_reply = false;
    return complete(line);
}

ParseResult parse_meta(const TextLine& line, Verb verb, Request& request) noexcept {
    constexpr std::size_t kFirstFlag = 2;
    const Tokens tokens(line);
    if (!begin_meta(line, tokens, kFirstFlag, verb, request))
        return invalid(line, request, replies::kBadLine);
    FlagParser flags(tokens, kFirstFlag, request);
    const bool arithmetic = verb == Verb::MetaArithmetic;
    if (const auto error = flags.parse())
        return invalid(line, request, arithmetic ? kArithmeticFlagError : *error);
    if (arithmetic && request.meta.has('M')) {
        const auto decrement = decrement_mode(flags.mode());
        if (!decrement) return invalid(line, request, kBadArithmeticMode);
        request.meta.decrement = *decrement;
    }
    if (opaque_too_long(request.meta)) return invalid(line, request, kOpaqueTooLong);
    return complete(line);
}

ParseResult parse_meta_set(const TextLine& line, Verb verb, Request& request) noexcept {
    constexpr std::size_t kLengthToken = 2;
    constexpr std::size_t kFirstFlag = 3;
    const Tokens tokens(line);
    if (!begin_meta(line, tokens, kFirstFlag, verb, request))
        return invalid(line, request, replies::kBadLine);
    const auto value_bytes = parse_i32(tokens[kLengthToken]);
    if (!value_bytes || *value_bytes < 0 || *value_bytes > kMaxValueBytes) {
        return invalid(line, request, replies::kBadLine);
    }
    request.value_bytes = static_cast<std::uint32_t>(*value_bytes);
    if (const auto error = meta_set_error(tokens, kFirstFlag, request)) {
        return refuse_block(line, request, *error, request.value_bytes);
    }
    return take_block(line, request);
}

ParseResult parse_meta_debug(const TextLine& line, Verb verb, Request& request) noexcept {
    constexpr std::size_t kFirstFlag = 2;
    const Tokens tokens(line);
    if (!begin_meta(line, tokens, kFirstFlag, verb, request) ||
        request.sent_key.size() > kMaxKeyBytes) {
        return invalid(line, request, replies::kBadLine);
    }
    request.key = request.sent_key;
    request.binary_key = tokens.count() > kFirstFlag && tokens[kFirstFlag] == "b";
    request.meta.present = 0;
    if (request.binary_key) {
        const auto bytes = base::base64_decode(request.sent_key, request.decoded_key);
        if (!bytes || *bytes == 0) return invalid(line, request, replies::kBadLine);
        request.key = {request.decoded_key, *bytes};
    }
    return complete(line);
}

}  // namespace shardmill::protocol
