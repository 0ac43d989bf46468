#include "fuzz/binary_parser_check.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>

#include "base/assert.h"
#include "base/byte_order.h"
#include "protocol/binary_parser.h"
#include "protocol/binary_reply.h"
#include "protocol/request.h"

namespace shardmill::fuzz {
namespace {

using protocol::BinaryStatus;
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

/// What the header of a packet says about its lengths.
struct Lengths {
    std::size_t head;  // header, extras and key
    std::size_t all;

    explicit Lengths(std::string_view bytes)
        : head(protocol::kBinaryHeaderBytes + base::load_big<std::uint16_t>(bytes.data() + 2) +
               static_cast<unsigned char>(bytes[4])),
          all(protocol::kBinaryHeaderBytes + base::load_big<std::uint32_t>(bytes.data() + 8)) {}
};

bool is_known(std::uint8_t opcode) {
    return std::ranges::binary_search(protocol::binary_opcodes(), opcode);
}

void check_line(const Request& request, std::string_view body) {
    const Verb verb = request.binary.line_verb;
    SHARDMILL_ASSERT(verb == Verb::Batch || verb == Verb::Snapshot || verb == Verb::Invalid);
    if (verb == Verb::Invalid) {
        SHARDMILL_ASSERT(request.error.ends_with("\r\n"));
        return;
    }
    SHARDMILL_ASSERT(inside(request.arguments, body));
    SHARDMILL_ASSERT(inside(request.payload, body));
}

void check_request(const Request& request, std::string_view packet, std::size_t head) {
    SHARDMILL_ASSERT(protocol::is_binary(request.verb));
    SHARDMILL_ASSERT(request.binary.opcode == static_cast<std::uint8_t>(packet[1]));
    SHARDMILL_ASSERT(std::memcmp(&request.binary.opaque, packet.data() + 12, 4) == 0);
    if (request.verb == Verb::BinaryBroken) {
        SHARDMILL_ASSERT(request.binary.status == BinaryStatus::InvalidArguments ||
                         request.binary.status == BinaryStatus::UnknownCommand);
        return;
    }
    if (request.verb == Verb::BinaryInvalid) {
        const std::uint8_t opcode = request.binary.opcode;
        SHARDMILL_ASSERT(opcode == protocol::opcodes::kLine || !is_known(opcode));
        return;
    }
    SHARDMILL_ASSERT(is_known(request.binary.opcode));
    SHARDMILL_ASSERT(inside(request.key, packet) && request.key.size() <= protocol::kMaxKeyBytes);
    if (has_key(request.verb)) SHARDMILL_ASSERT(!request.key.empty());
    if (request.verb == Verb::BinaryStat) SHARDMILL_ASSERT(inside(request.arguments, packet));
    if (request.verb == Verb::BinaryLine) check_line(request, packet.substr(head));
    if (request.verb == Verb::BinarySasl) {
        SHARDMILL_ASSERT(inside(request.value, packet.substr(head)));
        SHARDMILL_ASSERT(request.value.size() <= protocol::kMaxSaslBytes);
    }
}

/// Whatever has been parsed can be answered, in packets that repeat it.
void check_replies(const Request& request) {
    std::string out;
    append_binary_error(out, request, BinaryStatus::NotFound);
    append_binary_success(out, request, ~std::uint64_t{0});
    append_binary_number(out, request, 1, 2);
    if (has_key(request.verb)) append_binary_value(out, request, 1, "value", 2);
    for (std::size_t at = 0; at != out.size();) {
        SHARDMILL_ASSERT(out.size() - at >= protocol::kBinaryHeaderBytes);
        SHARDMILL_ASSERT(static_cast<unsigned char>(out[at]) == protocol::kReplyMagic);
        SHARDMILL_ASSERT(static_cast<std::uint8_t>(out[at + 1]) == request.binary.opcode);
        const Lengths lengths(std::string_view(out).substr(at));
        SHARDMILL_ASSERT(lengths.head <= lengths.all);
        at += lengths.all;
    }
}

void check_complete(const ParseResult& result, const Request& request, std::string_view bytes) {
    const Lengths lengths(bytes);
    check_request(request, bytes.substr(0, lengths.all), lengths.head);
    check_replies(request);
    if (request.verb == Verb::BinaryBroken) {
        SHARDMILL_ASSERT(result.consumed == lengths.head && result.swallow == 0);
        return;
    }
    SHARDMILL_ASSERT(result.consumed + result.swallow == lengths.all);
    // What is still to be swallowed can only begin where the bytes end.
    SHARDMILL_ASSERT(result.swallow == 0 || result.consumed == bytes.size());
    if (!has_value(request.verb)) return;
    SHARDMILL_ASSERT(result.swallow == 0 && !request.bad_data_chunk);
    SHARDMILL_ASSERT(request.value.size() == request.value_bytes);
    SHARDMILL_ASSERT(inside(request.value, bytes.substr(lengths.head)));
}

void check_result(const ParseResult& result, const Request& request, std::string_view bytes) {
    SHARDMILL_ASSERT(result.consumed <= bytes.size());
    switch (result.status) {
        case ParseStatus::Complete:
            return check_complete(result, request, bytes);
        case ParseStatus::NeedValue: {
            const Lengths lengths(bytes);
            SHARDMILL_ASSERT(has_value(request.verb));
            SHARDMILL_ASSERT(result.consumed == lengths.head);
            SHARDMILL_ASSERT(result.consumed + request.value_bytes == lengths.all);
            SHARDMILL_ASSERT(bytes.size() < lengths.all);
            return check_request(request, bytes, lengths.head);
        }
        case ParseStatus::NeedMore:
            SHARDMILL_ASSERT(result.consumed == 0 && result.needed > bytes.size());
            // Nobody is made to gather more than a header can announce, or a line or a step may be.
            SHARDMILL_ASSERT(result.needed <= 256 * 1024);
            return;
        case ParseStatus::Close:
            SHARDMILL_ASSERT(static_cast<unsigned char>(bytes[0]) != protocol::kRequestMagic);
            return;
    }
}

}  // namespace

void check_binary_parser(std::string_view bytes) {
    // A copy of its own for every parse, so that a read outside of what was shown is seen by ASan.
    while (!bytes.empty()) {
        const std::unique_ptr<char[]> copy(new char[bytes.size()]);
        std::memcpy(copy.get(), bytes.data(), bytes.size());
        const std::string_view shown(copy.get(), bytes.size());
        Request request;
        const ParseResult result = parse_binary(shown, request);
        check_result(result, request, shown);
        if (result.status != ParseStatus::Complete || protocol::closes(request.verb)) return;
        bytes.remove_prefix(result.consumed);
    }
}

}  // namespace shardmill::fuzz
