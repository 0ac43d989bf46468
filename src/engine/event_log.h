#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/counters.h"
#include "net/executor.h"
#include "store/shard.h"

namespace shardmill::engine {

/// What `watch` can be asked for. Bits: a watcher has several.
enum class Stream : std::uint32_t {
    Fetchers = 1,
    Mutations = 2,
    Evictions = 4,
    Connections = 8,
    Deletions = 16,
    System = 32,
    Silent = 64,  // rawcmds and the proxy's: known words that nothing is ever logged for
};

/// One `watch` command's connection. Shared by all reactors.
struct Watcher {
    net::ConnectionId connection{};
    std::uint32_t streams = 0;
    std::atomic<std::uint32_t> joining{0};  // reactors that do not log for it yet
    std::atomic<bool> open{false};          // it has been told so
    std::atomic<std::uint64_t> unsent{0};   // bytes of lines
    std::atomic<std::uint64_t> skipped{0};  // lines, not reported yet
};

/// What the logs of all reactors have in common. Outlives them.
struct EventLogShared {
    net::Replier* replier = nullptr;  // set before the first watcher comes
    ServerCounters* counters = nullptr;
    std::uint64_t turn_bytes_max = 1u << 20;       // of lines of one reactor that are not sent yet
    std::uint64_t watcher_bytes_max = 256u << 10;  // not taken by its client yet
    std::uint64_t (*clock_us)() noexcept = nullptr;  // unix time in microseconds
    std::atomic<std::uint64_t> gid{0};               // of the last line
};

/// A reactor's log lines, as memcached writes them: collected while requests are executed, given to
/// the watchers after the turn. With nobody watching, `wants` is all that is ever called. On its
/// reactor's thread only.
class EventLog final : public store::EvictionObserver {
 public:
    explicit EventLog(EventLogShared& shared) noexcept : shared_(shared) {}

    bool active() const noexcept { return streams_ != 0; }
    bool wants(Stream stream) const noexcept {
        return (streams_ & static_cast<std::uint32_t>(stream)) != 0;
    }

    void add(std::shared_ptr<Watcher> watcher);
    /// False: nobody watches on that connection.
    bool remove(net::ConnectionId connection);
    bool watches(net::ConnectionId connection) const noexcept;

    // One line each; only if somebody wants the stream. Sizes are of values.
    void item_get(const net::Operation& operation, const store::Handle* found,
                  store::Shard::Miss why) noexcept;
    void item_get(const net::Operation& operation, std::uint64_t found_value_bytes) noexcept;
    struct Store {
        std::string_view status;
        std::string_view command;
        std::int64_t ttl = 0;
        std::uint32_t item_class = 0;
        std::uint64_t value_bytes = 0;
    };
    void item_store(const net::Operation& operation, const Store& store) noexcept;
    void deleted(const store::ItemView& item, std::string_view command) noexcept;
    void evicted(const store::EvictedItem& item) noexcept override;
    void connection_opened(const net::ConnectionFacts& connection) noexcept;
    void connection_closed(const net::ConnectionFacts& connection,
                           net::CloseReason reason) noexcept;
    void tls_failed(const net::ConnectionFacts& connection, std::string_view reason) noexcept;
    void system(std::string_view text) noexcept;

    /// Hands the lines over. Takes no lock.
    void flush() noexcept {
        if (!lines_.empty()) [[unlikely]]
            send();
    }

 private:
    struct Line {
        std::uint32_t stream;
        std::uint32_t end;  // in text_; it begins where the one before ends
    };
    bool begin(std::string_view type) noexcept;
    void field(std::string_view name, std::string_view value) noexcept;
    void number(std::string_view name, std::int64_t value) noexcept;
    void key(std::string_view key) noexcept;
    void connection(const net::ConnectionFacts& connection) noexcept;
    void end(Stream stream) noexcept;
    void send() noexcept;
    void send_to(const std::shared_ptr<Watcher>& watcher);
    void find_streams() noexcept;

    EventLogShared& shared_;
    std::uint32_t streams_ = 0;  // of all watchers
    std::vector<std::shared_ptr<Watcher>> watchers_;
    std::string text_;
    std::vector<Line> lines_;
};

/// Has a locked shard tell of evictions for as long as this lives, if somebody wants to know.
class ObservedEvictions {
 public:
    ObservedEvictions(store::Shard& shard, EventLog& log) noexcept {
        if (log.wants(Stream::Evictions)) [[unlikely]] {
            shard_ = &shard;
            shard.observe_evictions(&log);
        }
    }
    ~ObservedEvictions() {
        if (shard_ != nullptr) [[unlikely]]
            shard_->observe_evictions(nullptr);
    }
    ObservedEvictions(const ObservedEvictions&) = delete;
    ObservedEvictions& operator=(const ObservedEvictions&) = delete;

 private:
    store::Shard* shard_ = nullptr;
};

}  // namespace shardmill::engine
