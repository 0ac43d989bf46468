#include "engine/stats_settings.h"

#include <fmt/format.h>

#include <string_view>

namespace shardmill::engine {

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

constexpr std::uint64_t kKib = 1024;

/// Appends lines; the kinds of values are memcached's.
class LineWriter {
 public:
    explicit LineWriter(Lines& lines) : lines_(lines) {}

    template <typename Number>
    void number(const char* name, Number value) {
        lines_.emplace_back(name, fmt::to_string(value));
    }
    void fraction(const char* name, double value, int digits = 2) {
        lines_.emplace_back(name, fmt::format("{:.{}f}", value, digits));
    }
    void yes_no(const char* name, bool value) { text(name, value ? "yes" : "no"); }
    void text(const char* name, std::string_view value) { lines_.emplace_back(name, value); }
    /// Where there is none memcached prints a word of its own in some lines, and what C's printf
    /// makes of a null pointer in others.
    void text_or(const char* name, std::string_view value, std::string_view none) {
        text(name, value.empty() ? none : value);
    }

 private:
    Lines& lines_;
};

std::string_view protocol_name(config::WireProtocol protocol) {
    switch (protocol) {
        case config::WireProtocol::Text:
            return "ascii";
        case config::WireProtocol::Binary:
            return "binary";
        case config::WireProtocol::Auto:
            break;
    }
    return "auto-negotiate";
}

const char* loading_name(config::SnapshotLoading loading) {
    constexpr const char* kNames[] = {"wait", "refuse", "serve"};
    return kNames[static_cast<std::size_t>(loading)];
}

/// OpenSSL's bits, which memcached prints.
int verify_bits(int mode) {
    constexpr int kBits[] = {0, 1, 1 | 2, 1 | 2 | 4};
    return kBits[mode & 3];
}

/// Several addresses have one UDP thread each, as many as there are otherwise.
std::uint32_t threads_per_udp(const config::Config& config) {
    return config.listen_given.find(',') == std::string::npos ? config.reactors : 1;
}

void add_sockets(LineWriter out, const config::Config& config) {
    out.number("maxbytes", config.memory_limit);
    out.number("maxconns", config.max_connections);
    out.number("tcpport", config.tcp_port);
    out.number("udpport", config.udp_port);
    out.text_or("inter", config.listen_given, "NULL");
    out.number("verbosity", config.verbosity);
    out.number("oldest", 0);
    out.text("evictions", config.evict ? "on" : "off");
    out.text_or("domain_socket", config.unix_socket, "NULL");
    out.text("umask", fmt::format("{:o}", config.unix_mask));
    out.yes_no("shutdown_command", config.shutdown_command);
}

void add_requests(LineWriter out, const config::Config& config) {
    out.fraction("growth_factor", config.tuning.growth_factor);
    out.number("chunk_size", config.tuning.chunk_bytes);
    out.number("num_threads", config.reactors);
    out.number("num_threads_per_udp", threads_per_udp(config));
    out.text("stat_key_prefix", std::string_view(&config.prefix_delimiter, 1));
    out.yes_no("detail_enabled", config.prefix_stats);
    out.number("reqs_per_event", config.requests_per_event);
    out.yes_no("cas_enabled", config.cas_enabled);
    out.number("tcp_backlog", config.listen_backlog);
    out.text("binding_protocol", protocol_name(config.protocol));
    out.yes_no("auth_enabled_sasl", config.sasl);
    out.text_or("auth_enabled_ascii", config.auth_file, "no");
    out.number("item_size_max", config.item_bytes_max);
    out.yes_no("maxconns_fast", config.close_over_limit);
}

void add_slabs(LineWriter out, const config::Config& config) {
    const config::MemcachedTuning& tuning = config.tuning;
    out.number("hashpower_init", tuning.hashpower);
    out.yes_no("slab_reassign", tuning.slab_reassign);
    out.number("slab_automove", tuning.slab_automove);
    out.fraction("slab_automove_ratio", tuning.slab_automove_ratio);
    out.number("slab_automove_window", tuning.slab_automove_window);
    out.number("slab_chunk_max", tuning.slab_chunk_max);
    out.yes_no("lru_crawler", tuning.lru_crawler);
    out.number("lru_crawler_sleep", tuning.lru_crawler_sleep_us);
    out.number("lru_crawler_tocrawl", tuning.lru_crawler_tocrawl);
    out.number("tail_repair_time", tuning.tail_repair_time_s);
    out.yes_no("flush_enabled", config.flush_enabled);
    out.yes_no("dump_enabled", config.dump_enabled);
    out.text("hash_algorithm", tuning.hash_algorithm);
    out.yes_no("lru_maintainer_thread", tuning.lru_maintainer);
    out.yes_no("lru_segmented", tuning.lru_segmented);
    out.number("hot_lru_pct", tuning.hot_lru_pct);
    out.number("warm_lru_pct", tuning.warm_lru_pct);
    out.fraction("hot_max_factor", tuning.hot_max_factor);
    out.fraction("warm_max_factor", tuning.warm_max_factor);
    out.yes_no("temp_lru", tuning.temp_lru);
    out.number("temporary_ttl", tuning.temporary_ttl);
}

void add_connections(LineWriter out, const config::Config& config) {
    out.number("idle_timeout", config.idle_timeout_s);
    out.number("watcher_logbuf_size", config.watcher_logbuf_kib * kKib);
    out.number("worker_logbuf_size", config.tuning.worker_logbuf_kib * kKib);
    out.number("read_buf_mem_limit", config.tuning.read_buf_mem_limit);
    out.yes_no("track_sizes", config.track_sizes);
    out.yes_no("inline_ascii_response", false);
}

void add_storage(LineWriter out, const config::MemcachedTuning& tuning) {
    out.number("ext_item_size", tuning.ext_item_size);
    out.number("ext_item_age", tuning.ext_item_age);
    out.number("ext_low_ttl", tuning.ext_low_ttl);
    out.number("ext_recache_rate", tuning.ext_recache_rate);
    out.number("ext_wbuf_size", tuning.ext_wbuf_bytes);
    out.number("ext_compact_under", tuning.ext_compact_under);
    out.number("ext_drop_under", tuning.ext_drop_under);
    out.number("ext_max_sleep", tuning.ext_max_sleep_us);
    out.fraction("ext_max_frag", tuning.ext_max_frag);
    out.fraction("slab_automove_freeratio", tuning.slab_automove_freeratio, 3);
    out.yes_no("ext_drop_unread", tuning.ext_drop_unread);
}

void add_tls(LineWriter out, const config::TlsConfig& tls) {
    constexpr std::string_view kVersions[] = {"tlsv1.0", "tlsv1.1", "tlsv1.2", "tlsv1.3"};
    out.yes_no("ssl_enabled", tls.enabled);
    out.text_or("ssl_chain_cert", tls.chain_cert, "(null)");
    out.text_or("ssl_key", tls.key, "(null)");
    out.number("ssl_verify_mode", verify_bits(tls.verify_mode));
    out.number("ssl_keyformat", tls.key_format);
    out.text_or("ssl_ciphers", tls.ciphers, "NULL");
    out.text_or("ssl_ca_cert", tls.ca_cert, "NULL");
    out.number("ssl_wbuf_size", tls.wbuf_kib * kKib);
    out.yes_no("ssl_session_cache", tls.session_cache);
    out.yes_no("ssl_kernel_tls", tls.kernel_tls);
    out.text("ssl_min_version", kVersions[tls.min_version & 3]);
}

/// What memcached does not have.
void add_own(LineWriter out, const config::Config& config) {
    std::string trusted;
    for (const std::string& network : config.udp_trusted) {
        if (!trusted.empty()) trusted += ';';
        trusted += network;
    }
    out.number("shards", config.shards);
    out.fraction("hit_weight", config.hit_weight);
    out.number("small_share", config.small_share);
    out.number("workers", config.workers);
    out.text_or("udp_trusted", trusted, "none");
    out.text_or("snapshot_dir", config.snapshot_dir, "(null)");
    out.yes_no("snapshot_on_exit", config.snapshot_on_exit);
    out.number("snapshot_interval", config.snapshot_interval_s);
    out.number("snapshot_keep", config.snapshot_keep);
    out.number("snapshot_rate", config.snapshot_rate);
    out.text("snapshot_codec", config.snapshot_compress ? "zstd" : "none");
    out.number("snapshot_level", config.snapshot_level);
    out.text("snapshot_loading", loading_name(config.snapshot_loading));
    out.text_or("kernel_dir", config.kernel_dir, "(null)");
    out.yes_no("job_keys", config.job_keys);
    out.number("job_memory", config.job_memory);
    out.number("job_history", config.job_history);
    out.yes_no("lock_memory", config.lock_memory);
    out.yes_no("large_pages", config.large_pages);
    out.yes_no("watch_enabled", config.watch_enabled);
}

}  // namespace

Lines settings_lines(const config::Config& config) {
    Lines lines;
    LineWriter out(lines);
    add_sockets(out, config);
    add_requests(out, config);
    add_slabs(out, config);
    add_connections(out, config);
    add_storage(out, config.tuning);
    add_tls(out, config.tls);
    out.number("num_napi_ids", config.tuning.napi_ids);
    out.text_or("memory_file", config.memory_file, "(null)");
    out.number("client_flags_size", sizeof(std::uint32_t));
    add_own(out, config);
    return lines;
}

}  // namespace shardmill::engine
