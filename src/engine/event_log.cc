#include "engine/event_log.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/number.h"
#include "base/uri.h"
#include "engine/command_context.h"

namespace shardmill::engine {
namespace {

constexpr std::uint64_t kUsPerSecond = 1'000'000;

std::string_view status_of(store::Shard::Miss why) noexcept {
    switch (why) {
        case store::Shard::Miss::Flushed:
            return "flushed";
        case store::Shard::Miss::Expired:
            return "expired";
        case store::Shard::Miss::None:
        case store::Shard::Miss::NotFound:
            break;
    }
    return "not_found";
}

std::string_view name_of(net::CloseReason reason) noexcept {
    switch (reason) {
        case net::CloseReason::Error:
            return "error";
        case net::CloseReason::Normal:
            return "normal";
        case net::CloseReason::IdleTimeout:
            return "idle_timeout";
        case net::CloseReason::Shutdown:
            break;
    }
    return "shutdown";
}

void append_number(std::string& text, std::int64_t number) noexcept {
    std::array<char, base::kMaxNumberText> digits;
    text.append(digits.data(), base::write_number(digits.data(), number));
}

bool same(const net::ConnectionId& left, const net::ConnectionId& right) noexcept {
    return left.reactor == right.reactor && left.generation == right.generation;
}

}  // namespace

void EventLog::add(std::shared_ptr<Watcher> watcher) {
    watchers_.push_back(std::move(watcher));
    find_streams();
}

bool EventLog::watches(net::ConnectionId connection) const noexcept {
    return std::ranges::any_of(
        watchers_, [&](const auto& watcher) { return same(watcher->connection, connection); });
}

bool EventLog::remove(net::ConnectionId connection) {
    const auto removed = std::erase_if(
        watchers_, [&](const auto& watcher) { return same(watcher->connection, connection); });
    find_streams();
    if (watchers_.empty()) {
        text_ = {};
        lines_ = {};
    }
    return removed != 0;
}

void EventLog::find_streams() noexcept {
    streams_ = 0;
    for (const auto& watcher : watchers_) streams_ |= watcher->streams;
}

bool EventLog::begin(std::string_view type) noexcept {
    if (text_.size() >= shared_.turn_bytes_max) {
        shared_.counters->add(ServerCounter::LogWorkerDropped);
        return false;
    }
    const std::uint64_t now_us = shared_.clock_us();
    text_ += "ts=";
    append_number(text_, static_cast<std::int64_t>(now_us / kUsPerSecond));
    text_ += '.';  // and the microseconds as a plain number, as memcached has them
    append_number(text_, static_cast<std::int64_t>(now_us % kUsPerSecond));
    text_ += " gid=";
    const std::uint64_t gid = shared_.gid.fetch_add(1, std::memory_order_relaxed) + 1;
    append_number(text_, static_cast<std::int64_t>(gid));
    text_.append(" type=").append(type);
    return true;
}

void EventLog::field(std::string_view name, std::string_view value) noexcept {
    text_.append(" ").append(name).append("=").append(value);
}

void EventLog::number(std::string_view name, std::int64_t value) noexcept {
    text_.append(" ").append(name).append("=");
    append_number(text_, value);
}

void EventLog::key(std::string_view key) noexcept {
    text_ += " key=";
    base::append_uri_encoded(text_, key);
}

void EventLog::end(Stream stream) noexcept {
    text_ += '\n';
    lines_.push_back(
        {static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(text_.size())});
}

void EventLog::item_get(const net::Operation& operation, const store::Handle* found,
                        store::Shard::Miss why) noexcept {
    if (found != nullptr) return item_get(operation, found->view.value.size());
    if (!begin("item_get")) return;
    key(operation.key);
    field("status", status_of(why));
    number("clsid", 0);
    number("cfd", operation.socket);
    number("size", 0);
    end(Stream::Fetchers);
}

void EventLog::item_get(const net::Operation& operation, std::uint64_t found_value_bytes) noexcept {
    if (!begin("item_get")) return;
    key(operation.key);
    field("status", "found");
    number("clsid", kItemClass);
    number("cfd", operation.socket);
    number("size", static_cast<std::int64_t>(found_value_bytes));
    end(Stream::Fetchers);
}

void EventLog::item_store(const net::Operation& operation, const Store& store) noexcept {
    if (!begin("item_store")) return;
    key(operation.key);
    field("status", store.status);
    field("cmd", store.command);
    number("ttl", store.ttl);
    number("clsid", store.item_class);
    number("cfd", operation.socket);
    number("size", static_cast<std::int64_t>(store.value_bytes));
    end(Stream::Mutations);
}

void EventLog::deleted(const store::ItemView& item, std::string_view command) noexcept {
    if (!begin("deleted")) return;
    key(item.key);
    field("cmd", command);
    number("clsid", kItemClass);
    number("size", static_cast<std::int64_t>(item.value.size()));
    end(Stream::Deletions);
}

void EventLog::evicted(const store::EvictedItem& item) noexcept {
    if (!begin("eviction")) return;
    const store::ItemView& view = item.view;
    key(view.key);
    field("fetch", item.access.fetched ? "yes" : "no");
    number("ttl", view.exptime == 0 ? -1 : std::int64_t{view.exptime} - item.now);
    number("la", item.now - std::min(item.now, item.access.last_access));
    number("clsid", kItemClass);
    number("size", static_cast<std::int64_t>(view.value.size()));
    end(Stream::Evictions);
}

void EventLog::connection(const net::ConnectionFacts& connection) noexcept {
    const bool local = connection.peer.kind == net::PeerAddress::Kind::Local;
    field("rip", local ? "unix" : connection.peer.host());
    number("rport", connection.peer.port);
    field("transport", local ? "local" : "tcp");
}

void EventLog::connection_opened(const net::ConnectionFacts& opened) noexcept {
    if (!begin("conn_new")) return;
    connection(opened);
    number("cfd", opened.socket);
    end(Stream::Connections);
}

void EventLog::connection_closed(const net::ConnectionFacts& closed,
                                 net::CloseReason reason) noexcept {
    if (!begin("conn_close")) return;
    connection(closed);
    field("reason", name_of(reason));
    number("cfd", closed.socket);
    end(Stream::Connections);
}

void EventLog::tls_failed(const net::ConnectionFacts& connection,
                          std::string_view reason) noexcept {
    if (!begin("conntlserr")) return;
    number("fd", connection.socket);
    field("msg", reason);
    end(Stream::Connections);
}

void EventLog::system(std::string_view text) noexcept {
    if (!begin(text)) return;
    end(Stream::System);
}

void EventLog::send() noexcept {
    shared_.counters->add(ServerCounter::LogWorkerWritten, lines_.size());
    for (const auto& watcher : watchers_) {
        if (watcher->open.load(std::memory_order_acquire)) send_to(watcher);
    }
    text_.clear();
    lines_.clear();
}

/// The lines that a watcher wants, as far as there is room for them among what its client has not
/// taken yet. From the first one that does not fit the rest is skipped.
void EventLog::send_to(const std::shared_ptr<Watcher>& watcher) {
    const std::uint64_t unsent = watcher->unsent.load(std::memory_order_relaxed);
    const std::uint64_t room =
        shared_.watcher_bytes_max - std::min(shared_.watcher_bytes_max, unsent);
    std::string out;
    std::uint64_t sent = 0;
    std::uint64_t skipped = 0;
    std::uint32_t begin = 0;
    for (const Line& line : lines_) {
        const std::string_view text = std::string_view(text_).substr(begin, line.end - begin);
        begin = line.end;
        if ((line.stream & watcher->streams) == 0) continue;
        constexpr std::size_t kSkippedLine = 32;  // "skipped=" with a number
        if (skipped != 0 || out.size() + text.size() + kSkippedLine > room) {
            ++skipped;
            continue;
        }
        if (sent == 0) {
            const std::uint64_t before = watcher->skipped.exchange(0, std::memory_order_relaxed);
            if (before != 0) {
                out += "skipped=";
                append_number(out, static_cast<std::int64_t>(before));
                out += '\n';
            }
        }
        out += text;
        ++sent;
    }
    watcher->skipped.fetch_add(skipped, std::memory_order_relaxed);
    shared_.counters->add(ServerCounter::LogWatcherSkipped, skipped);
    shared_.counters->add(ServerCounter::LogWatcherSent, sent);
    if (out.empty()) return;
    const std::uint64_t bytes = out.size();
    watcher->unsent.fetch_add(bytes, std::memory_order_relaxed);
    shared_.replier->push(watcher->connection, std::move(out), [watcher, bytes](bool) {
        watcher->unsent.fetch_sub(bytes, std::memory_order_relaxed);
    });
}

}  // namespace shardmill::engine
