#include "engine/runtime_settings.h"

#include <fmt/format.h>

#include "base/log.h"

namespace shardmill::engine {

namespace {

template <auto kMember>
std::string number(const RuntimeSettings& settings) {
    return fmt::to_string((settings.*kMember).load(std::memory_order_relaxed));
}
template <auto kMember>
std::string yes_no(const RuntimeSettings& settings) {
    return (settings.*kMember).load(std::memory_order_relaxed) ? "yes" : "no";
}
template <auto kMember, int kDigits = 2>
std::string fraction(const RuntimeSettings& settings) {
    return fmt::format("{:.{}f}", (settings.*kMember).load(std::memory_order_relaxed), kDigits);
}
std::string verbosity(const RuntimeSettings&) { return fmt::to_string(base::verbosity()); }

struct Line {
    std::string_view name;
    std::string (*value)(const RuntimeSettings&);
};

using S = RuntimeSettings;
constexpr Line kLines[] = {
    {"verbosity", verbosity},
    {"oldest", number<&S::oldest>},
    {"detail_enabled", yes_no<&S::prefix_stats>},
    {"slab_automove", number<&S::slab_automove>},
    {"slab_automove_ratio", fraction<&S::slab_automove_ratio>},
    {"slab_automove_window", number<&S::slab_automove_window>},
    {"slab_automove_freeratio", fraction<&S::slab_automove_freeratio, 3>},
    {"lru_crawler", yes_no<&S::lru_crawler>},
    {"lru_crawler_sleep", number<&S::lru_crawler_sleep_us>},
    {"lru_crawler_tocrawl", number<&S::lru_crawler_tocrawl>},
    {"lru_segmented", yes_no<&S::lru_segmented>},
    {"hot_lru_pct", number<&S::hot_lru_pct>},
    {"warm_lru_pct", number<&S::warm_lru_pct>},
    {"hot_max_factor", fraction<&S::hot_max_factor>},
    {"warm_max_factor", fraction<&S::warm_max_factor>},
    {"temp_lru", yes_no<&S::temp_lru>},
    {"temporary_ttl", number<&S::temporary_ttl>},
    {"ext_item_size", number<&S::ext_item_size>},
    {"ext_item_age", number<&S::ext_item_age>},
    {"ext_low_ttl", number<&S::ext_low_ttl>},
    {"ext_recache_rate", number<&S::ext_recache_rate>},
    {"ext_compact_under", number<&S::ext_compact_under>},
    {"ext_drop_under", number<&S::ext_drop_under>},
    {"ext_max_sleep", number<&S::ext_max_sleep>},
    {"ext_max_frag", fraction<&S::ext_max_frag>},
    {"ext_drop_unread", yes_no<&S::ext_drop_unread>},
};

}  // namespace

RuntimeSettings::RuntimeSettings(const config::Config& config)
    : prefix_stats(config.prefix_stats),
      oldest(0),
      slab_automove(static_cast<std::uint32_t>(config.tuning.slab_automove)),
      slab_automove_ratio(config.tuning.slab_automove_ratio),
      slab_automove_freeratio(config.tuning.slab_automove_freeratio),
      slab_automove_window(config.tuning.slab_automove_window),
      lru_crawler(config.tuning.lru_crawler),
      lru_crawler_sleep_us(config.tuning.lru_crawler_sleep_us),
      lru_crawler_tocrawl(config.tuning.lru_crawler_tocrawl),
      hot_lru_pct(config.tuning.hot_lru_pct),
      warm_lru_pct(config.tuning.warm_lru_pct),
      hot_max_factor(config.tuning.hot_max_factor),
      warm_max_factor(config.tuning.warm_max_factor),
      lru_segmented(config.tuning.lru_segmented),
      temp_lru(config.tuning.temp_lru),
      temporary_ttl(config.tuning.temporary_ttl),
      ext_item_size(config.tuning.ext_item_size),
      ext_item_age(config.tuning.ext_item_age),
      ext_low_ttl(config.tuning.ext_low_ttl),
      ext_recache_rate(config.tuning.ext_recache_rate),
      ext_compact_under(config.tuning.ext_compact_under),
      ext_drop_under(config.tuning.ext_drop_under),
      ext_max_sleep(config.tuning.ext_max_sleep_us),
      ext_max_frag(config.tuning.ext_max_frag),
      ext_drop_unread(config.tuning.ext_drop_unread) {}

std::optional<std::string> present_setting(const RuntimeSettings& settings, std::string_view name) {
    for (const Line& line : kLines) {
        if (line.name == name) return line.value(settings);
    }
    return std::nullopt;
}

}  // namespace shardmill::engine
