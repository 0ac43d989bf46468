#include "config/option_values.h"

// What tunes memcached's slabs, LRU lists, crawler, hash table and buffers. Nothing here works that
// way: the values are checked as memcached checks them, so that a wrong one is found here, too.

namespace shardmill::config {
namespace {

constexpr std::uint64_t kKib = 1u << 10;
constexpr std::uint64_t kMib = 1u << 20;
constexpr auto kNone = OptionSpec::Effect::None;

template <auto Member>
Applied switch_on(Draft& draft, std::string_view) {
    draft.config.tuning.*Member = true;
    return {};
}
template <auto Member>
Applied switch_off(Draft& draft, std::string_view) {
    draft.config.tuning.*Member = false;
    return {};
}
template <auto Member, std::int64_t kMin, std::int64_t kMax>
Applied set_leading(Draft& draft, std::string_view text) {
    return take_leading(draft, text, kMin, kMax, draft.config.tuning.*Member);
}
template <auto Member>
Applied set_positive(Draft& draft, std::string_view text) {
    return take_leading_fraction(
        draft, text, [](double number) { return number > 0; }, "give a number greater than 0",
        draft.config.tuning.*Member);
}

Applied set_hash_algorithm(Draft& draft, std::string_view text) {
    if (text != "jenkins" && text != "murmur3" && text != "xxh3") {
        return refuse(kExitFailure, "give jenkins, murmur3 or xxh3");
    }
    draft.config.tuning.hash_algorithm = text;
    return {};
}

Applied set_automove(Draft& draft, std::string_view text) {
    if (text.empty()) text = "1";
    return take_leading(draft, text, 0, 2, draft.config.tuning.slab_automove);
}

Applied set_automove_ratio(Draft& draft, std::string_view text) {
    return take_leading_fraction(
        draft, text, [](double ratio) { return ratio > 0 && ratio <= 1; },
        "give a number over 0, up to 1", draft.config.tuning.slab_automove_ratio);
}

Applied set_freeratio(Draft& draft, std::string_view text) {
    const auto ratio = parse_leading_fraction(text);
    if (!ratio || !ratio->whole) return refuse(kExitFailure, "give a number");
    draft.config.tuning.slab_automove_freeratio = ratio->value;
    return {};
}

Applied set_chunk_max(Draft& draft, std::string_view text) {
    std::uint32_t kilobytes = 0;
    auto taken = take_number(text, 1u, 1024u, kilobytes);
    if (!taken) return refuse(kExitFailure, "give a number of kilobytes from 1 to 1024");
    draft.config.tuning.slab_chunk_max = kilobytes * kKib;
    draft.chunk_max_given = true;
    return {};
}

Applied unchunk(Draft& draft, std::string_view) {
    draft.config.tuning.slab_chunk_max = kMib;
    return {};
}

Applied set_slab_sizes(Draft& draft, std::string_view text) {
    draft.slab_sizes = text;
    return {};
}

Applied set_temporary_ttl(Draft& draft, std::string_view text) {
    draft.config.tuning.temp_lru = true;
    return take_leading(draft, text, INT32_MIN, UINT32_MAX, draft.config.tuning.temporary_ttl);
}

Applied warn_deprecated(Draft& draft, std::string_view) {
    draft.config.warnings.push_back(
        "-o resp_obj_mem_limit: no longer of any use, in memcached too");
    return {};
}

/// What memcached 1.4 was like.
Applied set_no_modern(Draft& draft, std::string_view text) {
    MemcachedTuning& tuning = draft.config.tuning;
    if (!draft.chunk_max_given) unchunk(draft, text);
    tuning.slab_reassign = false;
    tuning.slab_automove = 0;
    tuning.lru_segmented = false;
    tuning.lru_crawler = false;
    tuning.lru_maintainer = false;
    tuning.hash_algorithm = "jenkins";
    draft.config.close_over_limit = false;
    return {};
}

Applied set_maintainer(Draft& draft, bool on) {
    draft.config.tuning.lru_maintainer = on;
    draft.config.tuning.lru_segmented = on;
    return {};
}

using Tuning = MemcachedTuning;

constexpr OptionSpec kSuboptions[] = {
    {0, "modern", nullptr, "nothing, in memcached too", accept, kNone},
    {0, "no_modern", nullptr, "defaults of memcached 1.4; here: no_maxconns_fast", set_no_modern},
    {0, "hashpower", "num", "size of the hash table, 12 to 32",
     set_leading<&Tuning::hashpower, 12, 32>, kNone},
    {0, "no_hashexpand", nullptr, "", accept, kNone},
    {0, "hash_algorithm", "name", "jenkins, murmur3 or xxh3", set_hash_algorithm, kNone},
    {0, "tail_repair_time", "num", "seconds, at least 10",
     set_leading<&Tuning::tail_repair_time_s, 10, INT32_MAX>, kNone},
    {0, "lru_crawler_sleep", "num", "microseconds, up to a second",
     set_leading<&Tuning::lru_crawler_sleep_us, 0, 1000000>, kNone},
    {0, "lru_crawler_tocrawl", "num", "",
     [](Draft& d, std::string_view v) {
         return take_number(v, 0u, UINT32_MAX, d.config.tuning.lru_crawler_tocrawl);
     },
     kNone},
    {0, "lru_maintainer", nullptr, "",
     [](Draft& d, std::string_view) { return set_maintainer(d, true); }, kNone},
    {0, "no_lru_maintainer", nullptr, "",
     [](Draft& d, std::string_view) { return set_maintainer(d, false); }, kNone},
    {0, "hot_lru_pct", "num", "1 to 79; with warm_lru_pct at most 80",
     set_leading<&Tuning::hot_lru_pct, 1, 79>, kNone},
    {0, "warm_lru_pct", "num", "", set_leading<&Tuning::warm_lru_pct, 1, 79>, kNone},
    {0, "hot_max_factor", "num", "", set_positive<&Tuning::hot_max_factor>, kNone},
    {0, "warm_max_factor", "num", "", set_positive<&Tuning::warm_max_factor>, kNone},
    {0, "temporary_ttl", "num", "", set_temporary_ttl, kNone},
    {0, "slab_reassign", nullptr, "", switch_on<&Tuning::slab_reassign>, kNone},
    {0, "no_slab_reassign", nullptr, "", switch_off<&Tuning::slab_reassign>, kNone},
    {0, "slab_automove", "[num]", "0, 1 or 2", set_automove, kNone},
    {0, "no_slab_automove", nullptr, "",
     [](Draft& d, std::string_view) { return set_automove(d, "0"); }, kNone},
    {0, "slab_automove_ratio", "num", "over 0, up to 1", set_automove_ratio, kNone},
    {0, "slab_automove_window", "num", "3 to 1800",
     set_leading<&Tuning::slab_automove_window, 3, 1800>, kNone},
    {0, "slab_automove_freeratio", "num", "", set_freeratio, kNone},
    {0, "slab_sizes", "list", "sizes of the slab classes, <num>-<num>-...", set_slab_sizes, kNone},
    {0, "slab_chunk_max", "num", "kilobytes; must divide 1024 and -I (default: 512)", set_chunk_max,
     kNone},
    {0, "no_chunked_items", nullptr, "", unchunk, kNone},
    {0, "worker_logbuf_size", "num", "kilobytes (default: 64)",
     [](Draft& d, std::string_view v) {
         return take_number<std::uint32_t>(v, 0, UINT32_MAX / kKib,
                                           d.config.tuning.worker_logbuf_kib);
     },
     kNone},
    {0, "read_buf_mem_limit", "num", "megabytes",
     [](Draft& d, std::string_view v) {
         return take_units(v, kMib, d.config.tuning.read_buf_mem_limit);
     },
     kNone},
    {0, "resp_obj_mem_limit", "[num]", "no longer of any use, in memcached too", warn_deprecated,
     kNone},
    {0, "sock_cookie_id", "num", "", accept, kNone},
    {0, "inline_ascii_resp", nullptr, "", accept, kNone},
    {0, "no_inline_ascii_resp", nullptr, "", accept, kNone},
    {0, "drop_privileges", nullptr, "", accept, kNone},
    {0, "no_drop_privileges", nullptr, "", accept, kNone},
};

}  // namespace

std::span<const OptionSpec> tuning_suboptions() { return kSuboptions; }

}  // namespace shardmill::config
