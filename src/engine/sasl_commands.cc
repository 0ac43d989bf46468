#include "engine/sasl_commands.h"

#include <string>
#include <utility>

#include "protocol/binary_parser.h"
#include "protocol/binary_reply.h"

namespace shardmill::engine {
namespace {

using Outcome = SaslService::Outcome;
using protocol::BinaryStatus;

constexpr std::string_view kAuthenticated = "Authenticated";

/// What replies repeat of a request.
void set_head(protocol::Request& head, const ControlRequest& request) noexcept {
    head.binary = *request.packet;
}

}  // namespace

void SaslCommands::list(const ControlRequest& request) {
    protocol::Request head;
    set_head(head, request);
    const SaslService::Answer answer = service_.list_mechanisms();
    std::string packet;
    if (answer.outcome == Outcome::Accepted) {
        protocol::append_binary_text(packet, head, BinaryStatus::Ok, answer.body);
    } else {
        protocol::append_binary_error(packet, head, BinaryStatus::AuthError);
    }
    replier_.reply(request.connection, std::move(packet));
}

void SaslCommands::execute(const ControlRequest& request) {
    const std::uint8_t opcode = request.packet->opcode;
    if (opcode == protocol::opcodes::kSaslListMechs) return list(request);
    const bool starts = opcode == protocol::opcodes::kSaslAuth;
    const SaslService::Answer answer =
        starts ? service_.start(request.connection, request.arguments, request.payload)
               : service_.step(request.connection, request.payload);
    protocol::Request head;
    set_head(head, request);
    std::string packet;
    switch (answer.outcome) {
        case Outcome::Accepted:
            counters_.add(Counter::AuthCmds);
            protocol::append_binary_text(packet, head, BinaryStatus::Ok, kAuthenticated);
            break;
        case Outcome::Continue:
            protocol::append_binary_text(packet, head, BinaryStatus::AuthContinue, answer.body);
            break;
        case Outcome::Failed:
            counters_.add(Counter::AuthCmds);
            counters_.add(Counter::AuthErrors);
            protocol::append_binary_error(packet, head, BinaryStatus::AuthError);
            break;
    }
    replier_.reply_login(request.connection, std::move(packet),
                         answer.outcome == Outcome::Accepted);
}

}  // namespace shardmill::engine
