#include "engine/commands_loading.h"

#include "protocol/binary_reply.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

void refuse(CommandContext& context, const net::Operation& operation) {
    const protocol::Request& request = *operation.request;
    if (operation.uploaded && operation.upload.value != nullptr) {
        context.shard.abandon(context.uploads.take(operation.upload.token).reservation);
    }
    if (protocol::is_binary(request.verb)) {
        protocol::append_binary_text(context.replies.text, request,
                                     protocol::BinaryStatus::TemporaryFailure, "Loading");
    } else if (operation.last_of_request && !request.no_reply) {
        context.replies.text.append(protocol::replies::kLoading);
    }
}

}  // namespace

bool pass_load_gate(LoadGate& gate, CommandContext& context, const net::Operation& operation) {
    switch (gate.mode()) {
        case LoadGate::Mode::Open:
            return true;
        case LoadGate::Mode::Watch:
            if (may_replace(operation.request->verb)) gate.note_change(operation.hash);
            return true;
        case LoadGate::Mode::Refuse:
            break;
    }
    refuse(context, operation);
    return false;
}

}  // namespace shardmill::engine
