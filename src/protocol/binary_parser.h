#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/request.h"
#include "protocol/text_parser.h"

namespace shardmill::protocol {

/// Parses the first packet in `bytes`: memcached's binary protocol, and the `BinaryLine` extension.
/// Bytes in, request out: no I/O, no state, no allocation, no exceptions. The result means what
/// `parse_text`'s does, but that what NeedValue waits for has no line end behind it, and that
/// NeedMore always knows how much.
///
/// A packet that is answered with an error is a `Complete` parse with Verb::BinaryInvalid (its body
/// is swallowed) or, where nothing behind it can be understood, Verb::BinaryBroken. What does not
/// begin with a request's magic byte is to be closed without a reply.
///
/// `request` may hold garbage from an earlier use. Views in it point into `bytes`.
ParseResult parse_binary(std::string_view bytes, Request& request) noexcept;

/// Every opcode that is understood, in ascending order, for tests and listings.
std::span<const std::uint8_t> binary_opcodes() noexcept;

inline constexpr unsigned char kRequestMagic = 0x80;
inline constexpr unsigned char kReplyMagic = 0x81;
inline constexpr std::size_t kBinaryHeaderBytes = 24;

/// Opcodes that somebody besides the parser has to tell apart.
namespace opcodes {
inline constexpr std::uint8_t kVersion = 0x0b;
inline constexpr std::uint8_t kSaslListMechs = 0x20;
inline constexpr std::uint8_t kSaslAuth = 0x21;
inline constexpr std::uint8_t kSaslStep = 0x22;
inline constexpr std::uint8_t kLine = 0xb0;  // not memcached's
}  // namespace opcodes

/// The longest name of a SASL mechanism; a longer one is an invalid argument.
inline constexpr std::size_t kMaxMechanismBytes = 32;
/// The most that a client may send in one step of an authentication.
inline constexpr std::size_t kMaxSaslBytes = 64 * 1024;
/// A larger body is refused, whatever the opcode.
inline constexpr std::uint32_t kMaxBodyBytes = 1u << 30;

}  // namespace shardmill::protocol
