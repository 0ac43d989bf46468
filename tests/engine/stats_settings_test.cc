#include "engine/stats_settings.h"

#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <string_view>

namespace shardmill::engine {
namespace {

using Line = std::pair<std::string, std::string>;

/// What memcached 1.6.45 answers when it was started without options, in its order.
const std::vector<Line>& memcached_defaults() {
    static const std::vector<Line> kLines = {
        {"maxbytes", "67108864"},
        {"maxconns", "1024"},
        {"tcpport", "11211"},
        {"udpport", "0"},
        {"inter", "NULL"},
        {"verbosity", "0"},
        {"oldest", "0"},
        {"evictions", "on"},
        {"domain_socket", "NULL"},
        {"umask", "700"},
        {"shutdown_command", "no"},
        {"growth_factor", "1.25"},
        {"chunk_size", "48"},
        {"num_threads", "4"},
        {"num_threads_per_udp", "4"},
        {"stat_key_prefix", ":"},
        {"detail_enabled", "no"},
        {"reqs_per_event", "20"},
        {"cas_enabled", "yes"},
        {"tcp_backlog", "1024"},
        {"binding_protocol", "auto-negotiate"},
        {"auth_enabled_sasl", "no"},
        {"auth_enabled_ascii", "no"},
        {"item_size_max", "1048576"},
        {"maxconns_fast", "yes"},
        {"hashpower_init", "0"},
        {"slab_reassign", "yes"},
        {"slab_automove", "1"},
        {"slab_automove_ratio", "0.80"},
        {"slab_automove_window", "10"},
        {"slab_chunk_max", "524288"},
        {"lru_crawler", "yes"},
        {"lru_crawler_sleep", "100"},
        {"lru_crawler_tocrawl", "0"},
        {"tail_repair_time", "0"},
        {"flush_enabled", "yes"},
        {"dump_enabled", "yes"},
        {"hash_algorithm", "murmur3"},
        {"lru_maintainer_thread", "yes"},
        {"lru_segmented", "yes"},
        {"hot_lru_pct", "20"},
        {"warm_lru_pct", "40"},
        {"hot_max_factor", "0.20"},
        {"warm_max_factor", "2.00"},
        {"temp_lru", "no"},
        {"temporary_ttl", "61"},
        {"idle_timeout", "0"},
        {"watcher_logbuf_size", "262144"},
        {"worker_logbuf_size", "65536"},
        {"read_buf_mem_limit", "0"},
        {"track_sizes", "no"},
        {"inline_ascii_response", "no"},
        {"ext_item_size", "512"},
        {"ext_item_age", "4294967295"},
        {"ext_low_ttl", "0"},
        {"ext_recache_rate", "2000"},
        {"ext_wbuf_size", "4194304"},
        {"ext_compact_under", "0"},
        {"ext_drop_under", "0"},
        {"ext_max_sleep", "1000000"},
        {"ext_max_frag", "0.80"},
        {"slab_automove_freeratio", "0.010"},
        {"ext_drop_unread", "no"},
        {"ssl_enabled", "no"},
        {"ssl_chain_cert", "(null)"},
        {"ssl_key", "(null)"},
        {"ssl_verify_mode", "0"},
        {"ssl_keyformat", "1"},
        {"ssl_ciphers", "NULL"},
        {"ssl_ca_cert", "NULL"},
        {"ssl_wbuf_size", "16384"},
        {"ssl_session_cache", "no"},
        {"ssl_kernel_tls", "no"},
        {"ssl_min_version", "tlsv1.2"},
        {"num_napi_ids", "0"},
        {"memory_file", "(null)"},
        {"client_flags_size", "4"},
    };
    return kLines;
}

std::string value_of(const std::vector<Line>& lines, std::string_view name) {
    for (const auto& [line, text] : lines) {
        if (line == name) return text;
    }
    return "absent";
}

TEST(StatsSettingsTest, TheLinesAreThoseOfMemcachedWithOursBehindThem) {
    const auto lines = settings_lines(config::Config{});
    const auto& expected = memcached_defaults();
    ASSERT_GT(lines.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(lines[i], expected[i]);
    for (std::size_t i = expected.size(); i < lines.size(); ++i) {
        EXPECT_EQ(value_of(expected, lines[i].first), "absent") << lines[i].first;
        EXPECT_FALSE(lines[i].second.empty()) << lines[i].first;
    }
}

TEST(StatsSettingsTest, EveryOptionIsShown) {
    using config::Config;
    const struct {
        std::function<void(Config&)> set;
        const char* name;
        const char* value;
    } cases[] = {
        {[](Config& c) { c.memory_limit = 2u << 20; }, "maxbytes", "2097152"},
        {[](Config& c) { c.max_connections = 7; }, "maxconns", "7"},
        {[](Config& c) { c.tcp_port = -1; }, "tcpport", "-1"},
        {[](Config& c) { c.udp_port = 9; }, "udpport", "9"},
        {[](Config& c) { c.listen_given = "a,b:9"; }, "inter", "a,b:9"},
        {[](Config& c) { c.listen_given = "a,b:9"; }, "num_threads_per_udp", "1"},
        {[](Config& c) { c.evict = false; }, "evictions", "off"},
        {[](Config& c) { c.unix_socket = "/s"; }, "domain_socket", "/s"},
        {[](Config& c) { c.unix_mask = 0750; }, "umask", "750"},
        {[](Config& c) { c.shutdown_command = true; }, "shutdown_command", "yes"},
        {[](Config& c) { c.tuning.growth_factor = 1.1; }, "growth_factor", "1.10"},
        {[](Config& c) { c.tuning.chunk_bytes = 9; }, "chunk_size", "9"},
        {[](Config& c) { c.reactors = 9; }, "num_threads", "9"},
        {[](Config& c) { c.prefix_delimiter = '/'; }, "stat_key_prefix", "/"},
        {[](Config& c) { c.prefix_stats = true; }, "detail_enabled", "yes"},
        {[](Config& c) { c.requests_per_event = 9; }, "reqs_per_event", "9"},
        {[](Config& c) { c.cas_enabled = false; }, "cas_enabled", "no"},
        {[](Config& c) { c.listen_backlog = 9; }, "tcp_backlog", "9"},
        {[](Config& c) { c.protocol = config::WireProtocol::Text; }, "binding_protocol", "ascii"},
        {[](Config& c) { c.protocol = config::WireProtocol::Binary; }, "binding_protocol",
         "binary"},
        {[](Config& c) { c.sasl = true; }, "auth_enabled_sasl", "yes"},
        {[](Config& c) { c.auth_file = "/f"; }, "auth_enabled_ascii", "/f"},
        {[](Config& c) { c.item_bytes_max = 2048; }, "item_size_max", "2048"},
        {[](Config& c) { c.close_over_limit = false; }, "maxconns_fast", "no"},
        {[](Config& c) { c.flush_enabled = false; }, "flush_enabled", "no"},
        {[](Config& c) { c.dump_enabled = false; }, "dump_enabled", "no"},
        {[](Config& c) { c.idle_timeout_s = 9; }, "idle_timeout", "9"},
        {[](Config& c) { c.watcher_logbuf_kib = 2; }, "watcher_logbuf_size", "2048"},
        {[](Config& c) { c.track_sizes = true; }, "track_sizes", "yes"},
        {[](Config& c) { c.tls.enabled = true; }, "ssl_enabled", "yes"},
        {[](Config& c) { c.tls.chain_cert = "/c"; }, "ssl_chain_cert", "/c"},
        {[](Config& c) { c.tls.verify_mode = 1; }, "ssl_verify_mode", "1"},
        {[](Config& c) { c.tls.verify_mode = 2; }, "ssl_verify_mode", "3"},
        {[](Config& c) { c.tls.verify_mode = 3; }, "ssl_verify_mode", "7"},
        {[](Config& c) { c.tls.min_version = 3; }, "ssl_min_version", "tlsv1.3"},
        {[](Config& c) { c.memory_file = "/m"; }, "memory_file", "/m"},
        {[](Config& c) { c.tuning.napi_ids = 2; }, "num_napi_ids", "2"},
        {[](Config& c) { c.hit_weight = 0.25; }, "hit_weight", "0.25"},
        {[](Config& c) { c.small_share = 10; }, "small_share", "10"},
        {[](Config& c) { c.udp_trusted = {"10.0.0.0/8", "::1"}; }, "udp_trusted", "10.0.0.0/8;::1"},
        {[](Config& c) { c.snapshot_dir = "/d"; }, "snapshot_dir", "/d"},
        {[](Config& c) { c.job_keys = false; }, "job_keys", "no"},
        {[](Config& c) { c.lock_memory = true; }, "lock_memory", "yes"},
        {[](Config& c) { c.watch_enabled = false; }, "watch_enabled", "no"},
    };
    for (const auto& test : cases) {
        config::Config config;
        test.set(config);
        EXPECT_EQ(value_of(settings_lines(config), test.name), test.value) << test.name;
    }
}

}  // namespace
}  // namespace shardmill::engine
