#include "engine/commands_admin.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/log.h"
#include "engine/admin_arguments.h"
#include "engine/exptime.h"
#include "engine/runtime_settings.h"
#include "engine/version.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::Request;
using protocol::Verb;

constexpr std::uint64_t kVerbosityMax = 2;

/// `oldest` of `stats settings` is on a clock that is a minute ahead of uptime, and one second
/// before the flush.
constexpr base::UnixSeconds kOldestAhead = 59;

void run_meta_noop(AdminContext& context, net::Operation&) noexcept {
    context.replies.text.append(protocol::replies::kMetaNoop);
}

void run_version(AdminContext& context, net::Operation&) noexcept {
    context.replies.text.append("VERSION ").append(kProtocolVersion).append("\r\n");
}

void run_verbosity(AdminContext& context, net::Operation& operation) noexcept {
    const auto level = std::min(operation.request->number, kVerbosityMax);
    base::set_verbosity(static_cast<int>(level));
    append_answer(context, operation, protocol::replies::kOk);
}

void run_flush_all(AdminContext& context, net::Operation& operation) noexcept {
    context.parts.counters->add(Counter::CmdFlush);
    if (!context.config.flush_enabled) {
        return append_answer(context, operation, protocol::replies::kFlushNotAllowed);
    }
    if (!operation.request->error.empty()) {
        return append_answer(context, operation, operation.request->error);
    }
    if (is_kept_out(context)) {
        return append_answer(context, operation, protocol::replies::kLoading);
    }
    const std::int32_t delay = operation.request->exptime;
    const auto when =
        delay <= 0 ? context.now : deadline_of(delay, context.now, context.config.started_at);
    flush_shards(context, when);
    append_answer(context, operation, protocol::replies::kOk);
}

void run_cache_memlimit(AdminContext& context, net::Operation& operation) noexcept {
    constexpr std::uint32_t kLeast = 8;
    constexpr std::uint32_t kLooksLikeBytes = 1'000'000'000;
    const auto megabytes = AdminArguments(*operation.request).u32(1);
    if (!megabytes) return append_answer(context, operation, protocol::replies::kError);
    if (*megabytes < kLeast) {
        return append_answer(context, operation,
                             "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n");
    }
    if (*megabytes > kLooksLikeBytes) {
        return append_answer(context, operation,
                             "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n");
    }
    if (!context.parts.shards->set_memory_limit(std::uint64_t{*megabytes} << 20)) {
        return append_answer(context, operation,
                             "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n");
    }
    base::log_verbose(1, "the memory limit is {} MiB now", *megabytes);
    append_answer(context, operation, protocol::replies::kOk);
}

void run_stats(AdminContext& context, net::Operation& operation) noexcept {
    std::string_view rest = operation.request->arguments;
    const std::string_view topic = protocol::next_key(rest);
    if (topic == "batch") return defer(context, operation, ControlRequest::Kind::StatsBatch, rest);
    if (topic == "snapshot") {
        return defer(context, operation, ControlRequest::Kind::StatsSnapshot, rest);
    }
    if (Statistics::is_long_report(operation.request->arguments) &&
        context.parts.control != nullptr) {
        return defer(context, operation, ControlRequest::Kind::Stats, operation.request->arguments);
    }
    if (!topic.empty() && std::string_view("conns").starts_with(topic) &&
        context.parts.control != nullptr) {
        return defer(context, operation, ControlRequest::Kind::StatsConnections, rest);
    }
    context.parts.statistics->report(operation.request->arguments, context.now,
                                     context.replies.text);
}

void run_batch(AdminContext& context, net::Operation& operation) noexcept {
    defer(context, operation, ControlRequest::Kind::Batch, operation.request->arguments);
}

void run_snapshot(AdminContext& context, net::Operation& operation) noexcept {
    defer(context, operation, ControlRequest::Kind::Snapshot, operation.request->arguments);
}

void run_job_key(AdminContext& context, net::Operation& operation) noexcept {
    defer(context, operation, ControlRequest::Kind::JobKey, operation.request->arguments);
}

void run_refresh_certs(AdminContext& context, net::Operation& operation) noexcept {
    defer(context, operation, ControlRequest::Kind::RefreshCerts, {});
}

