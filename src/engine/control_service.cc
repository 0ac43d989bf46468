#include "engine/control_service.h"

#include <string>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "engine/stat_packets.h"
#include "protocol/reply.h"

namespace shardmill::engine {

void ControlService::submit(ControlRequest request) {
    SHARDMILL_ASSERT(parts_.control != nullptr);
    parts_.control->post([this, request = std::move(request)] { execute(request); });
}

void ControlService::connection_closed(net::ConnectionId connection) {
    SHARDMILL_ASSERT(parts_.control != nullptr);
    // Without a look at who waits: the command that waits may still be on its way.
    parts_.control->post([this, connection] {
        parts_.jobs->forget(connection);
        if (parts_.sasl != nullptr) parts_.sasl->forget(connection);
        if (parts_.crawler != nullptr) parts_.crawler->forget(connection);
    });
}

void ControlService::execute(const ControlRequest& request) {
    switch (request.kind) {
        case ControlRequest::Kind::Batch:
            if (refuse_while_incomplete(request)) break;
            parts_.batch->execute(request.arguments, request.payload, request.connection);
            break;
        case ControlRequest::Kind::JobKey:
            parts_.job_keys->execute(request.arguments, request.connection);
            break;
        case ControlRequest::Kind::Snapshot:
            parts_.snapshot->execute(request.arguments, request.connection);
            break;
        case ControlRequest::Kind::Stats:
            report(request);
            break;
        case ControlRequest::Kind::StatsBatch:
            parts_.batch->stats(request.connection);
            break;
        case ControlRequest::Kind::StatsSnapshot:
            parts_.snapshot->stats(request.connection);
            break;
        case ControlRequest::Kind::StatsConnections:
            parts_.connections->list(request.connection);
            break;
        case ControlRequest::Kind::RefreshCerts:
            parts_.connections->refresh_certs(request.connection, request.no_reply);
            break;
        case ControlRequest::Kind::Sasl:
            parts_.sasl->execute(request);
            break;
        case ControlRequest::Kind::Crawler:
            parts_.crawler->execute(request.arguments, request.connection);
            break;
    }
}

/// A job would see a part of the items and take it for all.
bool ControlService::refuse_while_incomplete(const ControlRequest& request) {
    if (parts_.loader == nullptr || !parts_.loader->incomplete()) return false;
    std::string_view arguments = request.arguments;
    if (protocol::next_key(arguments) != "run") return false;
    std::string reply;
    protocol::append_batch_line(reply, "NS", "the snapshot of the start is still being loaded");
    parts_.replier->reply(request.connection, std::move(reply));
    return true;
}

/// What takes too long for a reactor.
void ControlService::report(const ControlRequest& request) {
    std::string reply;
    parts_.statistics->report(request.arguments, base::unix_now(), reply);
    if (request.packet) {
        std::string packets;
        append_stat_packets(packets, request, reply);
        reply = std::move(packets);
    }
    parts_.replier->reply(request.connection, std::move(reply));
}

}  // namespace shardmill::engine
