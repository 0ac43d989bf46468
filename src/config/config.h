#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shardmill::config {

/// Which protocol a connection may speak.
enum class WireProtocol : std::uint8_t {
    Auto,    // the first byte of a connection decides
    Text,    // classic and meta commands only
    Binary,  // the binary protocol only
};

/// How the connections of one listener are secured.
enum class ListenSecurity : std::uint8_t {
    Default,  // as -Z says: TLS, or none
    None,     // notls:
    Tls,      // btls:
    Mutual,   // mtls: TLS, and the client must show a certificate
};

/// One address to listen on.
struct ListenAddress {
    std::string host;  // name or number; empty: all interfaces, IPv4 and IPv6
    int port = 0;      // 1..65535; -1: the kernel picks one
    ListenSecurity security = ListenSecurity::Default;
    WireProtocol protocol = WireProtocol::Auto;  // proto[...]:, else -B
    std::string tag;                             // tag[...]: up to 8 characters, shown only

    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// What a start does when the committed snapshot cannot be read.
enum class OnBrokenSnapshot : std::uint8_t {
    Refuse,    // do not start
    Previous,  // use the one before it, refuse when that is broken too
    Empty,     // start empty
};

/// What clients see while the snapshot of the start is being loaded.
enum class SnapshotLoading : std::uint8_t {
    Wait,    // nothing: they are connected and wait for the first answer
    Refuse,  // commands on keys are answered `SERVER_ERROR loading`
    Serve,   // what there is so far
};

/// -Z and the ssl_ suboptions.
struct TlsConfig {
    bool enabled = false;
    std::string chain_cert;       // absolute path, PEM
    std::string key;              // absolute path
    std::string ca_cert;          // absolute path; empty: no client is trusted
    std::string ciphers;          // OpenSSL's list; empty: its default
    int verify_mode = 0;          // 0 none, 1 request, 2 require, 3 once
    int key_format = 1;           // OpenSSL's number: 1 PEM, 2 ASN.1
    int min_version = 2;          // 0..3: TLS 1.0 .. 1.3
    std::uint32_t wbuf_kib = 16;  // shown only
    bool session_cache = false;
    bool kernel_tls = false;  // shown only
};

/// Figures of memcached's slabs, LRU lists, crawler and hash table. Nothing here works that way:
/// they are checked as memcached checks them, and shown by `stats settings`.
struct MemcachedTuning {
    double growth_factor = 1.25;
    std::uint32_t chunk_bytes = 48;
    std::uint32_t slab_chunk_max = 512u << 10;  // bytes
    std::uint32_t hashpower = 0;
    std::string hash_algorithm = "murmur3";
    bool slab_reassign = true;
    int slab_automove = 1;
    double slab_automove_ratio = 0.8;
    std::uint32_t slab_automove_window = 10;
    double slab_automove_freeratio = 0.01;
    bool lru_crawler = true;
    std::uint32_t lru_crawler_sleep_us = 100;
    std::uint32_t lru_crawler_tocrawl = 0;
    bool lru_maintainer = true;
    bool lru_segmented = true;
    std::uint32_t hot_lru_pct = 20;
    std::uint32_t warm_lru_pct = 40;
    double hot_max_factor = 0.2;
    double warm_max_factor = 2.0;
    bool temp_lru = false;
    std::uint32_t temporary_ttl = 61;
    std::uint32_t tail_repair_time_s = 0;
    std::uint32_t worker_logbuf_kib = 64;
    std::uint64_t read_buf_mem_limit = 0;  // bytes
    std::uint32_t napi_ids = 0;            // -N
    // extstore: nothing is ever written there.
    std::uint32_t ext_item_size = 512;
    std::uint32_t ext_item_age = UINT32_MAX;
    std::uint32_t ext_low_ttl = 0;
    std::uint32_t ext_recache_rate = 2000;
    std::uint32_t ext_wbuf_bytes = 4u << 20;
    std::uint32_t ext_compact_under = 0;
    std::uint32_t ext_drop_under = 0;
    std::uint32_t ext_max_sleep_us = 1000000;
    double ext_max_frag = 0.8;
    bool ext_drop_unread = false;
};

/// Everything that is decided before the server starts. Checked as a whole by the parser and not
/// changed afterwards; any thread may read it.
struct Config {
    // Sockets
    int tcp_port = 11211;                        // 0: no TCP; -1: the kernel picks one
    int udp_port = 0;                            // 0: no UDP
    std::vector<ListenAddress> listen;           // TCP listeners; empty: none
    std::vector<ListenAddress> udp_listen;       // UDP sockets, the same hosts; empty: none
    std::string listen_given;                    // all of -l, joined by commas; shown only
    WireProtocol protocol = WireProtocol::Auto;  // -B
    std::string unix_socket;         // path; empty: none. A Unix socket replaces the TCP listeners
    std::uint32_t unix_mask = 0700;  // access bits of the Unix socket
    int listen_backlog = 1024;
    std::uint32_t max_connections = 1024;
    bool close_over_limit = true;      // over max_connections: refuse at once, else stop accepting
    std::uint32_t idle_timeout_s = 0;  // 0: connections may idle for ever
    std::uint32_t requests_per_event = 20;  // -R: requests of one connection before others' turn
    TlsConfig tls;
    bool sasl = false;                     // -S
    std::string auth_file;                 // -Y, absolute path; empty: no text authentication
    std::vector<std::string> udp_trusted;  // networks (CIDR) that may get more than they sent