void run_shutdown(AdminContext& context, net::Operation& operation) noexcept {
    if (!context.parts.stop) {
        return append_answer(context, operation, protocol::replies::kShutdownNotEnabled);
    }
    const AdminArguments arguments(*operation.request);
    const bool graceful = arguments.count() == 2 && arguments.abbreviates(1, "graceful");
    if (!graceful && arguments.count() != 1) {
        return append_answer(context, operation, protocol::replies::kBadShutdownMode);
    }
    context.parts.stop(graceful);
}

/// The connection closes itself behind the replies before it.
void run_quit(AdminContext&, net::Operation&) noexcept {}

void run_invalid(AdminContext& context, net::Operation& operation) noexcept {
    context.replies.text.append(operation.request->error);
}

constexpr std::size_t kFirst = static_cast<std::size_t>(Verb::MetaNoop);
constexpr std::size_t kCount = protocol::kVerbs - kFirst;

constexpr std::array<AdminCommand, kCount> make_table() {
    std::array<AdminCommand, kCount> table{};
    const auto set = [&table](Verb verb, AdminCommand command) {
        table[static_cast<std::size_t>(verb) - kFirst] = command;
    };
    set(Verb::MetaNoop, run_meta_noop);
    set(Verb::Version, run_version);
    set(Verb::Verbosity, run_verbosity);
    set(Verb::FlushAll, run_flush_all);
    set(Verb::Stats, run_stats);
    set(Verb::Shutdown, run_shutdown);
    set(Verb::Quit, run_quit);
    set(Verb::Batch, run_batch);
    set(Verb::Snapshot, run_snapshot);
    set(Verb::JobKey, run_job_key);
    set(Verb::CacheMemlimit, run_cache_memlimit);
    set(Verb::Slabs, run_slabs);
    set(Verb::Lru, run_lru);
    set(Verb::LruCrawler, run_lru_crawler);
    set(Verb::Extstore, run_extstore);
    set(Verb::RefreshCerts, run_refresh_certs);
    set(Verb::Watch, run_watch);
    set(Verb::Invalid, run_invalid);
    set(Verb::BinaryNoop, run_binary_noop);
    set(Verb::BinaryVersion, run_binary_version);
    set(Verb::BinaryFlush, run_binary_flush);
    set(Verb::BinaryStat, run_binary_stat);
    set(Verb::BinaryQuit, run_binary_quit);
    set(Verb::BinarySasl, run_binary_sasl);
    set(Verb::BinaryLine, run_binary_line);
    set(Verb::BinaryInvalid, run_binary_invalid);
    set(Verb::BinaryBroken, run_binary_invalid);
    return table;
}

constexpr auto kTable = make_table();

}  // namespace

void flush_shards(AdminContext& context, base::UnixSeconds when) noexcept {
    // A date before the start of the server: nothing here is as old as that.
    context.parts.settings->oldest =
        when == kLongExpired ? 0 : uptime_of(when, context.config.started_at) + kOldestAhead;
    if (context.parts.loading != nullptr) context.parts.loading->note_flush(when, context.now);
    store::ShardSet& shards = *context.parts.shards;
    for (std::uint32_t shard = 0; shard < shards.size(); ++shard) {
        const auto locked = shards.lock(shard);
        if (when < context.now) {
            locked->flush_unused(when);
        } else {
            locked->flush_all(when, context.now);
        }
    }
}

bool is_kept_out(const AdminContext& context) noexcept {
    return context.parts.loading != nullptr &&
           context.parts.loading->mode() == LoadGate::Mode::Refuse;
}

void defer(AdminContext& context, net::Operation& operation, ControlRequest::Kind kind,
           std::string_view arguments) {
    if (context.parts.control == nullptr) {
        protocol::append_server_error(context.replies.text, "no control plane is configured");
        return;
    }
    operation.deferred = true;
    context.parts.control->submit({.kind = kind,
                                   .arguments = std::string(arguments),
                                   .payload = std::string(operation.request->payload),
                                   .no_reply = operation.request->no_reply,
                                   .connection = operation.connection});
}

AdminCommand admin_command(Verb verb) noexcept {
    return kTable[static_cast<std::size_t>(verb) - kFirst];
}

}  // namespace shardmill::engine
