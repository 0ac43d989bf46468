#include "net/command_reader.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "protocol/login_parser.h"
#include "protocol/parser.h"
#include "protocol/reply.h"

namespace shardmill::net {
namespace {

using protocol::ParseResult;
using protocol::ParseStatus;
using protocol::Request;
using protocol::Verb;

/// Answered piece by piece for as long as the client reads: nothing for a message that has to be
/// complete before it is sent.
bool is_stream(const Request& request) noexcept {
    if (request.verb != Verb::LruCrawler) return request.verb == Verb::Watch;
    return request.arguments.starts_with("metadump") || request.arguments.starts_with("mgdump");
}

bool is_open_to_strangers(const Request& request) noexcept {
    switch (request.binary.opcode) {
        case protocol::opcodes::kSaslListMechs:
        case protocol::opcodes::kSaslAuth:
        case protocol::opcodes::kSaslStep:
        case protocol::opcodes::kVersion:
            return true;
        default:
            // Lengths that contradict each other leave nothing to be judged.
            return request.verb == Verb::BinaryBroken &&
                   request.binary.status == protocol::BinaryStatus::UnknownCommand;
    }
}

constexpr bool may_have_more_keys(Verb verb) noexcept { return verb <= Verb::Gats; }

/// The first byte of all decides what a connection speaks, unless its listener has.
ParseResult parse_next(Connection& connection, std::string_view bytes, Request& request) noexcept {
    if (connection.dialect == protocol::Dialect::Text) [[likely]]
        return protocol::parse_text(bytes, request);
    if (connection.dialect == protocol::Dialect::Auto)
        connection.dialect = protocol::dialect_of(bytes.front());
    return protocol::parse(connection.dialect, bytes, request);
}

/// A get is interrupted before `next_key`. Repeats what stands before its first key ("get ", "gat
/// 60 ") in front of `next_key`, over keys that are done with, so that the rest of the line is a
/// command again. Returns how many bytes that command begins behind `line`.
std::size_t split_get(const Request& request, char* line, std::string_view next_key) noexcept {
    const auto head = static_cast<std::size_t>(request.key.data() - line);
    const auto rest = static_cast<std::size_t>(next_key.data() - line);
    std::memmove(line + rest - head, line, head);
    return rest - head;
}

}  // namespace

void CommandReader::make_runnable(Connection& connection) noexcept {
    if (connection.in_runnable) return;
    connection.in_runnable = true;
    runnable_.push_back(&connection);
}

bool CommandReader::must_wait(Connection& connection) noexcept {
    if (connection.deferred) return true;
    if (connection.output_bytes() >= limits_.output_bytes_max) {
        connection.choked = true;
        return true;
    }
    if (connection.turn_operations < connection.operations_now &&
        connection.turn_input < limits_.turn_input_max) {
        return false;
    }
    make_runnable(connection);
    return true;
}

std::size_t CommandReader::parse(Connection& connection, char* data, std::size_t bytes) noexcept {
    std::size_t at = 0;
    while (at < bytes && !connection.closing) {
        if (connection.swallow != 0) {
            const auto skip = std::min<std::uint64_t>(connection.swallow, bytes - at);
            connection.swallow -= skip;
            at += skip;
            continue;
        }
        if (connection.upload != nullptr) {
            at += receive_value(connection, {data + at, bytes - at});
            continue;
        }
        if (must_wait(connection)) break;
        if (!connection.authenticated) [[unlikely]] {
            const std::size_t used =
                limits_.authentication == Authentication::Text
                    ? log_in(connection, {data + at, bytes - at})
                    : take_packet_of_stranger(connection, data + at, bytes - at);
            if (used == 0) return at;
            at += used;
            continue;
        }
        Request& request = batch_.scratch();
        const ParseResult result = parse_next(connection, {data + at, bytes - at}, request);
        switch (result.status) {
            case ParseStatus::Complete:
                connection.swallow = result.swallow;
                connection.turn_input += static_cast<std::uint32_t>(result.consumed);
                at += take_command(connection, request, data + at, result.consumed);
                break;
            case ParseStatus::NeedMore:
                connection.input_needed = result.needed;
                return at;
            case ParseStatus::NeedValue:
                if (!begin_value(connection, request, {data + at, result.consumed})) return at;
                at += result.consumed;
                break;
            case ParseStatus::Close:
                connection.closing = true;
                break;
        }
    }
    return at;
}

/// Nothing of this connection can be under way yet, so that it is answered on the spot. Returns the
/// bytes used, 0 when there is nothing to be done with them.
std::size_t CommandReader::log_in(Connection& connection, std::string_view bytes) noexcept {
    using Status = protocol::LoginParse::Status;
    const protocol::LoginParse login = protocol::parse_login(bytes);
    std::string_view reply = login.reply;
    switch (login.status) {
        case Status::NeedMore:
            connection.input_needed = login.needed;
            return 0;
        case Status::Close:
            connection.closing = true;
            return 0;
        case Status::Refused:
            break;
        case Status::Attempt:
            connection.authenticated = executor_.authenticate(login.user, login.password);
            connection.dialect = protocol::Dialect::Text;
            reply = connection.authenticated ? protocol::replies::kStored
                                             : protocol::login_replies::kFailure;
            break;
    }
    connection.pending.append(buffers_, reply);
    connection.turn_output += reply.size();
    connection.turn_input += static_cast<std::uint32_t>(login.consumed);
    ++connection.turn_operations;
    return login.consumed;
}

/// Packets of a connection that has not authenticated itself: SASL and VERSION are executed, all
/// others refused, and that is the end. Returns as `log_in`.
std::size_t CommandReader::take_packet_of_stranger(Connection& connection, char* data,
                                                   std::size_t bytes) noexcept {
    Request& request = batch_.scratch();
    const ParseResult result = protocol::parse_binary({data, bytes}, request);
    if (result.status == ParseStatus::NeedMore) {
        connection.input_needed = result.needed;
        return 0;
    }
    if (result.status == ParseStatus::Close) {
        connection.closing = true;
        return 0;
    }
    connection.dialect = protocol::Dialect::Binary;
    if (result.status == ParseStatus::NeedValue || !is_open_to_strangers(request)) {
        request.verb = Verb::BinaryBroken;
        request.binary.status = protocol::BinaryStatus::AuthError;
    }
    connection.swallow = result.swallow;
    connection.turn_input += static_cast<std::uint32_t>(result.consumed);
    return take_command(connection, request, data, result.consumed);
}

std::size_t CommandReader::take_command(Connection& connection, Request& request, char* line,
                                        std::size_t bytes) noexcept {
    if (names_job(request)) [[unlikely]] {
        request.verb = Verb::JobKey;
        request.arguments = {line, bytes};
        request.payload = {};
    }
    if (protocol::has_key(request.verb)) [[likely]] {
        if (may_have_more_keys(request.verb) && !request.more_keys.empty())
            return take_keys(connection, request, line, bytes);
        batch_.add(connection, request, request.key, true);
        if (batch_.full()) batch_.run();
        return bytes;
    }
    if (protocol::closes(request.verb)) [[unlikely]] {
        if (request.verb != Verb::BinaryBroken) connection.close_reason = CloseReason::Normal;
        connection.closing = true;
        if (request.verb == Verb::Quit) return bytes;
    }
    // What may be answered later is executed before anything behind it is parsed, so that nothing
    // can overtake the answer.
    const bool run_now = protocol::may_defer(request.verb);
    if (run_now && connection.datagram && is_stream(request)) {
        batch_.run();
        connection.pending.append(buffers_, protocol::replies::kError);
        return bytes;
    }
    batch_.add(connection, request, {}, true);
    if (run_now || batch_.full()) batch_.run();
    return bytes;
}

std::size_t CommandReader::take_keys(Connection& connection, const Request& request, char* line,
                                     std::size_t bytes) noexcept {
    std::string_view key = request.key;
    std::string_view rest = request.more_keys;
    for (;;) {
        const std::string_view next = protocol::next_key(rest);
        const bool job_next = limits_.job_keys && protocol::is_job_key(next);
        batch_.add(connection, request, key, next.empty());
        if (job_next) [[unlikely]] {
            // From there on it is a command of its own.
            batch_.run();
            return split_get(request, line, next);
        }
        if (batch_.full()) {
            batch_.run();
            if (!next.empty() && must_wait(connection)) return split_get(request, line, next);
        }
        if (next.empty()) return bytes;
        key = next;
    }
}

bool CommandReader::names_job(const Request& request) const noexcept {
    return limits_.job_keys && protocol::has_key(request.verb) && protocol::is_job_key(request.key);
}

/// The text of a job is gathered in memory, and larger than any can be.
void CommandReader::refuse_value(Connection& connection, Request& request,
                                 std::size_t block) noexcept {
    connection.swallow = block;
    if (protocol::is_binary(request.verb)) {
        request.verb = Verb::BinaryInvalid;
        request.binary.status = protocol::BinaryStatus::TooLarge;
    } else {
        request.verb = Verb::Invalid;
        request.error = protocol::replies::kTooLarge;
    }
    batch_.add(connection, request, {}, true);
    if (batch_.full()) batch_.run();
}

bool CommandReader::begin_value(Connection& connection, Request& request,
                                std::string_view line) noexcept {
    const std::size_t block =
        std::size_t{request.value_bytes} + protocol::terminator_bytes(request.verb);
    const bool for_job = names_job(request);
    if (request.value_bytes < limits_.upload_bytes_min ||
        (for_job && request.value_bytes <= protocol::kMaxPayloadBytes)) {
        connection.input_needed = line.size() + block;
        return false;
    }
    if (for_job) {
        refuse_value(connection, request, block);
        return true;
    }
    const Upload upload = executor_.reserve(request);
    if (upload.value != nullptr) {
        connection.upload = batch_.receivers().take();
        connection.upload->begin(connection.dialect, line, upload);
        return true;
    }
    connection.swallow = block;
    batch_.add(connection, request, request.key, true, upload, true);
    if (batch_.full()) batch_.run();
    return true;
}

std::size_t CommandReader::receive_value(Connection& connection, std::string_view bytes) noexcept {
    ValueReceiver* receiver = connection.upload;
    const std::size_t taken = receiver->take(bytes);
    if (!receiver->complete()) return taken;
    connection.upload = nullptr;
    batch_.retire(receiver);
    batch_.add(connection, receiver->request(), receiver->request().key, true, receiver->upload(),
               true);
    if (batch_.full()) batch_.run();
    return taken;
}

void CommandReader::keep(Connection& connection, std::string_view bytes) noexcept {
    Buffer& input = connection.input;
    if (input.memory != nullptr && connection.input_batch == batch_.serial()) {
        // Operations point into it, so it may not grow where it is.
        Buffer fresh = buffers_.take(input.size() + bytes.size());
        buffers_.append(fresh, input.view());
        batch_.retire(input);
        input = fresh;
        connection.input_batch = 0;
    }
    if (connection.input_needed > input.size()) {
        const std::size_t expected = connection.input_needed - input.size();
        buffers_.ensure_room(input, std::max(expected, bytes.size()));
    }
    buffers_.append(input, bytes);
}

void CommandReader::parse_input(Connection& connection) noexcept {
    Buffer& input = connection.input;
    const std::size_t used = parse(connection, input.data(), input.size());
    input.begin += static_cast<std::uint32_t>(used);
    connection.input_batch = batch_.serial();
    if (input.empty()) {
        batch_.retire(input);
        input = {};
    }
}

/// Adds to `input` what its first command lacks, no more, so that the rest can be parsed where it
/// is. Returns how much was taken.
std::size_t CommandReader::complete_input(Connection& connection, std::string_view bytes) noexcept {
    const Buffer& input = connection.input;
    std::size_t taken = 0;
    while (taken < bytes.size() && !input.empty() && !connection.stalled() && !connection.closing) {
        const std::string_view rest = bytes.substr(taken);
        std::size_t want = rest.size();
        bool ready = false;
        if (connection.input_needed > input.size()) {
            const std::size_t lacking = connection.input_needed - input.size();
            ready = lacking <= want;
            want = std::min(want, lacking);
        } else if (const auto newline = rest.find('\n'); newline != std::string_view::npos) {
            want = newline + 1;
            ready = true;
        } else {
            // The parser refuses a long line as soon as it sees one; after that it waits for the
            // newline, and scanning what it has seen again would be wasted.
            ready = input.size() <= protocol::kMaxLineBytes;
            if (input.size() + want > limits_.line_bytes_max) connection.closing = true;
        }
        keep(connection, rest.substr(0, want));
        taken += want;
        if (ready) parse_input(connection);
    }
    return taken;
}

void CommandReader::receive(Connection& connection, char* data, std::size_t bytes) noexcept {
    if (connection.closing || connection.endless) return;
    if (!connection.input.empty() && !connection.stalled()) {
        const std::size_t taken = complete_input(connection, {data, bytes});
        data += taken;
        bytes -= taken;
    }
    if (connection.input.empty() && !connection.stalled()) {
        const std::size_t used = parse(connection, data, bytes);
        data += used;
        bytes -= used;
    }
    if (bytes == 0 || connection.closing || connection.endless) return;
    keep(connection, {data, bytes});
}

void CommandReader::resume(Connection& connection) noexcept {
    if (connection.input.empty() || connection.stalled() || connection.closing) return;
    parse_input(connection);
}

void CommandReader::drop(Connection& connection) noexcept {
    if (connection.upload != nullptr) {
        executor_.abandon(connection.upload->upload());
        batch_.receivers().give_back(connection.upload);
        connection.upload = nullptr;
    }
    buffers_.give_back(connection.input);
}

}  // namespace shardmill::net
