#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace shardmill::config {

/// One address to listen on.
struct ListenAddress {
    std::string host;  // name or number; empty: all interfaces, IPv4 and IPv6
    int port = 0;      // 1..65535; -1: the kernel picks one

    friend bool operator==(const ListenAddress&, const ListenAddress&) = default;
};

/// What a start does when the committed snapshot cannot be read.
enum class OnBrokenSnapshot : std::uint8_t {
    Refuse,    // do not start
    Previous,  // use the one before it, refuse when that is broken too
    Empty,     // start empty
};

/// Everything that is decided before the server starts. Checked as a whole by the parser and not
/// changed afterwards; any thread may read it.
struct Config {
    // Sockets
    int tcp_port = 11211;               // 0: no TCP; -1: the kernel picks one
    std::vector<ListenAddress> listen;  // TCP listeners; empty: none
    std::string unix_socket;         // path; empty: none. A Unix socket replaces the TCP listeners
    std::uint32_t unix_mask = 0700;  // access bits of the Unix socket
    int listen_backlog = 1024;
    std::uint32_t max_connections = 1024;
    // Shown by `stats settings`; other values are refused for now.
    bool close_over_limit = true;      // over max_connections: refuse at once
    std::uint32_t idle_timeout_s = 0;  // 0: connections may idle for ever

    // Memory and threads
    std::uint64_t memory_limit = 64u << 20;   // bytes, segments and index of all shards together
    std::uint64_t item_bytes_max = 1u << 20;  // bytes, one item with key and header
    bool evict = true;                        // false: refuse to store when memory is used up
    std::uint32_t reactors = 4;
    std::uint32_t workers = 0;  // threads for scans; 0: one per core
    std::uint32_t shards = 0;   // power of two; 0: about four per reactor

    // Batch jobs and snapshots
    std::string snapshot_dir;  // absolute path; empty: nothing is kept on disk
    std::string kernel_dir;    // absolute path; empty: built-in kernels only
    OnBrokenSnapshot on_broken_snapshot = OnBrokenSnapshot::Refuse;
    bool snapshot_on_exit = false;          // save when stopped by INT or TERM
    std::uint64_t job_memory = 256u << 20;  // bytes, default bound of one job's partials
    std::uint32_t job_history = 100;        // finished jobs that are remembered

    // Process
    bool daemon = false;
    bool core_dumps = false;
    bool shutdown_command = false;
    std::string user;      // account to run as; empty: stay who we are
    std::string pid_file;  // absolute path; empty: none
    int verbosity = 0;
};

}  // namespace shardmill::config
