#include "engine/commands_loading.h"

#include "protocol/binary_reply.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

void refuse(CommandContext& context, const net::Operation& operation) {
    if (operation.uploaded && operation.upload.value != nullptr) {
        context.shard.abandon(context.uploads.take(operation.upload.token).reservation);
    }
    const protocol::Request& request = *operation.request;
    if (operation.last_of_request || protocol::is_binary(request.verb)) {
        append_loading(context.replies.text, request);
    }
}

}  // namespace

void append_loading(std::string& reply, const protocol::Request& request) {
    if (protocol::is_binary(request.verb)) {
        protocol::append_binary_text(reply, request, protocol::BinaryStatus::TemporaryFailure,
                                     "Loading");
    } else if (!request.no_reply) {
        reply.append(protocol::replies::kLoading);
    }
}

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
