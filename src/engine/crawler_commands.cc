#include "engine/crawler_commands.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "base/number.h"
#include "engine/crawl_scan.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace shardmill::engine {
namespace {

constexpr std::chrono::milliseconds kLookEvery{1000};
constexpr std::uint32_t kStalledSecondsMax = 300;  // without a byte taken by the client

constexpr std::string_view kBusy = "BUSY currently processing crawler request\r\n";
constexpr std::string_view kBadClass = "BADCLASS invalid class id\r\n";
constexpr std::string_view kNotStarted = "NOTSTARTED no items to crawl\r\n";
constexpr std::string_view kUnknown = "ERROR an unknown error happened\r\n";

/// Which items a command is about.
enum class Classes : std::uint8_t { Everything, Nothing, Hash, Empty, Bad };

/// `all`, `hash`, or numbers of slab classes with commas between them.
Classes parse_classes(std::string_view text) {
    if (text == "all") return Classes::Everything;
    if (text == "hash") return Classes::Hash;
    Classes classes = Classes::Empty;
    while (!text.empty()) {
        const std::size_t comma = std::min(text.find(','), text.size());
        const std::string_view token = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        if (token.empty()) continue;
        const auto id = base::parse_number<std::uint32_t>(token);
        if (!id || *id == 0 || *id >= kClassesMax) return Classes::Bad;
        if (*id == kItemClass) classes = Classes::Everything;
        if (classes == Classes::Empty) classes = Classes::Nothing;
    }
    return classes;
}

/// A pass as memcached logs it, for the one class there is. Nothing is planned ahead here.
std::string crawled_line(const CrawlScan& crawled, std::uint32_t seconds) {
    return fmt::format(
        "lru_crawler crawler={} lru=cold low_mark=0 next_reclaims=0 since_run=0 next_run=0 "
        "elapsed={} examined={} reclaimed={}",
        kItemClass, seconds, crawled.examined(), crawled.reclaimed());
}

std::string_view last_line(DumpFormat format) noexcept {
    return format == DumpFormat::Metadump ? protocol::replies::kEnd : protocol::replies::kMetaEnd;
}

}  // namespace

void CrawlerCommands::execute(std::string_view arguments, net::ConnectionId connection) {
    const std::string_view word = protocol::next_key(arguments);
    const Classes classes = parse_classes(protocol::next_key(arguments));
    const auto answer = [&](std::string_view reply) {
        parts_.replier->reply(connection, std::string(reply));
    };
    if (classes == Classes::Bad) return answer(kBadClass);
    if (running_) return answer(kBusy);
    if (classes == Classes::Empty) return answer(kNotStarted);
    const bool everything = classes == Classes::Everything || classes == Classes::Hash;
    if (word == "metadump") return dump(DumpFormat::Metadump, everything, connection);
    if (word == "mgdump") return dump(DumpFormat::Mgdump, everything, connection);
    if (classes == Classes::Hash) return answer(kUnknown);  // it is a way to dump only
    parts_.counters->add(ServerCounter::LruCrawlerStarts);
    if (everything) crawl();
    answer(protocol::replies::kOk);
}

void CrawlerCommands::crawl() {
    const base::UnixSeconds started = parts_.clock();
    auto scan = std::make_shared<CrawlScan>(parts_, [this, started](const CrawlScan& crawled) {
        if (parts_.note) parts_.note(crawled_line(crawled, parts_.clock() - started));
        end();
    });
    running_.emplace(Running{.handle = parts_.scans->start(scan), .dump = nullptr});
    scan->flow().regulate(running_->handle.remote());
    begin();
}

void CrawlerCommands::dump(DumpFormat format, bool any_class, net::ConnectionId connection) {
    if (!any_class) {
        // A class that exists elsewhere: nothing is in it here.
        parts_.counters->add(ServerCounter::LruCrawlerStarts);
        std::string reply(protocol::replies::kOk);
        parts_.replier->reply(connection, reply.append(last_line(format)));
        return;
    }
    auto scan = std::make_shared<DumpScan>(
        parts_, format, connection,
        [this, format](const ScanOutcome& outcome) { dump_done(format, outcome); });
    running_.emplace(
        Running{.handle = parts_.scans->start(scan), .dump = scan, .reader = connection});
    scan->flow().regulate(running_->handle.remote());
    parts_.counters->add(ServerCounter::LruCrawlerStarts);
    begin();
}

void CrawlerCommands::begin() {
    parts_.counters->lru_crawler_running.store(1, std::memory_order_relaxed);
    look_later();
}

void CrawlerCommands::look_later() {
    running_->timer = parts_.control->post_after(kLookEvery, [this] { look(); });
}

/// Ends a dump that nobody has read from for long, and has lanes at rest notice that a shard has
/// taken its memory back.
void CrawlerCommands::look() {
    Running& running = *running_;
    running.timer = 0;
    if (running.dump != nullptr) {
        const std::uint64_t before =
            std::exchange(running.dealt_with, running.dump->flow().total_dealt_with());
        const bool stalled = running.dealt_with == before && running.dump->flow().outside() != 0;
        running.seconds_stalled = stalled ? running.seconds_stalled + 1 : 0;
        if (running.seconds_stalled >= kStalledSecondsMax) {
            running.given_up = true;
            running.handle.cancel();
        }
    }
    running.handle.remote().resume();
    look_later();
}

void CrawlerCommands::dump_done(DumpFormat format, const ScanOutcome& outcome) {
    const Running& running = *running_;
    std::string reply;
    if (outcome.status == ScanOutcome::Status::Completed) {
        reply = last_line(format);
    } else if (running.given_up) {
        protocol::append_server_error(reply, "dump ended: nothing of it was read for too long");
    } else {
        protocol::append_server_error(reply, "dump ended: " + outcome.reason);
    }
    parts_.replier->reply(running.reader, std::move(reply));
    end();
}

void CrawlerCommands::end() {
    if (running_->timer != 0) parts_.control->cancel(running_->timer);
    running_.reset();
    parts_.counters->lru_crawler_running.store(0, std::memory_order_relaxed);
}

void CrawlerCommands::forget(net::ConnectionId connection) {
    if (!running_ || running_->dump == nullptr) return;
    const net::ConnectionId& reader = running_->reader;
    if (reader.reactor == connection.reactor && reader.generation == connection.generation) {
        running_->handle.cancel();
    }
}

}  // namespace shardmill::engine
