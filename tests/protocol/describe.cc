#include "protocol/describe.h"

#include <fmt/format.h>

#include <array>
#include <cstring>

namespace shardmill::protocol {
namespace {

constexpr std::array<std::string_view, kVerbs> kVerbNames = {
    "Get",
    "Gets",
    "Gat",
    "Gats",
    "Set",
    "Add",
    "Replace",
    "Append",
    "Prepend",
    "Cas",
    "Delete",
    "Incr",
    "Decr",
    "Touch",
    "MetaGet",
    "MetaSet",
    "MetaDelete",
    "MetaArithmetic",
    "MetaDebug",
    "BinaryGet",
    "BinarySet",
    "BinaryAdd",
    "BinaryReplace",
    "BinaryAppend",
    "BinaryPrepend",
    "BinaryDelete",
    "BinaryIncrement",
    "BinaryDecrement",
    "BinaryTouch",
    "BinaryGat",
    "MetaNoop",
    "Version",
    "Verbosity",
    "FlushAll",
    "Stats",
    "Shutdown",
    "Quit",
    "Batch",
    "Snapshot",
    "JobKey",
    "CacheMemlimit",
    "Slabs",
    "Lru",
    "LruCrawler",
    "Extstore",
    "RefreshCerts",
    "Watch",
    "Invalid",
    "BinaryNoop",
    "BinaryVersion",
    "BinaryFlush",
    "BinaryStat",
    "BinaryQuit",
    "BinarySasl",
    "BinaryLine",
    "BinaryInvalid",
    "BinaryBroken",
};
static_assert(!kVerbNames.back().empty());

std::string_view without_line_end(std::string_view text) {
    return text.ends_with("\r\n") ? text.substr(0, text.size() - 2) : text;
}

std::string_view mode_name(StoreMode mode) {
    switch (mode) {
        case StoreMode::Set:
            return "set";
        case StoreMode::Add:
            return "add";
        case StoreMode::Replace:
            return "replace";
        case StoreMode::Append:
            return "append";
        case StoreMode::Prepend:
            return "prepend";
    }
    return "?";
}

bool is_meta(Verb verb) { return verb >= Verb::MetaGet && verb <= Verb::MetaDebug; }

void describe_meta(std::string& out, const Request& request) {
    const MetaFlags& meta = request.meta;
    out += fmt::format(" text='{}'", meta.text);
    if (request.binary_key) out += fmt::format(" sent_key={}", request.sent_key);
    if (meta.has('T')) out += fmt::format(" T={}", meta.ttl);
    if (meta.has('N')) out += fmt::format(" N={}", meta.vivify_ttl);
    if (meta.has('R')) out += fmt::format(" R={}", meta.recache_ttl);
    if (meta.has('C')) out += fmt::format(" C={}", meta.compare_cas);
    if (meta.has('E')) out += fmt::format(" E={}", meta.new_cas);
    if (meta.has('O')) out += fmt::format(" O={}", meta.opaque);
    if (request.verb == Verb::MetaSet)
        out += fmt::format(" F={} mode={}", meta.client_flags, mode_name(meta.mode));
    if (request.verb == Verb::MetaArithmetic) {
        out += fmt::format(" {} D={} J={}", meta.decrement ? "decr" : "incr", meta.delta,
                           meta.initial);
    }
}

void describe_arguments(std::string& out, const Request& request, Verb verb) {
    switch (verb) {
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats: {
            std::string_view rest = request.more_keys;
            for (auto key = next_key(rest); !key.empty(); key = next_key(rest))
                out += fmt::format(",{}", key);
            if (verb >= Verb::Gat) out += fmt::format(" exptime={}", request.exptime);
            break;
        }
        case Verb::Incr:
        case Verb::Decr:
            out += fmt::format(" delta={}", request.number);
            break;
        case Verb::FlushAll:
            if (!request.error.empty()) {
                out += fmt::format(" '{}'", without_line_end(request.error));
                break;
            }
            [[fallthrough]];
        case Verb::Touch:
            out += fmt::format(" exptime={}", request.exptime);
            break;
        case Verb::Verbosity:
            out += fmt::format(" level={}", request.number);
            break;
        case Verb::Batch:
            out += fmt::format(" arguments='{}' payload='{}'", request.arguments, request.payload);
            break;
        case Verb::Stats:
        case Verb::Snapshot:
        case Verb::JobKey:
        case Verb::Shutdown:
        case Verb::CacheMemlimit:
        case Verb::Slabs:
        case Verb::Lru:
        case Verb::LruCrawler:
        case Verb::Extstore:
        case Verb::RefreshCerts:
        case Verb::Watch:
            out += fmt::format(" arguments='{}'", request.arguments);
            // Whoever hands these over copies the payload with them.
            if (!request.payload.empty()) out += fmt::format(" payload='{}'", request.payload);
            break;
        case Verb::Invalid:
            out += fmt::format(" '{}'", without_line_end(request.error));
            break;
        default:
            break;
    }
}

void describe_binary(std::string& out, const Request& request) {
    const BinaryFields& binary = request.binary;
    out += fmt::format(" op={:02x}", binary.opcode);
    if (binary.opaque != 0) out += fmt::format(" opaque={:08x}", binary.opaque);
    if (binary.cas != 0) out += fmt::format(" cas={}", binary.cas);
    switch (request.verb) {
        case Verb::BinarySet:
        case Verb::BinaryAdd:
        case Verb::BinaryReplace:
        case Verb::BinaryAppend:
        case Verb::BinaryPrepend:
            out += fmt::format(" flags={} exptime={}", request.client_flags, request.exptime);
            break;
        case Verb::BinaryIncrement:
        case Verb::BinaryDecrement:
            out += fmt::format(" delta={} initial={} exptime={}{}", request.number, binary.initial,
                               request.exptime, binary.create ? " create" : "");
            break;
        case Verb::BinaryTouch:
        case Verb::BinaryGat:
        case Verb::BinaryFlush:
            out += fmt::format(" exptime={}", request.exptime);
            break;
        case Verb::BinaryStat:
            out += fmt::format(" arguments='{}'", request.arguments);
            break;
        case Verb::BinarySasl:
            out += fmt::format(" mechanism='{}' value='{}'{}", request.key, request.value,
                               request.bad_data_chunk ? " too-long" : "");
            break;
        case Verb::BinaryInvalid:
        case Verb::BinaryBroken:
            out += fmt::format(" status={:02x}", static_cast<unsigned>(binary.status));
            break;
        default:
            break;
    }
    if (has_key(request.verb) && binary.with_key) out += " with-key";
    if (request.no_reply) out += " quiet";
}

void describe_request(std::string& out, const Request& request, bool value_here) {
    out += verb_name(request.verb);
    if (has_key(request.verb)) out += fmt::format(" key={}", request.key);
    if (has_key(request.verb) && !is_meta(request.verb) && request.binary_key) out += " encoded";
    if (is_binary(request.verb)) describe_binary(out, request);
    describe_arguments(out, request, request.verb);
    if (request.verb == Verb::BinaryLine) {
        out += fmt::format(": {}", verb_name(request.binary.line_verb));
        describe_arguments(out, request, request.binary.line_verb);
    }
    if (request.verb >= Verb::Set && request.verb <= Verb::Cas) {
        out += fmt::format(" flags={} exptime={}", request.client_flags, request.exptime);
        if (request.verb == Verb::Cas) out += fmt::format(" cas={}", request.number);
    }
    if (is_meta(request.verb)) describe_meta(out, request);
    if (has_value(request.verb)) {
        out += fmt::format(" bytes={}", request.value_bytes);
        if (value_here)
            out += fmt::format(" value='{}'{}", request.value,
                               request.bad_data_chunk ? " bad-chunk" : "");
    }
    const bool has_noreply = request.verb != Verb::Invalid && !is_binary(request.verb);
    if (has_noreply && request.no_reply) out += " noreply";
}

}  // namespace

ExactCopy::ExactCopy(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    std::memcpy(bytes_.get(), bytes.data(), bytes.size());
}

std::string_view verb_name(Verb verb) noexcept {
    return kVerbNames[static_cast<std::size_t>(verb)];
}

std::string describe(const ParseResult& result, const Request& request, std::size_t size) {
    std::string out;
    switch (result.status) {
        case ParseStatus::NeedMore:
            return fmt::format("need more{}",
                               result.needed ? fmt::format(" {}", result.needed) : "");
        case ParseStatus::Close:
            return "close";
        case ParseStatus::NeedValue:
            out = "need value: ";
            break;
        case ParseStatus::Complete:
            break;
    }
    describe_request(out, request, result.status == ParseStatus::Complete);
    if (result.consumed != size) out += fmt::format(" left={}", size - result.consumed);
    if (result.swallow != 0) out += fmt::format(" swallow={}", result.swallow);
    return out;
}

std::string parse_and_describe(std::string_view bytes, Dialect dialect) {
    const ExactCopy copy(bytes);
    // Garbage of the previous use: nothing may be taken for set that this parse did not set.
    Request request{};
    std::memset(request.decoded_key, '#', sizeof(request.decoded_key));
    request.no_reply = true;
    request.bad_data_chunk = true;
    request.binary_key = true;
    request.value = request.payload = request.more_keys = request.arguments = request.error =
        "garbage";
    request.number = 4711;
    request.exptime = 4711;
    request.meta.present = ~std::uint64_t{0};
    request.meta.delta = request.meta.initial = 4711;
    request.meta.client_flags = 4711;
    request.meta.mode = StoreMode::Prepend;
    request.meta.decrement = true;
    std::memset(&request.binary, 0xa5, sizeof(request.binary));
    const ParseResult result = parse(dialect, copy.view(), request);
    return describe(result, request, bytes.size());
}

}  // namespace shardmill::protocol
