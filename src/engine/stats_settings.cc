#include "engine/stats_settings.h"

#include <fmt/format.h>

namespace shardmill::engine {

namespace {

using Lines = std::vector<std::pair<std::string, std::string>>;

std::string yes_no(bool value) { return value ? "yes" : "no"; }
std::string or_null(const std::string& text) { return text.empty() ? "NULL" : text; }

std::string listen_hosts(const config::Config& config) {
    std::string hosts;
    for (const config::ListenAddress& address : config.listen) {
        if (address.host.empty()) continue;
        if (!hosts.empty()) hosts += ',';
        hosts += address.host;
    }
    return or_null(hosts);
}

void add_sockets(Lines& lines, const config::Config& config) {
    lines.insert(lines.end(), {
                                  {"maxbytes", fmt::to_string(config.memory_limit)},
                                  {"maxconns", fmt::to_string(config.max_connections)},
                                  {"tcpport", fmt::to_string(config.tcp_port)},
                                  {"udpport", "0"},
                                  {"inter", listen_hosts(config)},
                                  {"verbosity", fmt::to_string(config.verbosity)},
                                  {"oldest", "0"},
                                  {"evictions", config.evict ? "on" : "off"},
                                  {"domain_socket", or_null(config.unix_socket)},
                                  {"umask", fmt::format("{:o}", config.unix_mask)},
                                  {"shutdown_command", yes_no(config.shutdown_command)},
                              });
}

void add_store(Lines& lines, const config::Config& config) {
    lines.insert(lines.end(), {
                                  {"growth_factor", "1.25"},
                                  {"chunk_size", "48"},
                                  {"num_threads", fmt::to_string(config.reactors)},
                                  {"num_threads_per_udp", "0"},
                                  {"stat_key_prefix", ":"},
                                  {"detail_enabled", "no"},
                                  {"reqs_per_event", "20"},
                                  {"cas_enabled", "yes"},
                                  {"tcp_backlog", fmt::to_string(config.listen_backlog)},
                                  {"binding_protocol", "ascii"},
                                  {"auth_enabled_sasl", "no"},
                                  {"auth_enabled_ascii", "no"},
                                  {"item_size_max", fmt::to_string(config.item_bytes_max)},
                                  {"maxconns_fast", yes_no(config.close_over_limit)},
                                  {"hashpower_init", "0"},
                                  {"slab_reassign", "no"},
                                  {"slab_automove", "0"},
                                  {"slab_automove_ratio", "0.80"},
                                  {"slab_automove_window", "10"},
                                  {"slab_chunk_max", fmt::to_string(config.item_bytes_max)},
                                  {"lru_crawler", "no"},
                                  {"lru_crawler_sleep", "100"},
                                  {"lru_crawler_tocrawl", "0"},
                                  {"tail_repair_time", "0"},
                                  {"flush_enabled", "yes"},
                                  {"dump_enabled", "no"},
                                  {"hash_algorithm", "xxh3"},
                                  {"lru_maintainer_thread", "no"},
                                  {"lru_segmented", "yes"},
                                  {"hot_lru_pct", "20"},
                                  {"warm_lru_pct", "40"},
                                  {"hot_max_factor", "0.20"},
                                  {"warm_max_factor", "2.00"},
                                  {"temp_lru", "no"},
                                  {"temporary_ttl", "61"},
                              });
}

void add_rest(Lines& lines, const config::Config& config) {
    lines.insert(lines.end(),
                 {
                     {"idle_timeout", fmt::to_string(config.idle_timeout_s)},
                     {"watcher_logbuf_size", "0"},
                     {"worker_logbuf_size", "0"},
                     {"read_buf_mem_limit", "0"},
                     {"track_sizes", "no"},
                     {"inline_ascii_response", "no"},
                     {"ssl_enabled", "no"},
                     {"num_napi_ids", "0"},
                     {"memory_file", "(null)"},
                     {"client_flags_size", "4"},
                     {"shards", fmt::to_string(config.shards)},
                     {"workers", fmt::to_string(config.workers)},
                     {"snapshot_dir", config.snapshot_dir.empty() ? "(null)" : config.snapshot_dir},
                 });
}

}  // namespace

Lines settings_lines(const config::Config& config) {
    Lines lines;
    add_sockets(lines, config);
    add_store(lines, config);
    add_rest(lines, config);
    return lines;
}

}  // namespace shardmill::engine
