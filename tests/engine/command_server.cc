#include "command_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <charconv>

#include "base/assert.h"
#include "base/byte_order.h"
#include "engine/command_context.h"
#include "engine/stats_settings.h"
#include "protocol/parser.h"

namespace shardmill::engine {

namespace {

constexpr base::UnixSeconds kStart = 1'800'000'000;

constexpr std::int32_t kSocket = 11;  // of the one connection there is

// The executor takes a plain function, as the clock is one; tests run on one thread.
base::UnixSeconds manual_now = kStart;
base::UnixSeconds manual_clock() noexcept { return manual_now; }

}  // namespace

std::string printable(std::string_view bytes) {
    constexpr std::size_t kShown = 400;
    std::string text;
    for (const char byte : bytes.substr(0, kShown)) {
        if (byte == '\r') {
            text += "\\r";
        } else if (byte == '\n') {
            text += "\\n";
        } else {
            text += byte;
        }
    }
    if (bytes.size() > kShown) text += "... (" + std::to_string(bytes.size()) + " bytes)";
    return text;
}

CommandServer::CommandServer(const Options& options)
    : options_(options),
      settings_(options_.config),
      prefixes_(options_.config.prefix_delimiter, 1),
      shards_({.memory_limit = options.memory_limit,
               .shards = options.shards,
               .item_bytes_max = options.item_bytes_max,
               .evict = options.evict,
               .track_sizes = tracked_sizes({options.item_bytes_max, 0, options.cas_enabled},
                                            options.config.track_sizes)}),
      statistics_({.shards = &shards_,
                   .config = &options_.config,
                   .settings = &settings_,
                   .prefixes = &prefixes_,
                   .hot = {&hot_},
                   .server = &server_counters_,
                   .counters = {&counters_},
                   .connections = {&connections_},
                   .started_at = kStart,
                   .settings_lines = settings_lines(options_.config)}),
      executor_({.item_bytes_max = options.item_bytes_max,
                 .flush_enabled = options.flush_enabled,
                 .cas_enabled = options.cas_enabled,
                 .started_at = kStart,
                 .clock = manual_clock},
                {.shards = &shards_,
                 .counters = &counters_,
                 .statistics = &statistics_,
                 .settings = &settings_,
                 .prefixes = &prefixes_.recorder(0),
                 .hot = &hot_,
                 .log = options.log,
                 .watchers = options.watchers,
                 .control = options.control,
                 .stop = options.stop}) {
    manual_now = kStart + 1000;
}

void CommandServer::pass_time(std::uint32_t seconds) { manual_now += seconds; }
base::UnixSeconds CommandServer::now() const { return manual_now; }

namespace {

void add_operations(const protocol::Request& request, const net::Upload* upload,
                    std::vector<net::Operation>& operations) {
    net::Operation operation{};
    operation.request = &request;
    operation.key = protocol::has_key(request.verb) ? request.key : std::string_view{};
    operation.uploaded = upload != nullptr;
    operation.pipelined = !operations.empty();
    operation.socket = kSocket;
    if (upload != nullptr) operation.upload = *upload;
    const bool many = request.verb <= protocol::Verb::Gats;
    std::string_view rest = many ? request.more_keys : std::string_view{};
    for (std::string_view next = protocol::next_key(rest);; next = protocol::next_key(rest)) {
        operation.last_of_request = next.empty();
        operations.push_back(operation);
        if (next.empty()) break;
        operation.key = next;
    }
}

}  // namespace

namespace {

/// Of the first command, what stands before its value.
std::string_view head_of(protocol::Dialect dialect, std::string_view bytes) {
    if (dialect == protocol::Dialect::Text) return bytes.substr(0, bytes.find('\n') + 1);
    const std::size_t key_bytes = base::load_big<std::uint16_t>(bytes.data() + 2);
    return bytes.substr(
        0, protocol::kBinaryHeaderBytes + static_cast<unsigned char>(bytes[4]) + key_bytes);
}

}  // namespace

/// Receives a large value straight into the log, if the first command has one.
bool CommandServer::take_upload(protocol::Dialect dialect, std::string_view& bytes, Turn& turn) {
    protocol::Request& request = turn.requests.back();
    const std::string_view head = head_of(dialect, bytes);
    const auto parsed = protocol::parse(dialect, head, request);
    if (parsed.status != protocol::ParseStatus::NeedValue ||
        request.value_bytes < options_.upload_from) {
        return false;
    }
    const std::string& line = turn.lines.emplace_back(head);
    protocol::parse(dialect, line, request);
    const net::Upload space = executor_.reserve(request);
    bytes.remove_prefix(parsed.consumed);
    if (space.value != nullptr) std::copy_n(bytes.data(), request.value_bytes, space.value);
    bytes.remove_prefix(request.value_bytes);
    const std::size_t terminator = protocol::terminator_bytes(request.verb);
    protocol::finish_value(request, bytes.substr(0, terminator));
    bytes.remove_prefix(terminator);
    add_operations(request, &space, turn.operations);
    return true;
}

void CommandServer::parse_all(std::string_view bytes, Turn& turn) {
    const auto dialect =
        bytes.empty() ? protocol::Dialect::Text : protocol::dialect_of(bytes.front());
    closed_ = false;
    while (!bytes.empty() && !closed_) {
        protocol::Request& request = turn.requests.emplace_back();
        if (take_upload(dialect, bytes, turn)) continue;
        const auto parsed = protocol::parse(dialect, bytes, request);
        closed_ = parsed.status == protocol::ParseStatus::Close || protocol::closes(request.verb);
        if (parsed.status == protocol::ParseStatus::Close) break;
        ASSERT_EQ(parsed.status, protocol::ParseStatus::Complete) << printable(bytes);
        bytes.remove_prefix(parsed.consumed +
                            std::min(parsed.swallow, bytes.size() - parsed.consumed));
        add_operations(request, nullptr, turn.operations);
    }
}

std::string CommandServer::compose(const Turn& turn, const net::ReplyArena& arena) {
    std::string out;
    for (const net::Operation& operation : turn.operations) {
        const std::string_view text =
            std::string_view(arena.text)
                .substr(operation.reply_begin, operation.reply_end - operation.reply_begin);
        deferred_ += operation.deferred ? 1 : 0;
        endless_ += operation.endless ? 1 : 0;
        if (operation.pinned < 0) {
            out += text;
            continue;
        }
        const net::PinnedValue& value = arena.pinned[operation.pinned];
        const std::size_t split = operation.pinned_at - operation.reply_begin;
        out.append(text.substr(0, split)).append(value.bytes).append(text.substr(split));
    }
    for (const net::PinnedValue& value : arena.pinned) executor_.release(value);
    pinned_ = arena.pinned.size();
    return out;
}

std::string CommandServer::ask(std::string_view bytes,
                               const std::function<void()>& before_sending) {
    Turn turn;
    net::ReplyArena arena;
    parse_all(bytes, turn);
    executor_.execute(turn.operations, arena);
    if (before_sending) before_sending();
    deferred_ = 0;
    endless_ = 0;
    std::string out = compose(turn, arena);
    while (executor_.housekeep()) {
    }
    return out;
}

void CommandServer::expect(const std::vector<Exchange>& conversation) {
    for (const Exchange& exchange : conversation) {
        EXPECT_EQ(printable(ask(exchange.request)), printable(exchange.reply))
            << "after " << printable(exchange.request);
    }
}

std::uint64_t CommandServer::stat(std::string_view name) {
    for (const Stat& stat : statistics_.general(manual_now)) {
        if (stat.name != name) continue;
        std::uint64_t value = 0;
        std::from_chars(stat.value.data(), stat.value.data() + stat.value.size(), value);
        return value;
    }
    return 0;
}

}  // namespace shardmill::engine