    // Memory and threads
    std::uint64_t memory_limit = 64u << 20;   // bytes, segments and index of all shards together
    std::uint64_t item_bytes_max = 1u << 20;  // bytes, one item with key and header
    bool evict = true;                        // false: refuse to store when memory is used up
    bool cas_enabled = true;                  // false: -C
    bool lock_memory = false;                 // -k
    bool large_pages = false;                 // -L
    std::string memory_file;                  // -e, absolute path; empty: none
    MemcachedTuning tuning;
    std::uint32_t reactors = 4;
    std::uint32_t workers = 0;  // threads for scans; 0: one per core
    std::uint32_t shards = 0;   // power of two; 0: about four per reactor
    double hit_weight = 0;      // 0..1: eviction keeps requests that hit, 1: bytes that hit
    std::uint32_t small_share =
        0;  // percent of a full cache for items never hit; 0: by their worth

    // Batch jobs and snapshots
    std::string snapshot_dir;  // absolute path; empty: nothing is kept on disk
    std::string kernel_dir;    // absolute path; empty: built-in kernels only
    OnBrokenSnapshot on_broken_snapshot = OnBrokenSnapshot::Refuse;
    bool job_keys = true;           // false: keys under ~b/ are keys like any other
    bool snapshot_on_exit = false;  // save when stopped; without -e on where there is a directory
    SnapshotLoading snapshot_loading = SnapshotLoading::Wait;
    std::uint32_t snapshot_interval_s = 0;  // 0: saved only when told to
    std::uint32_t snapshot_keep = 2;        // snapshots without a label that stay
    std::uint64_t snapshot_rate = 0;        // bytes a second written by a save; 0: no bound
    bool snapshot_compress = true;          // zstd
    int snapshot_level = 1;                 // zstd's: 1..19
    std::uint64_t job_memory = 256u << 20;  // bytes, default bound of one job's partials
    std::uint32_t job_history = 100;        // finished jobs that are remembered

    // Process
    bool daemon = false;
    bool core_dumps = false;
    bool shutdown_command = false;
    bool flush_enabled = true;  // false: -F
    bool dump_enabled = true;   // false: -X
    bool watch_enabled = true;  // false: -W
    std::uint32_t watcher_logbuf_kib = 256;
    bool prefix_stats = false;  // -D: `stats detail` is on from the start
    char prefix_delimiter = ':';
    bool track_sizes = false;
    std::string user;      // account to run as; empty: stay who we are
    std::string pid_file;  // absolute path; empty: none
    int verbosity = 0;

    // What the operator should know of the command line itself, in complete sentences.
    std::vector<std::string> warnings;
    std::vector<std::string> without_effect;  // options given that change nothing here, as given
};

}  // namespace shardmill::config
