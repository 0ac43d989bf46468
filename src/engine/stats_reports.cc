// The replies of `stats` and its sub-commands.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "base/uri.h"
#include "engine/command_context.h"
#include "engine/stats.h"
#include "engine/stats_tables.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "protocol/text_number.h"

namespace shardmill::engine {

namespace {

using protocol::append_stat;
using protocol::replies::kEnd;

/// A report in the making.
struct Report {
    Statistics& statistics;
    std::string_view arguments;  // behind the sub-command
    base::UnixSeconds now;
    std::string& reply;

    const StatsProviders& providers() const noexcept { return statistics.providers(); }
    StatTotals totals() const { return statistics.totals(now); }
    void append(std::string_view text) const { reply.append(text); }
};

void append_lines(const Report& report, std::string_view prefix, std::span<const StatLine> lines,
                  const StatTotals& totals) {
    for (const StatLine& line : lines) {
        if (!line.is_shown(totals)) continue;
        append_stat(report.reply, fmt::format("{}{}", prefix, line.name), line.value(totals));
    }
}

void report_general(const Report& report) {
    append_lines(report, "", general_lines(), report.totals());
    report.append(kEnd);
}

void report_reset(const Report& report) {
    report.statistics.reset();
    report.append(protocol::replies::kReset);
}

void report_settings(const Report& report) {
    const StatsProviders& providers = report.providers();
    for (const auto& [name, value] : providers.settings_lines) {
        if (name == "maxbytes") {
            append_stat(report.reply, name, providers.shards->memory_limit());
        } else {
            append_stat(report.reply, name,
                        present_setting(*providers.settings, name).value_or(value));
        }
    }
    report.append(kEnd);
}

void report_items(const Report& report) {
    const StatTotals totals = report.totals();
    if (totals.store.items != 0) {
        append_lines(report, fmt::format("items:{}:", kItemClass), item_lines(), totals);
    }
    report.append(kEnd);
}

void report_slabs(const Report& report) {
    const StatTotals totals = report.totals();
    const bool any = totals.store.segments != 0;
    if (any) append_lines(report, fmt::format("{}:", kItemClass), slab_lines(), totals);
    append_stat(report.reply, "active_slabs", std::uint64_t{any});
    append_stat(report.reply, "total_malloced", totals.store.segment_bytes);
    report.append(kEnd);
}

/// The histograms of all shards, one shard after the other.
void report_sizes(const Report& report) {
    if (!report.providers().config->track_sizes) {
        append_stat(report.reply, "sizes_status", "disabled");
        return report.append(kEnd);
    }
    std::map<std::uint64_t, std::uint64_t> sums;
    store::ShardSet& shards = *report.providers().shards;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> sizes;
    for (std::uint32_t id = 0; id < shards.size(); ++id) {
        sizes.clear();
        {
            const auto shard = shards.lock(id);
            if (shard->sizes() == nullptr) continue;
            shard->sizes()->visit([&sizes](std::uint64_t bytes, std::uint64_t items) {
                sizes.emplace_back(bytes, items);
            });
        }
        for (const auto& [bytes, items] : sizes) sums[bytes] += items;
    }
    for (const auto& [bytes, items] : sums) append_stat(report.reply, fmt::to_string(bytes), items);
    report.append(kEnd);
}

/// Connections belong to their reactors, which are not stopped to be asked about them.
void report_connections(const Report& report) { report.append(kEnd); }

/// Nothing, as in a memcached without an `ext_path`.
void report_extstore(const Report& report) { report.append(kEnd); }

void report_detail(const Report& report) {
    const StatsProviders& providers = report.providers();
    if (!providers.config->dump_enabled) {
        return report.append("CLIENT_ERROR stats detail not allowed\r\n");
    }
    std::string_view rest = report.arguments;
    const std::string_view word = protocol::next_key(rest);
    const auto is = [word](std::string_view name) {
        return !word.empty() && name.starts_with(word);
    };
    if (is("on") || is("off")) {
        providers.settings->prefix_stats = is("on");
        return report.append(protocol::replies::kOk);
    }
    if (!is("dump")) return report.append("CLIENT_ERROR usage: stats detail on|off|dump\r\n");
    if (providers.prefixes == nullptr) return report.append(kEnd);
    providers.prefixes->dump(report.reply);
}

// ---- cachedump ----

constexpr std::size_t kDumpBytesMax = 2u << 20;
constexpr std::uint64_t kPlacesPerLock = 256;  // of the index: a few microseconds

/// Keys that only other protocols can name are not shown.
bool is_text_key(const store::ItemView& item) noexcept {
    return !item.header.has(store::ItemHeader::kBinaryKey) &&
           std::ranges::none_of(item.key, [](char byte) {
               return byte == ' ' || byte == '\r' || byte == '\n' || byte == '\0';
           });
}

/// Items in the order of their shards, up to `limit` of them (0: all) and 2 MiB.
void dump_items(const Report& report, std::uint32_t limit) {
    store::ShardSet& shards = *report.providers().shards;
    const std::size_t bytes_end = report.reply.size() + kDumpBytesMax - kEnd.size();
    std::uint32_t shown = 0;
    bool full = false;
    std::string lines;  // of one stay under the lock: soon it stops growing
    const auto show = [&](const store::ItemView& item) {
        if (full || !is_text_key(item)) return;
        const std::size_t before = lines.size();
        fmt::format_to(std::back_inserter(lines), "ITEM {} [{} b; {} s]\r\n", item.key,
                       item.value.size(), item.exptime);
        full = report.reply.size() + lines.size() > bytes_end;
        if (full) return lines.resize(before);
        full = ++shown == limit;
    };
    for (std::uint32_t id = 0; id < shards.size() && !full; ++id) {
        std::uint64_t cursor = 0;
        do {
            lines.clear();
            cursor = shards.lock(id)->walk(cursor, kPlacesPerLock, report.now, show);
            report.append(lines);
        } while (cursor != 0 && !full);
    }
}

void report_cachedump(const Report& report) {
    if (!report.providers().config->dump_enabled) {
        return report.append("CLIENT_ERROR stats cachedump not allowed\r\n");
    }
    std::string_view rest = report.arguments;
    const std::string_view id_text = protocol::next_key(rest);
    const std::string_view limit_text = protocol::next_key(rest);
    if (limit_text.empty()) return report.append("CLIENT_ERROR bad command line\r\n");
    const auto id = protocol::parse_u32(id_text);
    const auto limit = protocol::parse_u32(limit_text);
    if (!id || !limit) return report.append(protocol::replies::kBadLine);
    if (*id >= kClassesMax) return report.append("CLIENT_ERROR Illegal slab id\r\n");
    if (*id == kItemClass) dump_items(report, *limit);
    report.append(kEnd);
}

/// Not memcached's: what has become of datagrams.
void report_udp(const Report& report) {
    const ConnectionTotals totals = report.totals().connections;
    append_stat(report.reply, "udp_requests", totals.udp_requests);
    append_stat(report.reply, "udp_dropped", totals.udp_dropped);
    append_stat(report.reply, "udp_refused", totals.udp_refused);
    report.append(kEnd);
}

/// Not memcached's: how long turns were, and what waiting for shards has cost.
void report_turns(const Report& report) {
    append_turns(report.reply, report.statistics.turn_counts());
    report.append(kEnd);
}
void report_locks(const Report& report) {
    append_locks(report.reply, report.statistics.lock_waits());
    report.append(kEnd);
}

constexpr std::size_t kHotShown = 20;
constexpr std::uint32_t kHotShownMax = HotKeys::kKeys;

/// Not memcached's: the keys that come most often. `stats hot [<n>]`.
void report_hot_keys(const Report& report, HotKeys HotSample::* stream) {
    std::string_view arguments = report.arguments;
    const std::string_view text = protocol::next_key(arguments);
    std::size_t shown = kHotShown;
    if (!text.empty()) {
        const auto number = protocol::parse_u32(text);
        if (!number || *number == 0) return report.append(protocol::replies::kBadLine);
        shown = std::min(*number, kHotShownMax);
    }
    std::vector<HotKey> keys;
    for (const HotSample* sample : report.providers().hot) {
        (sample->*stream).list(report.now, keys);
    }
    std::size_t rank = 0;
    for (const HotKey& key : hottest(std::move(keys), shown)) {
        const std::string prefix = fmt::format("hot:{}:", ++rank);
        std::string name;
        base::append_uri_encoded(name, key.key);
        append_stat(report.reply, prefix + "key", name);
        append_stat(report.reply, prefix + "per_second_1m",
                    fmt::format("{:.1f}", key.per_second_1m));
        append_stat(report.reply, prefix + "per_second_10m",
                    fmt::format("{:.1f}", key.per_second_10m));
    }
    report.append(kEnd);
}

void report_hot(const Report& report) { report_hot_keys(report, &HotSample::hits); }
void report_hot_misses(const Report& report) { report_hot_keys(report, &HotSample::misses); }

struct Topic {
    std::string_view name;
    bool may_be_abbreviated;
    bool is_long;
    void (*report)(const Report&);
};

// The order decides what an ambiguous abbreviation means.
constexpr Topic kTopics[] = {
    {"reset", true, false, report_reset},       {"detail", true, true, report_detail},
    {"settings", true, false, report_settings}, {"cachedump", true, true, report_cachedump},
    {"conns", true, false, report_connections}, {"extstore", true, false, report_extstore},
    {"items", false, false, report_items},      {"slabs", false, false, report_slabs},
    {"sizes", false, true, report_sizes},       {"udp", false, false, report_udp},
    {"hot", false, true, report_hot},           {"hot_misses", false, true, report_hot_misses},
    {"turns", false, false, report_turns},      {"locks", false, false, report_locks},
};

const Topic* find_topic(std::string_view name) noexcept {
    for (const Topic& topic : kTopics) {
        const bool named =
            topic.may_be_abbreviated ? topic.name.starts_with(name) : topic.name == name;
        if (named) return &topic;
    }
    return nullptr;
}

}  // namespace

void Statistics::report(std::string_view arguments, base::UnixSeconds now, std::string& reply) {
    const std::string_view name = protocol::next_key(arguments);
    const Report report{*this, arguments, now, reply};
    if (name.empty()) return report_general(report);
    const Topic* topic = find_topic(name);
    if (topic == nullptr) return report.append(protocol::replies::kError);
    topic->report(report);
}

bool Statistics::is_long_report(std::string_view arguments) noexcept {
    const std::string_view name = protocol::next_key(arguments);
    if (name.empty()) return false;
    const Topic* topic = find_topic(name);
    return topic != nullptr && topic->is_long;
}

}  // namespace shardmill::engine
