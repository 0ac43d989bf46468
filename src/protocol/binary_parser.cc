#include "protocol/binary_parser.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "base/byte_order.h"
#include "protocol/text_line.h"

namespace shardmill::protocol {
namespace {

/// A packet whose header, extras and key are here, and whose lengths add up.
struct Packet {
    std::string_view bytes;  // all that the parser was shown
    const char* extras;      // `extras_bytes` of them
    std::size_t extras_bytes;
    std::string_view key;
    std::size_t head_bytes;     // header, extras and key
    std::uint32_t value_bytes;  // the body without extras and key

    std::size_t size() const noexcept { return head_bytes + value_bytes; }
    std::string_view after_head() const noexcept { return bytes.substr(head_bytes); }
    std::string_view value() const noexcept { return bytes.substr(head_bytes, value_bytes); }
    bool complete() const noexcept { return bytes.size() >= size(); }
};

ParseResult need(std::size_t bytes) noexcept { return {ParseStatus::NeedMore, 0, bytes, 0}; }

/// Consumes the packet, as far as it is here; the rest of it is swallowed.
ParseResult take_whole(const Packet& packet) noexcept {
    const std::size_t here = std::min(packet.size(), packet.bytes.size());
    return {ParseStatus::Complete, here, 0, packet.size() - here};
}

ParseResult refuse(const Packet& packet, Request& request, BinaryStatus status) noexcept {
    request.verb = Verb::BinaryInvalid;
    request.binary.status = status;
    return take_whole(packet);
}

/// The connection ends with this packet, so nothing of its body matters.
ParseResult give_up(std::string_view bytes, std::size_t head_bytes, Request& request,
                    BinaryStatus status) noexcept {
    request.verb = Verb::BinaryBroken;
    request.binary.status = status;
    return {ParseStatus::Complete, std::min(head_bytes, bytes.size()), 0, 0};
}

ParseResult malformed(const Packet& packet, Request& request) noexcept {
    return give_up(packet.bytes, packet.head_bytes, request, BinaryStatus::InvalidArguments);
}

using PacketParser = ParseResult (*)(const Packet&, Request&) noexcept;

/// GET, DELETE, NOOP and others that are all header and key.
ParseResult parse_bare(const Packet& packet, Request&) noexcept { return take_whole(packet); }

ParseResult parse_touch(const Packet& packet, Request& request) noexcept {
    request.exptime = base::load_big<std::int32_t>(packet.extras);
    return take_whole(packet);
}

ParseResult parse_flush(const Packet& packet, Request& request) noexcept {
    request.exptime = packet.extras_bytes == 0 ? 0 : base::load_big<std::int32_t>(packet.extras);
    return take_whole(packet);
}

ParseResult parse_delta(const Packet& packet, Request& request) noexcept {
    request.number = base::load_big<std::uint64_t>(packet.extras);
    request.binary.initial = base::load_big<std::uint64_t>(packet.extras + 8);
    request.exptime = base::load_big<std::int32_t>(packet.extras + 16);
    request.binary.create = request.exptime != -1;
    return take_whole(packet);
}

/// The value of a storage command. Where it is not here yet, the caller decides how to receive it.
ParseResult take_value(const Packet& packet, Request& request) noexcept {
    request.value_bytes = packet.value_bytes;
    request.value = {};
    request.bad_data_chunk = false;
    if (!packet.complete()) return {ParseStatus::NeedValue, packet.head_bytes, 0, 0};
    request.value = packet.value();
    return take_whole(packet);
}

ParseResult parse_store(const Packet& packet, Request& request) noexcept {
    request.client_flags = base::load_big<std::uint32_t>(packet.extras);
    request.exptime = base::load_big<std::int32_t>(packet.extras + 4);
    return take_value(packet, request);
}

ParseResult parse_join(const Packet& packet, Request& request) noexcept {
    request.client_flags = 0;
    request.exptime = 0;
    return take_value(packet, request);
}

ParseResult parse_stat(const Packet& packet, Request& request) noexcept {
    request.arguments = packet.key;
    return take_whole(packet);
}

/// AUTH and STEP: a mechanism and what the client has to say. All of it is small.
ParseResult parse_sasl(const Packet& packet, Request& request) noexcept {
    request.value = {};
    request.bad_data_chunk = packet.value_bytes > kMaxSaslBytes;
    if (request.bad_data_chunk) return take_whole(packet);
    if (!packet.complete()) return need(packet.size());
    request.value = packet.value();
    return take_whole(packet);
}

/// The line of a `batch` or `snapshot` command. With anything else in it the opcode is as unknown
/// as it is to memcached.
ParseResult parse_packed_line(const Packet& packet, Request& request) noexcept {
    constexpr std::size_t kMaxBytes = kMaxLineBytes + kMaxPayloadBytes + 2;
    if (packet.value_bytes > kMaxBytes) return refuse(packet, request, BinaryStatus::TooLarge);
    if (!packet.complete()) return need(packet.size());
    parse_extension(packet.value(), request);
    if (request.verb == Verb::Invalid && request.error == replies::kError)
        return refuse(packet, request, BinaryStatus::UnknownCommand);
    request.binary.line_verb = request.verb;
    request.verb = Verb::BinaryLine;
    return take_whole(packet);
}

/// What the lengths of a packet must be.
struct Shape {
    std::uint8_t extras_min = 0;
    std::uint8_t extras_max = 0;
    std::uint8_t key_min = 0;
    std::uint8_t key_max = 0;
    bool value = false;  // anything may follow the key
};

constexpr std::uint8_t kKeyMax = kMaxKeyBytes;
constexpr Shape kEmpty{};
constexpr Shape kKeyOnly{.key_min = 1, .key_max = kKeyMax};
constexpr Shape kMaybeKey{.key_max = kKeyMax};
constexpr Shape kKeyAndValue{.key_min = 1, .key_max = kKeyMax, .value = true};
constexpr Shape kValueOnly{.value = true};
constexpr Shape kMaybeDelay{.extras_max = 4};
constexpr Shape keyed(std::uint8_t extras, bool value = false) noexcept {
    return {extras, extras, 1, kKeyMax, value};
}

struct Opcode {
    std::uint8_t code;
    Verb verb;
    Shape shape;
    PacketParser parse;
    bool quiet = false;
    bool with_key = false;
};

constexpr std::array kOpcodes = {
    Opcode{0x00, Verb::BinaryGet, kKeyOnly, parse_bare},
    Opcode{0x01, Verb::BinarySet, keyed(8, true), parse_store},
    Opcode{0x02, Verb::BinaryAdd, keyed(8, true), parse_store},
    Opcode{0x03, Verb::BinaryReplace, keyed(8, true), parse_store},
    Opcode{0x04, Verb::BinaryDelete, kKeyOnly, parse_bare},
    Opcode{0x05, Verb::BinaryIncrement, keyed(20), parse_delta},
    Opcode{0x06, Verb::BinaryDecrement, keyed(20), parse_delta},
    Opcode{0x07, Verb::BinaryQuit, kEmpty, parse_bare},
    Opcode{0x08, Verb::BinaryFlush, kMaybeDelay, parse_flush},
    Opcode{0x09, Verb::BinaryGet, kKeyOnly, parse_bare, true},
    Opcode{0x0a, Verb::BinaryNoop, kEmpty, parse_bare},
    Opcode{0x0b, Verb::BinaryVersion, kEmpty, parse_bare},
    Opcode{0x0c, Verb::BinaryGet, kKeyOnly, parse_bare, false, true},
    Opcode{0x0d, Verb::BinaryGet, kKeyOnly, parse_bare, true, true},
    Opcode{0x0e, Verb::BinaryAppend, kKeyAndValue, parse_join},
    Opcode{0x0f, Verb::BinaryPrepend, kKeyAndValue, parse_join},
    Opcode{0x10, Verb::BinaryStat, kMaybeKey, parse_stat},
    Opcode{0x11, Verb::BinarySet, keyed(8, true), parse_store, true},
    Opcode{0x12, Verb::BinaryAdd, keyed(8, true), parse_store, true},
    Opcode{0x13, Verb::BinaryReplace, keyed(8, true), parse_store, true},
    Opcode{0x14, Verb::BinaryDelete, kKeyOnly, parse_bare, true},
    Opcode{0x15, Verb::BinaryIncrement, keyed(20), parse_delta, true},
    Opcode{0x16, Verb::BinaryDecrement, keyed(20), parse_delta, true},
    Opcode{0x17, Verb::BinaryQuit, kEmpty, parse_bare, true},
    Opcode{0x18, Verb::BinaryFlush, kMaybeDelay, parse_flush, true},
    Opcode{0x19, Verb::BinaryAppend, kKeyAndValue, parse_join, true},
    Opcode{0x1a, Verb::BinaryPrepend, kKeyAndValue, parse_join, true},
    Opcode{0x1c, Verb::BinaryTouch, keyed(4), parse_touch},
    Opcode{0x1d, Verb::BinaryGat, keyed(4), parse_touch},
    Opcode{0x1e, Verb::BinaryGat, keyed(4), parse_touch, true},
    Opcode{opcodes::kSaslListMechs, Verb::BinarySasl, kEmpty, parse_sasl},
    Opcode{opcodes::kSaslAuth, Verb::BinarySasl, kKeyAndValue, parse_sasl},
    Opcode{opcodes::kSaslStep, Verb::BinarySasl, kKeyAndValue, parse_sasl},
    Opcode{0x23, Verb::BinaryGat, keyed(4), parse_touch, false, true},
    Opcode{0x24, Verb::BinaryGat, keyed(4), parse_touch, true, true},
    Opcode{opcodes::kLine, Verb::BinaryLine, kValueOnly, parse_packed_line},
};

constexpr std::uint8_t kUnknown = 0xff;

/// Where in kOpcodes each code is.
constexpr auto kIndex = [] {
    std::array<std::uint8_t, 256> index{};
    index.fill(kUnknown);
    for (std::size_t i = 0; i < kOpcodes.size(); ++i)
        index[kOpcodes[i].code] = static_cast<std::uint8_t>(i);
    return index;
}();

bool fits(const Shape& shape, const Packet& packet) noexcept {
    // The only extras that may be there or not are all or nothing.
    const bool extras =
        packet.extras_bytes == shape.extras_max || packet.extras_bytes == shape.extras_min;
    return extras && packet.key.size() >= shape.key_min && packet.key.size() <= shape.key_max &&
           (shape.value || packet.value_bytes == 0);
}

ParseResult parse_packet(const Packet& packet, Request& request) noexcept {
    if (packet.key.size() > kMaxKeyBytes) return malformed(packet, request);
    const std::uint8_t index = kIndex[request.binary.opcode];
    if (index == kUnknown) return refuse(packet, request, BinaryStatus::UnknownCommand);
    const Opcode& opcode = kOpcodes[index];
    if (!fits(opcode.shape, packet)) {
        return opcode.code == opcodes::kLine ? refuse(packet, request, BinaryStatus::UnknownCommand)
                                             : malformed(packet, request);
    }
    request.verb = opcode.verb;
    request.no_reply = opcode.quiet;
    request.binary.with_key = opcode.with_key;
    request.key = packet.key;
    return opcode.parse(packet, request);
}

}  // namespace

ParseResult parse_binary(std::string_view bytes, Request& request) noexcept {
    const char* const header = bytes.data();
    if (!bytes.empty() && static_cast<unsigned char>(*header) != kRequestMagic)
        return {ParseStatus::Close, 0, 0, 0};
    if (bytes.size() < kBinaryHeaderBytes) return need(kBinaryHeaderBytes);
    const std::size_t key_bytes = base::load_big<std::uint16_t>(header + 2);
    const std::size_t extras_bytes = static_cast<unsigned char>(header[4]);
    const std::uint32_t body_bytes = base::load_big<std::uint32_t>(header + 8);
    const std::size_t head_bytes = kBinaryHeaderBytes + extras_bytes + key_bytes;
    // Even where they make no sense, what belongs to the packet is read before it is answered: a
    // connection closed over unread bytes may lose the answer.
    if (bytes.size() < head_bytes) return need(head_bytes);

    request.no_reply = false;
    request.bad_data_chunk = false;
    request.binary_key = false;
    request.binary.opcode = static_cast<std::uint8_t>(header[1]);
    std::memcpy(&request.binary.opaque, header + 12, sizeof(request.binary.opaque));
    request.binary.cas = base::load_big<std::uint64_t>(header + 16);
    if (extras_bytes + key_bytes > body_bytes)
        return give_up(bytes, head_bytes, request, BinaryStatus::UnknownCommand);
    if (body_bytes > kMaxBodyBytes)
        return give_up(bytes, head_bytes, request, BinaryStatus::InvalidArguments);
    const char* const extras = header + kBinaryHeaderBytes;
    return parse_packet(
        {.bytes = bytes,
         .extras = extras,
         .extras_bytes = extras_bytes,
         .key = {extras + extras_bytes, key_bytes},
         .head_bytes = head_bytes,
         .value_bytes = static_cast<std::uint32_t>(body_bytes - extras_bytes - key_bytes)},
        request);
}

std::span<const std::uint8_t> binary_opcodes() noexcept {
    static constexpr auto kCodes = [] {
        std::array<std::uint8_t, kOpcodes.size()> codes{};
        for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = kOpcodes[i].code;
        return codes;
    }();
    return kCodes;
}

}  // namespace shardmill::protocol
