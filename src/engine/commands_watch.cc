// watch: makes a connection a reader of the log.

#include "engine/commands_admin.h"
#include "engine/watchers.h"
#include "protocol/reply.h"

namespace shardmill::engine {

void run_watch(AdminContext& context, net::Operation& operation) noexcept {
    const auto answer = [&](std::string_view text) { append_answer(context, operation, text); };
    if (!context.parts.statistics->providers().config->watch_enabled) {
        return answer("CLIENT_ERROR watch commands not allowed\r\n");
    }
    if (operation.pipelined) return answer("ERROR cannot pipeline other commands before watch\r\n");
    const auto streams = parse_streams(operation.request->arguments);
    if (!streams || operation.request->no_reply) return answer(protocol::replies::kError);
    if (context.parts.watchers == nullptr) {
        return answer("WATCHER_FAILED failed to add log watcher\r\n");
    }
    if (!context.parts.watchers->add(operation.connection, *streams)) {
        return answer("WATCHER_TOO_MANY log watcher limit reached\r\n");
    }
    operation.deferred = true;
    operation.endless = true;
}

}  // namespace shardmill::engine
