#include "engine/watchers.h"

#include <utility>

#include "base/assert.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace shardmill::engine {
namespace {

struct StreamWord {
    std::string_view word;
    Stream stream;
};

// The order decides what an ambiguous abbreviation means.
constexpr StreamWord kWords[] = {
    {"rawcmds", Stream::Silent},    {"evictions", Stream::Evictions},
    {"fetchers", Stream::Fetchers}, {"mutations", Stream::Mutations},
    {"sysevents", Stream::System},  {"connevents", Stream::Connections},
    {"proxyreqs", Stream::Silent},  {"proxyevents", Stream::Silent},
    {"proxyuser", Stream::Silent},  {"deletions", Stream::Deletions},
};

std::uint32_t stream_named(std::string_view word) noexcept {
    for (const StreamWord& known : kWords) {
        if (known.word.starts_with(word)) return static_cast<std::uint32_t>(known.stream);
    }
    return 0;
}

}  // namespace

std::optional<std::uint32_t> parse_streams(std::string_view words) noexcept {
    std::uint32_t streams = 0;
    for (auto word = protocol::next_key(words); !word.empty(); word = protocol::next_key(words)) {
        const std::uint32_t stream = stream_named(word);
        if (stream == 0) return std::nullopt;
        streams |= stream;
    }
    return streams != 0 ? streams : static_cast<std::uint32_t>(Stream::Fetchers);
}

void Watchers::connect(std::vector<runtime::TaskQueue*> reactors, std::vector<EventLog*> logs) {
    SHARDMILL_ASSERT(!reactors.empty() && reactors.size() == logs.size());
    reactors_ = std::move(reactors);
    logs_ = std::move(logs);
}

bool Watchers::add(net::ConnectionId connection, std::uint32_t streams) {
    std::atomic<std::uint64_t>& count = shared_.counters->log_watchers;
    if (count.fetch_add(1, std::memory_order_relaxed) >= kMax) {
        count.fetch_sub(1, std::memory_order_relaxed);
        return false;
    }
    auto watcher = std::make_shared<Watcher>();
    watcher->connection = connection;
    watcher->streams = streams;
    watcher->joining = static_cast<std::uint32_t>(reactors_.size());
    const auto join = [this, watcher](EventLog& log) {
        log.add(watcher);
        if (watcher->joining.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        shared_.replier->push(watcher->connection, std::string(protocol::replies::kOk),
                              [](bool) {});
        // In front of every line: those are pushed only from here on.
        watcher->open.store(true, std::memory_order_release);
    };
    for (std::size_t reactor = 0; reactor < reactors_.size(); ++reactor) {
        EventLog& log = *logs_[reactor];
        if (reactor == connection.reactor) {
            join(log);  // at once: its end, which may come in this turn, is to be noticed
        } else {
            reactors_[reactor]->post([join, &log] { join(log); });
        }
    }
    return true;
}

void Watchers::connection_closed(net::ConnectionId connection, const EventLog& log) {
    if (!log.watches(connection)) return;
    shared_.counters->log_watchers.fetch_sub(1, std::memory_order_relaxed);
    for (std::size_t reactor = 0; reactor < reactors_.size(); ++reactor) {
        reactors_[reactor]->post([connection, log = logs_[reactor]] { log->remove(connection); });
    }
}

void Watchers::note(std::string text) {
    if (reactors_.empty()) return;
    reactors_.front()->post([text = std::move(text), log = logs_.front()] {
        if (!log->wants(Stream::System)) return;
        log->system(text);
        log->flush();
    });
}

}  // namespace shardmill::engine
