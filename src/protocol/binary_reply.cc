#include "protocol/binary_reply.h"

#include <algorithm>
#include <cstring>

#include "base/byte_order.h"
#include "protocol/binary_parser.h"

namespace shardmill::protocol {
namespace {

/// What varies in the header of a reply.
struct Head {
    std::uint8_t opcode;
    std::uint32_t opaque;
    BinaryStatus status = BinaryStatus::Ok;
    std::uint8_t extras_bytes = 0;
    std::uint16_t key_bytes = 0;
    std::uint32_t body_bytes = 0;  // extras and key included
    std::uint64_t cas = 0;
};

Head head_of(const Request& request) noexcept {
    return {.opcode = request.binary.opcode, .opaque = request.binary.opaque};
}

char* put_head(char* out, const Head& head) noexcept {
    *out++ = static_cast<char>(kReplyMagic);
    *out++ = static_cast<char>(head.opcode);
    out = base::store_big(out, head.key_bytes);
    *out++ = static_cast<char>(head.extras_bytes);
    *out++ = 0;  // data type: raw bytes
    out = base::store_big(out, static_cast<std::uint16_t>(head.status));
    out = base::store_big(out, head.body_bytes);
    std::memcpy(out, &head.opaque, sizeof(head.opaque));
    return base::store_big(out + sizeof(head.opaque), head.cas);
}

char* put(char* out, std::string_view bytes) noexcept {
    return std::copy(bytes.begin(), bytes.end(), out);  // none have no address
}

/// Appends a header and what `fill` writes behind it, `bytes` of it.
template <typename Fill>
void append_packet(std::string& out, const Head& head, std::size_t bytes, Fill fill) noexcept {
    const std::size_t before = out.size();
    const std::size_t after = before + kBinaryHeaderBytes + bytes;
    out.resize_and_overwrite(after, [&](char* data, std::size_t) noexcept {
        fill(put_head(data + before, head));
        return after;
    });
}

void append_body(std::string& out, Head head, std::string_view body) noexcept {
    head.body_bytes = static_cast<std::uint32_t>(body.size());
    append_packet(out, head, body.size(), [&](char* to) noexcept { put(to, body); });
}

/// A hit of `value_bytes`, of which `value` is appended.
void append_hit(std::string& out, const Request& request, std::uint32_t client_flags,
                std::size_t value_bytes, std::string_view value, std::uint64_t cas) noexcept {
    const std::string_view key = request.binary.with_key ? request.key : std::string_view{};
    Head head = head_of(request);
    head.extras_bytes = sizeof(client_flags);
    head.key_bytes = static_cast<std::uint16_t>(key.size());
    head.body_bytes = static_cast<std::uint32_t>(sizeof(client_flags) + key.size() + value_bytes);
    head.cas = cas;
    append_packet(
        out, head, sizeof(client_flags) + key.size() + value.size(),
        [&](char* to) noexcept { put(put(base::store_big(to, client_flags), key), value); });
}

}  // namespace

std::string_view status_text(BinaryStatus status) noexcept {
    switch (status) {
        case BinaryStatus::NotFound:
            return "Not found";
        case BinaryStatus::Exists:
            return "Data exists for key.";
        case BinaryStatus::TooLarge:
            return "Too large.";
        case BinaryStatus::InvalidArguments:
            return "Invalid arguments";
        case BinaryStatus::NotStored:
            return "Not stored.";
        case BinaryStatus::NotNumeric:
            return "Non-numeric server-side value for incr or decr";
        case BinaryStatus::AuthError:
            return "Auth failure.";
        case BinaryStatus::UnknownCommand:
            return "Unknown command";
        case BinaryStatus::NoMemory:
            return "Out of memory";
        case BinaryStatus::TemporaryFailure:
            return "Temporary failure";
        case BinaryStatus::Ok:
        case BinaryStatus::AuthContinue:
            break;
    }
    return {};
}

void append_binary_error(std::string& out, const Request& request, BinaryStatus status) noexcept {
    append_binary_text(out, request, status, status_text(status));
}

void append_binary_success(std::string& out, const Request& request, std::uint64_t cas) noexcept {
    Head head = head_of(request);
    head.cas = cas;
    append_body(out, head, {});
}

void append_binary_text(std::string& out, const Request& request, BinaryStatus status,
                        std::string_view text) noexcept {
    Head head = head_of(request);
    head.status = status;
    append_body(out, head, text);
}

void append_binary_key_miss(std::string& out, const Request& request) noexcept {
    Head head = head_of(request);
    head.status = BinaryStatus::NotFound;
    head.key_bytes = static_cast<std::uint16_t>(request.key.size());
    append_body(out, head, request.key);
}

void append_binary_value(std::string& out, const Request& request, std::uint32_t client_flags,
                         std::string_view value, std::uint64_t cas) noexcept {
    append_hit(out, request, client_flags, value.size(), value, cas);
}

void append_binary_value_head(std::string& out, const Request& request, std::uint32_t client_flags,
                              std::uint32_t value_bytes, std::uint64_t cas) noexcept {
    append_hit(out, request, client_flags, value_bytes, {}, cas);
}

void append_binary_number(std::string& out, const Request& request, std::uint64_t number,
                          std::uint64_t cas) noexcept {
    Head head = head_of(request);
    head.body_bytes = sizeof(number);
    head.cas = cas;
    append_packet(out, head, sizeof(number),
                  [&](char* to) noexcept { base::store_big(to, number); });
}

void append_binary_stat(std::string& out, const Request& request, std::string_view name,
                        std::string_view value) noexcept {
    Head head = head_of(request);
    head.key_bytes = static_cast<std::uint16_t>(name.size());
    head.body_bytes = static_cast<std::uint32_t>(name.size() + value.size());
    append_packet(out, head, name.size() + value.size(),
                  [&](char* to) noexcept { put(put(to, name), value); });
}

void append_binary_line_head(std::string& out, std::uint32_t opaque,
                             std::uint32_t text_bytes) noexcept {
    const Head head{.opcode = opcodes::kLine, .opaque = opaque, .body_bytes = text_bytes};
    append_packet(out, head, 0, [](char*) noexcept {});
}

}  // namespace shardmill::protocol
