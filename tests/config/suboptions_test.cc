#include <algorithm>
#include <set>

#include "config/option_table.h"
#include "parsed.h"

namespace shardmill::config {
namespace {

/// Suboptions that must be accepted together, and what must be true then.
struct SuboptionCase {
    const char* list;
    std::function<bool(const Config&)> holds;
};

const std::vector<SuboptionCase>& accepted() {
    using C = const Config&;
    static const std::vector<SuboptionCase> kCases = {
        {"snapshot_dir=/tmp,snapshot_on_exit",
         [](C c) { return c.snapshot_dir == "/tmp" && c.snapshot_on_exit; }},
        {"snapshot_dir=/tmp", [](C c) { return c.snapshot_on_exit; }},
        {"snapshot_dir=/tmp,no_snapshot_on_exit", [](C c) { return !c.snapshot_on_exit; }},
        {"snapshot_keep=5,snapshot_rate=100m,snapshot_codec=none,snapshot_level=19",
         [](C c) {
             return c.snapshot_keep == 5 && c.snapshot_rate == 100u << 20 && !c.snapshot_compress &&
                    c.snapshot_level == 19;
         }},
        {"snapshot_codec=zstd", [](C c) { return c.snapshot_compress && c.snapshot_level == 1; }},
        {"snapshot_dir=/tmp,snapshot_interval=3600",
         [](C c) { return c.snapshot_interval_s == 3600; }},
        {"snapshot_loading=wait", [](C c) { return c.snapshot_loading == SnapshotLoading::Wait; }},
        {"snapshot_loading=refuse",
         [](C c) { return c.snapshot_loading == SnapshotLoading::Refuse; }},
        {"snapshot_loading=serve",
         [](C c) { return c.snapshot_loading == SnapshotLoading::Serve; }},
        {"snapshot_on_error=previous",
         [](C c) { return c.on_broken_snapshot == OnBrokenSnapshot::Previous; }},
        {"snapshot_on_error=empty",
         [](C c) { return c.on_broken_snapshot == OnBrokenSnapshot::Empty; }},
        {"snapshot_on_error=refuse",
         [](C c) { return c.on_broken_snapshot == OnBrokenSnapshot::Refuse; }},
        {"no_job_keys", [](C c) { return !c.job_keys; }},
        {"kernel_dir=/tmp", [](C c) { return c.kernel_dir == "/tmp"; }},
        {"workers=3,shards=16", [](C c) { return c.workers == 3 && c.shards == 16; }},
        {"hit_weight=0.5,small_share=10",
         [](C c) { return c.hit_weight == 0.5 && c.small_share == 10; }},
        {"hit_weight=1", [](C c) { return c.hit_weight == 1 && c.small_share == 0; }},
        {"job_memory=2m,job_history=5",
         [](C c) { return c.job_memory == 2u << 20 && c.job_history == 5; }},
        {"udp_trusted=10.0.0.0/8;2001:db8::/32", [](C c) { return c.udp_trusted.size() == 2; }},
        {"udp_trusted=none", [](C c) { return c.udp_trusted.empty(); }},
        {"maxconns_fast", [](C c) { return c.close_over_limit; }},
        {"no_maxconns_fast", [](C c) { return !c.close_over_limit; }},
        {"no_maxconns_fast,maxconns_fast", [](C c) { return c.close_over_limit; }},
        {"idle_timeout=9", [](C c) { return c.idle_timeout_s == 9; }},
        {"track_sizes", [](C c) { return c.track_sizes && c.warnings.empty(); }},
        {"track_sizes=no", [](C c) { return c.track_sizes && c.warnings.size() == 1; }},
        {"watcher_logbuf_size=9", [](C c) { return c.watcher_logbuf_kib == 9; }},
        {"ssl_chain_cert=/c,ssl_key=/k,ssl_ca_cert=/a",
         [](C c) { return c.tls.chain_cert == "/c" && c.tls.ca_cert == "/a"; }},
        {"ssl_keyformat=2", [](C c) { return c.tls.key_format == 2; }},
        {"ssl_verify_mode=0", [](C c) { return c.tls.verify_mode == 0; }},
        {"ssl_verify_mode=3", [](C c) { return c.tls.verify_mode == 3; }},
        {"ssl_ciphers=HIGH:!aNULL", [](C c) { return c.tls.ciphers == "HIGH:!aNULL"; }},
        {"ssl_session_cache", [](C c) { return c.tls.session_cache; }},
        {"ssl_min_version=0", [](C c) { return c.tls.min_version == 0; }},
        {"ssl_min_version=3", [](C c) { return c.tls.min_version == 3; }},
        {"ssl_wbuf_size=9", [](C c) { return c.tls.wbuf_kib == 9; }},
        {"ssl_kernel_tls", [](C c) { return c.tls.kernel_tls; }},
        {"modern", [](C c) { return c.tuning.lru_crawler; }},
        {"no_modern",
         [](C c) {
             return !c.close_over_limit && !c.tuning.slab_reassign && !c.tuning.lru_crawler &&
                    c.tuning.slab_automove == 0 && !c.tuning.lru_maintainer &&
                    !c.tuning.lru_segmented && c.tuning.hash_algorithm == "jenkins" &&
                    c.tuning.slab_chunk_max == 1u << 20;
         }},
        {"hashpower=12", [](C c) { return c.tuning.hashpower == 12; }},
        {"hashpower=32", [](C c) { return c.tuning.hashpower == 32; }},
        {"no_hashexpand", [](C c) { return c.without_effect.size() == 1; }},
        {"hash_algorithm=jenkins", [](C c) { return c.tuning.hash_algorithm == "jenkins"; }},
        {"hash_algorithm=murmur3", [](C c) { return c.tuning.hash_algorithm == "murmur3"; }},
        {"hash_algorithm=xxh3", [](C c) { return c.tuning.hash_algorithm == "xxh3"; }},
        {"tail_repair_time=10", [](C c) { return c.tuning.tail_repair_time_s == 10; }},
        {"no_lru_crawler", [](C c) { return !c.tuning.lru_crawler; }},
        {"no_lru_crawler,lru_crawler", [](C c) { return c.tuning.lru_crawler; }},
        {"lru_crawler_sleep=0", [](C c) { return c.tuning.lru_crawler_sleep_us == 0; }},
        {"lru_crawler_sleep=1000000", [](C c) { return c.tuning.lru_crawler_sleep_us == 1000000; }},
        {"lru_crawler_tocrawl=9", [](C c) { return c.tuning.lru_crawler_tocrawl == 9; }},
        {"no_lru_maintainer",
         [](C c) { return !c.tuning.lru_maintainer && !c.tuning.lru_segmented; }},
        {"no_lru_maintainer,lru_maintainer",
         [](C c) { return c.tuning.lru_maintainer && c.tuning.lru_segmented; }},
        {"hot_lru_pct=1,warm_lru_pct=79", [](C c) { return c.tuning.hot_lru_pct == 1; }},
        {"hot_max_factor=0.5", [](C c) { return c.tuning.hot_max_factor == 0.5; }},
        {"warm_max_factor=0.5", [](C c) { return c.tuning.warm_max_factor == 0.5; }},
        {"temporary_ttl=9", [](C c) { return c.tuning.temp_lru && c.tuning.temporary_ttl == 9; }},
        {"no_slab_reassign", [](C c) { return !c.tuning.slab_reassign; }},
        {"no_slab_reassign,slab_reassign", [](C c) { return c.tuning.slab_reassign; }},
        {"slab_automove=2", [](C c) { return c.tuning.slab_automove == 2; }},
        {"no_slab_automove", [](C c) { return c.tuning.slab_automove == 0; }},
        {"no_slab_automove,slab_automove", [](C c) { return c.tuning.slab_automove == 1; }},
        {"slab_automove_ratio=1", [](C c) { return c.tuning.slab_automove_ratio == 1; }},
        {"slab_automove_window=3", [](C c) { return c.tuning.slab_automove_window == 3; }},
        {"slab_automove_window=1800", [](C c) { return c.tuning.slab_automove_window == 1800; }},
        {"slab_automove_freeratio=0.5",
         [](C c) { return c.tuning.slab_automove_freeratio == 0.5; }},
        {"slab_sizes=96-192-524288", [](C c) { return c.without_effect.size() == 1; }},
        {"slab_chunk_max=256", [](C c) { return c.tuning.slab_chunk_max == 256u << 10; }},
        {"no_chunked_items", [](C c) { return c.tuning.slab_chunk_max == 1u << 20; }},
        {"worker_logbuf_size=9", [](C c) { return c.tuning.worker_logbuf_kib == 9; }},
        {"read_buf_mem_limit=9", [](C c) { return c.tuning.read_buf_mem_limit == 9u << 20; }},
        {"sock_cookie_id=9", [](C c) { return c.without_effect.size() == 1; }},
        {"resp_obj_mem_limit=9", [](C c) { return c.warnings.size() == 1; }},
        {"resp_obj_mem_limit", [](C c) { return c.warnings.size() == 1; }},
        {"inline_ascii_resp,no_inline_ascii_resp,drop_privileges,no_drop_privileges",
         [](C c) { return c.without_effect.size() == 4; }},
        {"ext_path=/f:64m,ext_path=/f:1G:compact",
         [](C c) {
             return c.warnings.size() == 2 && c.warnings[0].find("ext_path") != std::string::npos;
         }},
        {"ext_page_size=8,ext_path=/f:8m", [](C c) { return c.warnings.size() == 1; }},
        {"ext_wbuf_size=8", [](C c) { return c.tuning.ext_wbuf_bytes == 8u << 20; }},
        {"ext_threads=2,ext_io_depth=2", [](C c) { return c.without_effect.size() == 2; }},
        {"ext_item_size=9", [](C c) { return c.tuning.ext_item_size == 9; }},
        {"ext_item_age=9", [](C c) { return c.tuning.ext_item_age == 9; }},
        {"ext_low_ttl=9", [](C c) { return c.tuning.ext_low_ttl == 9; }},
        {"ext_drop_unread", [](C c) { return c.tuning.ext_drop_unread; }},
        {"ext_recache_rate=9", [](C c) { return c.tuning.ext_recache_rate == 9; }},
        {"ext_compact_under=9", [](C c) { return c.tuning.ext_compact_under == 9; }},
        {"ext_drop_under=9", [](C c) { return c.tuning.ext_drop_under == 9; }},
        {"ext_max_sleep=9", [](C c) { return c.tuning.ext_max_sleep_us == 9; }},
        {"ext_max_frag=0.5", [](C c) { return c.tuning.ext_max_frag == 0.5; }},
        // The list itself.
        {"", [](C c) { return c.without_effect.empty(); }},
        {"modern,", [](C c) { return c.without_effect.size() == 1; }},
        {"modern=1", [](C c) { return c.without_effect[0] == "-o modern=1"; }},
        {" modern", [](C c) { return c.without_effect.size() == 1; }},
    };
    return kCases;
}

TEST(SuboptionsTest, EverySuboptionIsApplied) {
    for (const SuboptionCase& test : accepted()) {
        EXPECT_TRUE(test.holds(parsed({"-o", test.list}))) << test.list;
    }
}

TEST(SuboptionsTest, NoSuboptionIsLeftOutOfTheTest) {
    std::string all;
    for (const SuboptionCase& test : accepted()) all += std::string(",") + test.list + ",";
    for (const OptionGroup& group : suboption_groups()) {
        for (const OptionSpec& spec : group.options) {
            const std::string name = std::string(",") + spec.name;
            EXPECT_TRUE(all.contains(name + "=") || all.contains(name + ",")) << spec.name;
        }
    }
}

TEST(SuboptionsTest, SeveralListsAddUp) {
    const Config config = parsed({"-o", "workers=3", "-o", "shards=16"});
    EXPECT_EQ(config.workers, 3u);
    EXPECT_EQ(config.shards, 16u);
}

TEST(SuboptionsTest, TrustedNetworksAreThisMachineUnlessSaid) {
    EXPECT_EQ(parsed({}).udp_trusted, (std::vector<std::string>{"127.0.0.0/8", "::1/128"}));
}

TEST(SuboptionsTest, WhatHasNoEffectIsNotedAsGiven) {
    const Config config = parsed({"-f", "1.5", "-o", "hashpower=20,track_sizes,slab_reassign"});
    EXPECT_EQ(config.without_effect,
              (std::vector<std::string>{"-f, --slab-growth-factor 1.5", "-o hashpower=20",
                                        "-o slab_reassign"}));
}

struct RefusedSuboption {
    const char* list;
    int code;
    std::vector<const char*> words;
};

TEST(SuboptionsTest, RefusalsNameTheSuboptionTheValueAndWhatIsAllowed) {
    const std::vector<RefusedSuboption> cases = {
        {"nosuch", 1, {"-o", "'nosuch'", "shardmill -h"}},
        {"nosuch=3", 1, {"-o", "'nosuch'"}},
        {",modern", 1, {"-o", "''"}},
        {"modern,,modern", 1, {"-o", "''"}},
        {"modern, modern", 1, {"-o", "' modern'"}},
        {"proxy_config=/x", 1, {"-o proxy_config", "no proxy"}},
        {"proxy_uring", 1, {"-o proxy_uring", "no proxy"}},
        {"relaxed_privileges", 1, {"'relaxed_privileges'"}},
        {"workers", 1, {"-o workers", "missing", "-o workers=<num>"}},
        {"workers=0", 1, {"-o workers", "'0'", "from 1"}},
        {"workers=3x", 1, {"-o workers", "'3x'"}},
        {"shards=3", 1, {"-o shards", "'3'", "power of two"}},
        {"snapshot_dir=/no/such/dir", 1, {"-o snapshot_dir", "/no/such/dir", "exists"}},
        {"kernel_dir=/no/such/dir", 1, {"-o kernel_dir", "exists"}},
        {"snapshot_on_error=maybe", 1, {"-o snapshot_on_error", "'maybe'", "refuse"}},
        {"snapshot_on_exit", 1, {"-o snapshot_on_exit", "snapshot_dir"}},
        {"snapshot_interval=60", 1, {"snapshot_interval", "snapshot_dir=<dir>"}},
        {"snapshot_interval=0", 1, {"-o snapshot_interval", "'0'"}},
        {"snapshot_keep=0", 1, {"-o snapshot_keep", "'0'"}},
        {"snapshot_rate=1000", 1, {"-o snapshot_rate", "'1000'", "1m"}},
        {"snapshot_codec=lz4", 1, {"-o snapshot_codec", "'lz4'", "none or zstd"}},
        {"snapshot_level=20", 1, {"-o snapshot_level", "'20'", "19"}},
        {"snapshot_loading=never", 1, {"-o snapshot_loading", "wait, refuse or serve"}},
        {"job_memory=1", 1, {"-o job_memory", "'1'"}},
        {"job_history=0", 1, {"-o job_history", "'0'"}},
        {"hit_weight=1.1", 1, {"-o hit_weight", "'1.1'", "from 0 to 1"}},
        {"hit_weight=-0.1", 1, {"-o hit_weight", "'-0.1'", "from 0 to 1"}},
        {"hit_weight=much", 1, {"-o hit_weight", "'much'"}},
        {"small_share=91", 1, {"-o small_share", "'91'", "from 0 to 90"}},
        {"small_share=ten", 1, {"-o small_share", "'ten'"}},
        {"udp_trusted=", 1, {"-o udp_trusted", "none"}},
        {"udp_trusted=10.0.0.0/33", 1, {"-o udp_trusted", "'10.0.0.0/33'"}},
        {"udp_trusted=all", 1, {"-o udp_trusted", "'all'"}},
        {"idle_timeout", 1, {"-o idle_timeout", "missing"}},
        {"idle_timeout=x", 1, {"-o idle_timeout", "'x'"}},
        {"watcher_logbuf_size=x", 1, {"-o watcher_logbuf_size"}},
        {"ssl_chain_cert", 1, {"-o ssl_chain_cert", "missing"}},
        {"ssl_chain_cert=", 1, {"-o ssl_chain_cert", "path"}},
        {"ssl_key", 1, {"-o ssl_key", "missing"}},
        {"ssl_ca_cert", 1, {"-o ssl_ca_cert", "missing"}},
        {"ssl_ciphers", 1, {"-o ssl_ciphers", "missing"}},
        {"ssl_keyformat=pem", 1, {"-o ssl_keyformat", "'pem'"}},
        {"ssl_verify_mode=4", 1, {"-o ssl_verify_mode", "'4'", "0 to 3"}},
        {"ssl_verify_mode=-1", 1, {"-o ssl_verify_mode", "'-1'"}},
        {"ssl_min_version=4", 1, {"-o ssl_min_version", "'4'", "0 to 3"}},
        {"ssl_wbuf_size=x", 1, {"-o ssl_wbuf_size"}},
        {"hashpower=11", 1, {"-o hashpower", "'11'", "12 to 32"}},
        {"hashpower=33", 1, {"-o hashpower", "'33'"}},
        {"hash_algorithm=md5", 1, {"-o hash_algorithm", "'md5'", "murmur3"}},
        {"tail_repair_time=9", 1, {"-o tail_repair_time", "'9'", "from 10"}},
        {"lru_crawler_sleep=1000001", 1, {"-o lru_crawler_sleep", "'1000001'"}},
        {"lru_crawler_sleep=-1", 1, {"-o lru_crawler_sleep", "'-1'"}},
        {"lru_crawler_tocrawl=x", 1, {"-o lru_crawler_tocrawl", "'x'"}},
        {"hot_lru_pct=0", 1, {"-o hot_lru_pct", "'0'"}},
        {"hot_lru_pct=80", 1, {"-o hot_lru_pct", "'80'"}},
        {"warm_lru_pct=80", 1, {"-o warm_lru_pct", "'80'"}},
        {"hot_lru_pct=41", 64, {"hot_lru_pct", "80"}},
        {"hot_max_factor=0", 1, {"-o hot_max_factor", "greater than 0"}},
        {"warm_max_factor=-1", 1, {"-o warm_max_factor", "greater than 0"}},
        {"temporary_ttl", 1, {"-o temporary_ttl", "missing"}},
        {"temporary_ttl=9,no_lru_maintainer", 64, {"-o temporary_ttl", "no_lru_maintainer"}},
        {"slab_automove=3", 1, {"-o slab_automove", "'3'", "0 to 2"}},
        {"slab_automove_ratio=0", 1, {"-o slab_automove_ratio", "'0'"}},
        {"slab_automove_ratio=1.1", 1, {"-o slab_automove_ratio", "'1.1'"}},
        {"slab_automove_window=2", 1, {"-o slab_automove_window", "3 to 1800"}},
        {"slab_automove_window=1801", 1, {"-o slab_automove_window", "3 to 1800"}},
        {"slab_automove_freeratio=x", 1, {"-o slab_automove_freeratio"}},
        {"slab_sizes", 1, {"-o slab_sizes", "missing"}},
        {"slab_sizes=", 64, {"-o slab_sizes"}},
        {"slab_sizes=40-96", 64, {"-o slab_sizes", "'40'"}},
        {"slab_sizes=96-96", 64, {"-o slab_sizes", "'96'"}},
        {"slab_sizes=96-104", 64, {"-o slab_sizes", "'104'"}},
        {"slab_sizes=96-999999", 64, {"-o slab_sizes", "'999999'"}},
        {"slab_chunk_max=0", 1, {"-o slab_chunk_max", "'0'"}},
        {"slab_chunk_max=1025", 1, {"-o slab_chunk_max", "kilobytes"}},
        {"slab_chunk_max=300", 64, {"slab_chunk_max"}},
        {"read_buf_mem_limit=x", 1, {"-o read_buf_mem_limit"}},
        {"worker_logbuf_size=x", 1, {"-o worker_logbuf_size"}},
        {"ext_path", 1, {"-o ext_path", "missing"}},
        {"ext_path=/f", 1, {"-o ext_path", "<file>:<size>"}},
        {"ext_path=/f:64", 1, {"-o ext_path", "<file>:<size>"}},
        {"ext_path=/f:64m:best", 1, {"-o ext_path", "bucket"}},
        {"ext_path=/f:1m", 64, {"-o ext_path", "64m"}},
        {"ext_page_size=0", 1, {"-o ext_page_size", "'0'"}},
        {"ext_wbuf_size=x", 1, {"-o ext_wbuf_size"}},
        {"ext_threads=x", 1, {"-o ext_threads"}},
        {"ext_item_size=-1", 1, {"-o ext_item_size", "'-1'"}},
        {"ext_max_frag=x", 1, {"-o ext_max_frag"}},
    };
    for (const RefusedSuboption& test : cases) {
        expect_refused({{{"-o", test.list}, test.code, test.words}});
    }
}

TEST(SuboptionsTest, ExternalStorageDoesNotGoWithLargeItemsOrUdp) {
    expect_refused({
        {{"-o", "ext_path=/f:64m", "-I", "8m"}, 64, {"-o ext_wbuf_size"}},
        {{"-o", "ext_path=/f:64m", "-U", "99"}, 64, {"-o ext_path", "-U"}},
    });
}

}  // namespace
}  // namespace shardmill::config
