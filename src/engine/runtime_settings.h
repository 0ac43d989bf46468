#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/config.h"

namespace shardmill::engine {

/// The settings that administrators' commands change while the server runs. Made from the
/// configuration, owned by the engine, outlives all executors. Any thread reads and writes: every
/// member is an atomic of its own, because none depends on another. Verbosity is base's, and the
/// memory limit the shards'.
///
/// Most of them tune machinery of memcached that does not exist here: they are remembered, and
/// `stats settings` shows them.
struct RuntimeSettings {
    explicit RuntimeSettings(const config::Config& config);
    RuntimeSettings(const RuntimeSettings&) = delete;
    RuntimeSettings& operator=(const RuntimeSettings&) = delete;

    std::atomic<bool> prefix_stats;     // stats detail on|off
    std::atomic<std::uint32_t> oldest;  // the last flush_all, on memcached's clock; 0: none yet

    std::atomic<std::uint32_t> slab_automove;
    std::atomic<double> slab_automove_ratio;
    std::atomic<double> slab_automove_freeratio;
    std::atomic<std::uint32_t> slab_automove_window;

    std::atomic<bool> lru_crawler;  // lru_crawler enable|disable: crawls and dumps are allowed
    std::atomic<std::uint32_t> lru_crawler_sleep_us;
    std::atomic<std::uint32_t> lru_crawler_tocrawl;

    std::atomic<std::uint32_t> hot_lru_pct;
    std::atomic<std::uint32_t> warm_lru_pct;
    std::atomic<double> hot_max_factor;
    std::atomic<double> warm_max_factor;
    std::atomic<bool> lru_segmented;
    std::atomic<bool> temp_lru;
    std::atomic<std::uint32_t> temporary_ttl;

    std::atomic<std::uint32_t> ext_item_size;
    std::atomic<std::uint32_t> ext_item_age;
    std::atomic<std::uint32_t> ext_low_ttl;
    std::atomic<std::uint32_t> ext_recache_rate;
    std::atomic<std::uint32_t> ext_compact_under;
    std::atomic<std::uint32_t> ext_drop_under;
    std::atomic<std::uint32_t> ext_max_sleep;
    std::atomic<double> ext_max_frag;
    std::atomic<bool> ext_drop_unread;
};

/// What the line `name` of `stats settings` says now. nullopt: no command changes that line.
std::optional<std::string> present_setting(const RuntimeSettings& settings, std::string_view name);

}  // namespace shardmill::engine
