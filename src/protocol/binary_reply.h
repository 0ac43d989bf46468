#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "protocol/request.h"

/// Replies of the binary protocol: facts in, packets out, appended to the string the caller
/// collects a turn's replies in. As reply.h: no I/O, no state, any thread. The request's opcode and
/// opaque are repeated; whether a quiet opcode hides a reply is the caller's to know.
namespace shardmill::protocol {

/// What a status says in words, as the body of an error.
std::string_view status_text(BinaryStatus status) noexcept;

/// An error: no CAS, and `status_text` as body.
void append_binary_error(std::string& out, const Request& request, BinaryStatus status) noexcept;

/// Success that has nothing to tell but a CAS (0: none).
void append_binary_success(std::string& out, const Request& request,
                           std::uint64_t cas = 0) noexcept;

/// A body of plain bytes: version, SASL, errors with a text of their own.
void append_binary_text(std::string& out, const Request& request, BinaryStatus status,
                        std::string_view text) noexcept;

/// A miss of GETK or GATK, which has the key as its body.
void append_binary_key_miss(std::string& out, const Request& request) noexcept;

/// A hit: client flags, the key where the request wants it, the value.
void append_binary_value(std::string& out, const Request& request, std::uint32_t client_flags,
                         std::string_view value, std::uint64_t cas) noexcept;
/// All of it but the value, which is sent from elsewhere. TOUCH: of no bytes.
void append_binary_value_head(std::string& out, const Request& request, std::uint32_t client_flags,
                              std::uint32_t value_bytes, std::uint64_t cas) noexcept;

/// The number that increment and decrement answer.
void append_binary_number(std::string& out, const Request& request, std::uint64_t number,
                          std::uint64_t cas) noexcept;

/// One line of STAT; the last packet has neither name nor value.
void append_binary_stat(std::string& out, const Request& request, std::string_view name,
                        std::string_view value) noexcept;

/// What stands before the text that answers a BinaryLine.
void append_binary_line_head(std::string& out, std::uint32_t opaque,
                             std::uint32_t text_bytes) noexcept;

}  // namespace shardmill::protocol
