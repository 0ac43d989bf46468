#include "fuzz/text_parser_check.h"

#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "base/assert.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/text_parser.h"

namespace shardmill::fuzz {
namespace {

using protocol::ParseResult;
using protocol::ParseStatus;
using protocol::Request;
using protocol::Verb;

/// True if `view` lies in `bytes`; a view of nothing may lie anywhere.
bool inside(std::string_view view, std::string_view bytes) {
    const std::less_equal<const char*> not_after;
    return view.empty() || (not_after(bytes.data(), view.data()) &&
                            not_after(view.data() + view.size(), bytes.data() + bytes.size()));
}

bool is_meta(Verb verb) { return verb >= Verb::MetaGet && verb <= Verb::MetaDebug; }

void check_key(std::string_view key) {
    SHARDMILL_ASSERT(!key.empty());
    SHARDMILL_ASSERT(key.size() <= protocol::kMaxKeyBytes);
}

void check_text_key(std::string_view key, std::string_view line) {
    check_key(key);
    SHARDMILL_ASSERT(inside(key, line));
    SHARDMILL_ASSERT(key.find_first_of(" \n") == std::string_view::npos);
}

void check_keys(const Request& request, std::string_view line) {
    if (is_meta(request.verb) && request.binary_key) {
        check_key(request.key);
        SHARDMILL_ASSERT(request.key.data() == request.decoded_key);
        SHARDMILL_ASSERT(request.key.size() < request.sent_key.size());
    } else {
        check_text_key(request.key, line);
    }
    if (is_meta(request.verb)) check_text_key(request.sent_key, line);
    if (request.verb > Verb::Gats) return;
    SHARDMILL_ASSERT(inside(request.more_keys, line));
    std::string_view rest = request.more_keys;
    for (auto key = protocol::next_key(rest); !key.empty(); key = protocol::next_key(rest))
        check_text_key(key, line);
}

void check_meta(const Request& request, std::string_view line) {
    const protocol::MetaFlags& meta = request.meta;
    SHARDMILL_ASSERT(inside(meta.text, line));
    if (request.verb == Verb::MetaDebug) return;
    std::uint64_t seen = 0;
    std::string_view rest = meta.text;
    for (auto flag = protocol::next_key(rest); !flag.empty(); flag = protocol::next_key(rest)) {
        SHARDMILL_ASSERT(meta.has(flag[0]));
        SHARDMILL_ASSERT((seen & protocol::MetaFlags::bit(flag[0])) == 0);
        seen |= protocol::MetaFlags::bit(flag[0]);
    }
    SHARDMILL_ASSERT(seen == meta.present);
    if (meta.has('O')) SHARDMILL_ASSERT(inside(meta.opaque, line) && meta.opaque.size() <= 31);
}

/// What may be asked of any meta request must fit the room replies are given.
void check_meta_reply(const Request& request) {
    protocol::MetaItem item;
    item.key = request.key;
    item.key_is_binary = request.binary_key;
    item.stale = item.won = item.token_sent = true;
    item.cas = item.client_flags = item.idle_seconds = item.value_bytes = ~std::uint32_t{0};
    std::string out;
    append_meta_get(out, request, item, true, "value");
    append_meta_store(out, request, protocol::MetaStatus::Exists, ~std::uint64_t{0}, 0);
    append_meta_number(out, request, item, ~std::uint64_t{0});
    append_meta_miss(out, request);
    append_meta_debug(out, item, 0, ~std::uint64_t{0});
    SHARDMILL_ASSERT(out.ends_with("\r\n"));
}

void check_request(const ParseResult& result, const Request& request, std::string_view bytes) {
    const std::size_t line_bytes = bytes.find('\n') + 1;
    const std::string_view line = bytes.substr(0, line_bytes);
    SHARDMILL_ASSERT(request.verb <= Verb::Invalid);
    SHARDMILL_ASSERT(result.consumed >= line_bytes);
    if (request.verb == Verb::Invalid) {
        SHARDMILL_ASSERT(request.error.empty() || request.error.ends_with("\r\n"));
        return;
    }
    if (has_key(request.verb)) check_keys(request, line);
    if (is_meta(request.verb)) {
        check_meta(request, line);
        if (request.verb != Verb::MetaDebug) check_meta_reply(request);
    }
    if (request.verb == Verb::Batch) {
        SHARDMILL_ASSERT(inside(request.arguments, line));
        SHARDMILL_ASSERT(request.payload.size() <= protocol::kMaxPayloadBytes);
        SHARDMILL_ASSERT(inside(request.payload, bytes.substr(line_bytes)));
        return;
    }
    if (!has_value(request.verb)) {
        SHARDMILL_ASSERT(result.consumed == line_bytes);
    } else if (result.status == ParseStatus::Complete) {
        SHARDMILL_ASSERT(request.value.size() == request.value_bytes);
        SHARDMILL_ASSERT(inside(request.value, bytes.substr(line_bytes)));
        SHARDMILL_ASSERT(result.consumed == line_bytes + request.value_bytes + 2);
        SHARDMILL_ASSERT(request.bad_data_chunk !=
                         bytes.substr(0, result.consumed).ends_with("\r\n"));
    }
}

void check_result(const ParseResult& result, const Request& request, std::string_view bytes) {
    SHARDMILL_ASSERT(result.consumed <= bytes.size());
    switch (result.status) {
        case ParseStatus::Complete:
            SHARDMILL_ASSERT(result.consumed > 0);
            // What is still to be swallowed can only begin where the bytes end.
            SHARDMILL_ASSERT(result.swallow == 0 || result.consumed == bytes.size());
            return check_request(result, request, bytes);
        case ParseStatus::NeedValue:
            SHARDMILL_ASSERT(has_value(request.verb));
            SHARDMILL_ASSERT(bytes.size() < result.consumed + request.value_bytes + 2);
            SHARDMILL_ASSERT(result.consumed == bytes.find('\n') + 1);
            return check_request(result, request, bytes);
        case ParseStatus::NeedMore:
            SHARDMILL_ASSERT(result.consumed == 0);
            SHARDMILL_ASSERT(result.needed == 0 || result.needed > bytes.size());
            return;
        case ParseStatus::Close:
            return;
    }
}

}  // namespace

void check_text_parser(std::string_view bytes) {
    // A copy of its own for every parse, so that a read outside of what was shown is seen by ASan.
    while (!bytes.empty()) {
        const std::unique_ptr<char[]> copy(new char[bytes.size()]);
        std::memcpy(copy.get(), bytes.data(), bytes.size());
        const std::string_view shown(copy.get(), bytes.size());
        Request request;
        const ParseResult result = parse_text(shown, request);
        check_result(result, request, shown);
        if (result.status != ParseStatus::Complete) return;
        bytes.remove_prefix(result.consumed);
    }
}

}  // namespace shardmill::fuzz
