#include <cctype>
#include <limits>

#include "config/option_values.h"

// memcached's extstore. There is no second tier of storage here; what could hide a mistake in a
// start script is checked all the same.

namespace shardmill::config {
namespace {

constexpr std::uint64_t kMib = 1u << 20;
constexpr auto kNone = OptionSpec::Effect::None;

template <auto Member>
Applied set_number(Draft& draft, std::string_view text) {
    return take_number(text, 0u, UINT32_MAX, draft.config.tuning.*Member);
}

/// "<file>:<number><unit>[:<bucket>]"
Applied set_path(Draft& draft, std::string_view text) {
    constexpr const char* kAllowed =
        "give <file>:<size>[:<bucket>], the size with m, g, t or p behind it";
    const auto parts = split(text, ":");
    if (parts.size() < 2 || parts[1].size() < 2) return refuse(kExitFailure, kAllowed);
    constexpr std::string_view kUnits = "mgtp";
    const int last = std::tolower(static_cast<unsigned char>(parts[1].back()));
    const auto unit = kUnits.find(static_cast<char>(last));
    const auto number = parse_leading_integer(parts[1].substr(0, parts[1].size() - 1));
    if (unit == std::string_view::npos || !number || number->value < 0 ||
        number->value > INT32_MAX) {
        return refuse(kExitFailure, kAllowed);
    }
    if (parts.size() > 2) {
        constexpr std::string_view kBuckets[] = {"compact", "lowttl",      "chunked",
                                                 "default", "coldcompact", "old"};
        if (std::ranges::find(kBuckets, parts[2]) == std::end(kBuckets)) {
            return refuse(kExitFailure,
                          "give compact, lowttl, chunked, default, coldcompact or old as bucket");
        }
    }
    const unsigned shift = 20 + 10 * static_cast<unsigned>(unit);
    const auto size = static_cast<std::uint64_t>(number->value);
    const std::uint64_t bytes = std::min(size, std::numeric_limits<std::uint64_t>::max() >> shift)
                                << shift;
    draft.ext_path_bytes_min = std::min(bytes, draft.ext_path_bytes_min.value_or(bytes));
    draft.config.warnings.push_back(
        fmt::format("-o ext_path={}: there is no external storage here; items have the memory of "
                    "-m and nothing more",
                    text));
    return {};
}

Applied set_page_size(Draft& draft, std::string_view text) {
    return take_number<std::uint64_t>(text, 1, UINT32_MAX / kMib, draft.ext_page_mib);
}

Applied set_max_frag(Draft& draft, std::string_view text) {
    const auto fraction = parse_leading_fraction(text);
    if (!fraction || !fraction->whole) return refuse(kExitFailure, "give a number");
    draft.config.tuning.ext_max_frag = fraction->value;
    return {};
}

Applied check_number(Draft&, std::string_view text) {
    std::uint32_t number = 0;
    return take_number(text, 0u, UINT32_MAX, number);
}

using Tuning = MemcachedTuning;

constexpr OptionSpec kSuboptions[] = {
    {0, "ext_path", "file:size", "a file for external storage; no capacity is gained here",
     set_path, kNone},
    {0, "ext_page_size", "num", "megabytes (default: 64)", set_page_size, kNone},
    {0, "ext_wbuf_size", "num", "megabytes (default: 4)",
     [](Draft& d, std::string_view v) {
         return take_units(v, kMib, d.config.tuning.ext_wbuf_bytes);
     },
     kNone},
    {0, "ext_threads", "num", "", check_number, kNone},
    {0, "ext_io_depth", "num", "", check_number, kNone},
    {0, "ext_item_size", "num", "", set_number<&Tuning::ext_item_size>, kNone},
    {0, "ext_item_age", "num", "", set_number<&Tuning::ext_item_age>, kNone},
    {0, "ext_low_ttl", "num", "", set_number<&Tuning::ext_low_ttl>, kNone},
    {0, "ext_drop_unread", nullptr, "",
     [](Draft& d, std::string_view) -> Applied {
         d.config.tuning.ext_drop_unread = true;
         return {};
     },
     kNone},
    {0, "ext_recache_rate", "num", "", set_number<&Tuning::ext_recache_rate>, kNone},
    {0, "ext_compact_under", "num", "", set_number<&Tuning::ext_compact_under>, kNone},
    {0, "ext_drop_under", "num", "", set_number<&Tuning::ext_drop_under>, kNone},
    {0, "ext_max_sleep", "num", "", set_number<&Tuning::ext_max_sleep_us>, kNone},
    {0, "ext_max_frag", "num", "", set_max_frag, kNone},
};

}  // namespace

std::span<const OptionSpec> storage_suboptions() { return kSuboptions; }

}  // namespace shardmill::config
