#include "engine/stats_tables.h"

#include <sys/resource.h>
#include <unistd.h>

#include <fmt/format.h>

#include <algorithm>
#include <bit>

#include "engine/exptime.h"
#include "engine/version.h"

namespace shardmill::engine {

namespace {

using store::ShardStats;

std::string zero(const StatTotals&) { return "0"; }
std::string none(const StatTotals&) { return "none"; }

template <Counter kCounter>
std::string count(const StatTotals& totals) {
    return fmt::to_string(totals.count(kCounter));
}
template <ServerCounter kCounter>
std::string count_once(const StatTotals& totals) {
    return fmt::to_string(totals.count(kCounter));
}
template <auto kMember>
std::string option(const StatTotals& totals) {
    return fmt::to_string(totals.config->*kMember);
}
template <auto kMember>
std::string field(const StatTotals& totals) {
    return fmt::to_string(totals.*kMember);
}
template <auto kMember>
std::string connections(const StatTotals& totals) {
    return fmt::to_string(totals.connections.*kMember);
}
template <auto kMember>
std::string store(const StatTotals& totals) {
    return fmt::to_string(totals.store.*kMember);
}

std::string pid(const StatTotals&) { return fmt::to_string(::getpid()); }
std::string uptime(const StatTotals& totals) {
    return fmt::to_string(uptime_of(totals.now, totals.started_at));
}
std::string unix_time(const StatTotals& totals) { return fmt::to_string(totals.now); }
std::string protocol_version(const StatTotals&) { return std::string(kProtocolVersion); }
std::string server_version(const StatTotals&) { return std::string(kServerVersion); }
std::string event_loop(const StatTotals&) { return "io_uring"; }
std::string pointer_size(const StatTotals&) { return fmt::to_string(sizeof(void*) * 8); }

std::string cpu_time(timeval rusage::* member) {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const timeval time = usage.*member;
    return fmt::format("{}.{:06}", time.tv_sec, time.tv_usec);
}
std::string user_time(const StatTotals&) { return cpu_time(&rusage::ru_utime); }
std::string system_time(const StatTotals&) { return cpu_time(&rusage::ru_stime); }

/// As memcached's: the power of two of places for items.
std::string index_power(const StatTotals& totals) {
    return fmt::to_string(std::bit_width(totals.store.index_slots | 1) - 1);
}
std::string index_growing(const StatTotals& totals) {
    return totals.store.index_growing ? "1" : "0";
}
/// The one class of slabs: a page is a segment, a chunk is as large as the mean item.
struct SlabFigures {
    explicit SlabFigures(const ShardStats& figures)
        : pages(std::max<std::uint64_t>(figures.segments, 1)),
          chunk_bytes(std::max<std::uint64_t>(
              figures.items == 0 ? 0 : (figures.item_bytes - 1) / figures.items + 1, 1)),
          per_page(std::max<std::uint64_t>(figures.segment_bytes / pages / chunk_bytes, 1)),
          total(std::max(pages * per_page, figures.items)) {}
    std::uint64_t pages, chunk_bytes, per_page, total;
};
template <auto kMember>
std::string slab(const StatTotals& totals) {
    return fmt::to_string(SlabFigures(totals.store).*kMember);
}
std::string free_chunks(const StatTotals& totals) {
    return fmt::to_string(SlabFigures(totals.store).total - totals.store.items);
}

/// Items that moved without having been hit.
std::string moved_within(const StatTotals& totals) {
    return fmt::to_string(totals.store.moved_items - totals.store.promoted_items);
}
std::string used_percent(const StatTotals& totals) {
    const double limit = static_cast<double>(totals.memory_limit);
    return fmt::format("{:.1f}", 100.0 * static_cast<double>(totals.charged_bytes) / limit);
}

// The groups of lines that some configurations have and others have not.
using Config = config::Config;
bool closes_over_limit(const StatTotals& totals) { return totals.config->close_over_limit; }
bool times_idle_out(const StatTotals& totals) { return totals.config->idle_timeout_s != 0; }
bool has_tls(const StatTotals& totals) { return totals.config->tls.enabled; }
bool has_tls_cache(const StatTotals& totals) {
    return has_tls(totals) && totals.config->tls.session_cache;
}
bool reassigns_slabs(const StatTotals& totals) { return totals.config->tuning.slab_reassign; }
bool has_crawler(const StatTotals& totals) { return totals.settings->lru_crawler; }
bool has_maintainer(const StatTotals& totals) { return totals.config->tuning.lru_maintainer; }
bool has_temporary_lru(const StatTotals& totals) {
    return has_maintainer(totals) && totals.settings->temp_lru;
}

constexpr StatLine kGeneral[] = {
    {"pid", pid},
    {"uptime", uptime},
    {"time", unix_time},
    {"version", protocol_version},
    {"libevent", event_loop},
    {"pointer_size", pointer_size},
    {"rusage_user", user_time},
    {"rusage_system", system_time},
    {"max_connections", option<&Config::max_connections>},
    {"curr_connections", connections<&ConnectionTotals::current>},
    {"total_connections", connections<&ConnectionTotals::total>},
    {"rejected_connections", connections<&ConnectionTotals::rejected>, closes_over_limit},
    {"connection_structures", connections<&ConnectionTotals::structures>},
    {"response_obj_oom", zero},
    {"response_obj_count", zero},
    {"response_obj_bytes", zero},
    {"read_buf_count", zero},
    {"read_buf_bytes", connections<&ConnectionTotals::buffer_bytes>},
    {"read_buf_bytes_free", connections<&ConnectionTotals::idle_buffer_bytes>},
    {"read_buf_oom", zero},
    {"reserved_fds", zero},
    {"cmd_get", count<Counter::CmdGet>},
    {"cmd_set", count<Counter::CmdSet>},
    {"cmd_flush", count<Counter::CmdFlush>},
    {"cmd_touch", count<Counter::CmdTouch>},
    {"cmd_meta", count<Counter::CmdMeta>},
    {"get_hits", count<Counter::GetHits>},
    {"get_misses", count<Counter::GetMisses>},
    {"get_expired", count<Counter::GetExpired>},
    {"get_flushed", count<Counter::GetFlushed>},
    {"delete_misses", count<Counter::DeleteMisses>},
    {"delete_hits", count<Counter::DeleteHits>},
    {"incr_misses", count<Counter::IncrMisses>},
    {"incr_hits", count<Counter::IncrHits>},
    {"decr_misses", count<Counter::DecrMisses>},
    {"decr_hits", count<Counter::DecrHits>},
    {"cas_misses", count<Counter::CasMisses>},
    {"cas_hits", count<Counter::CasHits>},
    {"cas_badval", count<Counter::CasBadval>},
    {"touch_hits", count<Counter::TouchHits>},
    {"touch_misses", count<Counter::TouchMisses>},
    {"store_too_large", count<Counter::StoreTooLarge>},
    {"store_no_memory", count<Counter::StoreNoMemory>},
    {"auth_cmds", count<Counter::AuthCmds>},
    {"auth_errors", count<Counter::AuthErrors>},
    {"idle_kicks", connections<&ConnectionTotals::idle_kicks>, times_idle_out},
    {"bytes_read", connections<&ConnectionTotals::bytes_read>},
    {"bytes_written", connections<&ConnectionTotals::bytes_written>},
    {"limit_maxbytes", field<&StatTotals::memory_limit>},
    {"accepting_conns", connections<&ConnectionTotals::accepting>},
    {"listen_disabled_num", connections<&ConnectionTotals::listen_disabled>},
    {"time_in_listen_disabled_us", connections<&ConnectionTotals::listen_disabled_us>},
    {"threads", option<&Config::reactors>},
    {"conn_yields", connections<&ConnectionTotals::yields>},
    {"hash_power_level", index_power},
    {"hash_bytes", store<&ShardStats::index_bytes>},
    {"hash_is_expanding", index_growing},
    {"slab_reassign_rescues", zero, reassigns_slabs},
    {"slab_reassign_chunk_rescues", zero, reassigns_slabs},
    {"slab_reassign_inline_reclaim", zero, reassigns_slabs},
    {"slab_reassign_busy_items", zero, reassigns_slabs},
    {"slab_reassign_busy_deletes", zero, reassigns_slabs},
    {"slab_reassign_busy_nomem", zero, reassigns_slabs},
    {"slab_reassign_last_busy_status", none, reassigns_slabs},
    {"slab_reassign_running", zero, reassigns_slabs},
    {"slabs_moved", zero, reassigns_slabs},
    {"lru_crawler_running", field<&StatTotals::lru_crawler_running>, has_crawler},
    {"lru_crawler_starts", count_once<ServerCounter::LruCrawlerStarts>, has_crawler},
    {"lru_maintainer_juggles", zero, has_maintainer},
    {"malloc_fails", zero},
    {"log_worker_dropped", count_once<ServerCounter::LogWorkerDropped>},
    {"log_worker_written", count_once<ServerCounter::LogWorkerWritten>},
    {"log_watcher_skipped", count_once<ServerCounter::LogWatcherSkipped>},
    {"log_watcher_sent", count_once<ServerCounter::LogWatcherSent>},
    {"log_watchers", field<&StatTotals::log_watchers>},
    {"ssl_new_sessions", connections<&ConnectionTotals::tls_new_sessions>, has_tls_cache},
    {"ssl_handshake_errors", connections<&ConnectionTotals::tls_handshake_errors>, has_tls},
    {"ssl_proto_errors", connections<&ConnectionTotals::tls_proto_errors>, has_tls},
    {"time_since_server_cert_refresh", connections<&ConnectionTotals::certs_age_s>, has_tls},
    {"unexpected_napi_ids", zero},
    {"round_robin_fallback", zero},
    {"bytes", store<&ShardStats::item_bytes>},
    {"curr_items", store<&ShardStats::items>},
    {"total_items", store<&ShardStats::total_items>},
    {"slab_global_page_pool", zero},
    {"expired_unfetched", store<&ShardStats::expired_unfetched>},
    {"evicted_unfetched", store<&ShardStats::evicted_unfetched>},
    {"evicted_active", store<&ShardStats::evicted_active>, has_maintainer},
    {"evictions", store<&ShardStats::evictions>},
    {"reclaimed", store<&ShardStats::reclaimed>},
    {"crawler_reclaimed", store<&ShardStats::crawler_reclaimed>},
    {"crawler_items_checked", count_once<ServerCounter::CrawlerItemsChecked>},
    {"lrutail_reflocked", zero},
    {"moves_to_cold", zero, has_maintainer},
    {"moves_to_warm", store<&ShardStats::promoted_items>, has_maintainer},
    {"moves_within_lru", moved_within, has_maintainer},
    {"direct_reclaims", store<&ShardStats::direct_reclaims>, has_maintainer},
    {"lru_bumps_dropped", zero, has_maintainer},
    {"shardmill_version", server_version},
    {"shards", field<&StatTotals::shards>},
    {"budget_bytes", field<&StatTotals::budget>},
    {"charged_bytes", field<&StatTotals::charged_bytes>},
    {"charged_percent", used_percent},
    {"segments", store<&ShardStats::segments>},
    {"segment_bytes", store<&ShardStats::segment_bytes>},
    {"pinned_bytes", store<&ShardStats::pinned_bytes>},
    {"moved_bytes", store<&ShardStats::moved_bytes>},
    {"out_of_memory", store<&ShardStats::out_of_memory>},
    {"turns", connections<&ConnectionTotals::turns>},
    {"turn_p99_us", field<&StatTotals::turn_p99_us>},
    {"turn_max_us", field<&StatTotals::turn_max_us>},
    {"lock_contended", field<&StatTotals::lock_contended>},
    {"lock_wait_us", field<&StatTotals::lock_wait_us>},
};

constexpr StatLine kItems[] = {
    {"number", store<&ShardStats::items>},
    {"number_hot", zero, has_maintainer},
    {"number_warm", zero, has_maintainer},
    {"number_cold", store<&ShardStats::items>, has_maintainer},
    {"number_temp", zero, has_temporary_lru},
    {"age_hot", zero, has_maintainer},
    {"age_warm", zero, has_maintainer},
    {"age", field<&StatTotals::tail_age>},
    {"mem_requested", store<&ShardStats::item_bytes>},
    {"evicted", store<&ShardStats::evictions>},
    {"evicted_nonzero", store<&ShardStats::evicted_nonzero>},
    {"evicted_time", store<&ShardStats::evicted_age>},
    {"outofmemory", store<&ShardStats::out_of_memory>},
    {"tailrepairs", zero},
    {"reclaimed", store<&ShardStats::reclaimed>},
    {"expired_unfetched", store<&ShardStats::expired_unfetched>},
    {"evicted_unfetched", store<&ShardStats::evicted_unfetched>},
    {"evicted_active", store<&ShardStats::evicted_active>, has_maintainer},
    {"crawler_reclaimed", store<&ShardStats::crawler_reclaimed>},
    {"crawler_items_checked", count_once<ServerCounter::CrawlerItemsChecked>},
    {"lrutail_reflocked", zero},
    {"moves_to_cold", zero, has_maintainer},
    {"moves_to_warm", store<&ShardStats::promoted_items>, has_maintainer},
    {"moves_within_lru", moved_within, has_maintainer},
    {"direct_reclaims", store<&ShardStats::direct_reclaims>, has_maintainer},
    {"hits_to_hot", zero, has_maintainer},
    {"hits_to_warm", zero, has_maintainer},
    {"hits_to_cold", count<Counter::GetHits>, has_maintainer},
    {"hits_to_temp", zero, has_maintainer},
};

constexpr StatLine kSlabs[] = {
    {"chunk_size", slab<&SlabFigures::chunk_bytes>},
    {"chunks_per_page", slab<&SlabFigures::per_page>},
    {"total_pages", store<&ShardStats::segments>},
    {"total_chunks", slab<&SlabFigures::total>},
    {"used_chunks", store<&ShardStats::items>},
    {"free_chunks", free_chunks},
    {"free_chunks_end", zero},
    {"get_hits", count<Counter::GetHits>},
    {"cmd_set", count<Counter::CmdSet>},
    {"delete_hits", count<Counter::DeleteHits>},
    {"incr_hits", count<Counter::IncrHits>},
    {"decr_hits", count<Counter::DecrHits>},
    {"cas_hits", count<Counter::CasHits>},
    {"cas_badval", count<Counter::CasBadval>},
    {"touch_hits", count<Counter::TouchHits>},
};

}  // namespace

std::span<const StatLine> general_lines() noexcept { return kGeneral; }
std::span<const StatLine> item_lines() noexcept { return kItems; }
std::span<const StatLine> slab_lines() noexcept { return kSlabs; }

}  // namespace shardmill::engine
