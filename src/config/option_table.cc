#include "config/option_table.h"

#include <fmt/format.h>

#include <bit>
#include <filesystem>
#include <limits>

#include "base/number.h"
#include "config/values.h"

namespace shardmill::config {
namespace {

constexpr std::uint64_t kMaxMegabytes = 16u << 20;  // 16 TiB
constexpr std::uint64_t kMinItemBytes = 1024;
constexpr std::uint64_t kMaxItemBytes = 1u << 30;
constexpr std::uint32_t kMaxThreads = 256;
constexpr std::uint32_t kMaxShards = 1024;

std::unexpected<Refusal> refuse(int code, std::string allowed) {
    return std::unexpected(Refusal{code, std::move(allowed)});
}

/// Stores a whole number within limits.
template <typename Number>
Applied take_number(std::string_view text, Number min, Number max, Number& out,
                    int code = kExitFailure) {
    const auto number = base::parse_number<Number>(text);
    if (!number || *number < min || *number > max) {
        return refuse(code, fmt::format("give a whole number from {} to {}", min, max));
    }
    out = *number;
    return {};
}

Applied take_path(std::string_view text, std::string& out) {
    if (text.empty()) return refuse(kExitFailure, "give a path");
    std::error_code error;
    // -d changes to /: a relative path would mean something else by then.
    out = std::filesystem::absolute(std::string(text), error).string();
    if (error) return refuse(kExitFailure, "give an absolute path");
    return {};
}

Applied take_directory(std::string_view text, std::string& out) {
    if (auto taken = take_path(text, out); !taken) return taken;
    std::error_code error;
    if (!std::filesystem::is_directory(out, error)) {
        return refuse(kExitFailure, "give a directory that exists");
    }
    return {};
}

Applied ignore_value(Draft&, std::string_view) { return {}; }

Applied set_port(Draft& draft, std::string_view text) {
    const auto port = base::parse_number<std::int64_t>(text);
    if (!port || *port < -1 || *port > 65535) {
        return refuse(kExitUsage,
                      "give a port from 1 to 65535, 0 for no TCP, or -1 for a free port");
    }
    draft.config.tcp_port = static_cast<int>(*port);
    return {};
}

Applied set_udp_port(Draft&, std::string_view text) {
    if (text == "0") return {};
    return refuse(kExitUsage, "give 0: this version does not serve UDP");
}

Applied set_unix_mask(Draft& draft, std::string_view text) {
    const auto mask = parse_mask(text);
    if (!mask) return refuse(kExitFailure, "give access bits in octal, 0 to 777");
    draft.config.unix_mask = *mask;
    return {};
}

Applied add_listen(Draft& draft, std::string_view text) {
    if (text.empty()) return refuse(kExitFailure, "give <address>, <address>:<port> or *");
    draft.listen.emplace_back(text);
    return {};
}

Applied set_memory(Draft& draft, std::string_view text) {
    std::uint64_t megabytes = 0;
    if (auto taken = take_number<std::uint64_t>(text, 2, kMaxMegabytes, megabytes); !taken) {
        return refuse(kExitFailure,
                      fmt::format("give a number of megabytes from 2 to {}", kMaxMegabytes));
    }
    draft.config.memory_limit = megabytes << 20;
    return {};
}

Applied set_item_size(Draft& draft, std::string_view text) {
    const auto bytes = parse_bytes(text);
    if (!bytes || *bytes < kMinItemBytes || *bytes > kMaxItemBytes) {
        return refuse(kExitUsage,
                      "give a size from 1024 bytes to 1024m; k, m and g may follow the number");
    }
    draft.config.item_bytes_max = *bytes;
    return {};
}

Applied set_protocol(Draft&, std::string_view text) {
    if (text == "auto" || text == "ascii") return {};
    return refuse(kExitUsage, "give auto or ascii: this version speaks the text protocol");
}

constexpr OptionSpec kOptions[] = {
    {'p', "port", "num", "TCP port to listen on (default: 11211; 0: none; -1: a free one)",
     set_port},
    {'U', "udp-port", "num", "UDP port to listen on (only 0, off)", set_udp_port},
    {'s', "unix-socket", "file", "UNIX socket to listen on (disables network support)",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.unix_socket); }},
    {'a', "unix-mask", "mask", "access mask for UNIX socket, in octal (default: 700)",
     set_unix_mask},
    {'l', "listen", "addr",
     "interface to listen on (default: all)\n<host>, <host>:<port>, [<ipv6>]:<port> or *; several "
     "with commas\n"
     "or by repeating the option",
     add_listen},
    {'c', "conn-limit", "num", "max simultaneous connections (default: 1024)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, 16u << 20, d.config.max_connections);
     }},
    {'b', "listen-backlog", "num", "set the backlog queue limit (default: 1024)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1, 1 << 20, d.config.listen_backlog);
     }},
    {'m', "memory-limit", "num", "memory in megabytes, items and index (default: 64)", set_memory},
    {'M', "disable-evictions", nullptr, "return error on memory exhausted instead of evicting",
     [](Draft& d, std::string_view) -> Applied {
         d.config.evict = false;
         return {};
     }},
    {'I', "max-item-size", "num", "adjusts max item size\n(default: 1m, min: 1k, max: 1024m)",
     set_item_size},
    {'t', "threads", "num", "number of reactor threads to use (default: 4)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, kMaxThreads, d.config.reactors);
     }},
    {'d', "daemon", nullptr, "run as a daemon",
     [](Draft& d, std::string_view) -> Applied {
         d.config.daemon = true;
         return {};
     }},
    {'u', "user", "user", "assume identity of <user> (only when run as root)",
     [](Draft& d, std::string_view v) -> Applied {
         if (v.empty()) return refuse(kExitNoUser, "give the name of an account");
         d.config.user = v;
         return {};
     }},
    {'P', "pidfile", "file", "save PID in <file>, only used with -d option",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.pid_file); }},
    {'r', "enable-coredumps", nullptr, "maximize core file limit",
     [](Draft& d, std::string_view) -> Applied {
         d.config.core_dumps = true;
         return {};
     }},
    {'A', "enable-shutdown", nullptr, "enable the text command \"shutdown\"",
     [](Draft& d, std::string_view) -> Applied {
         d.config.shutdown_command = true;
         return {};
     }},
    // Tuning of memcached that has no counterpart here: start scripts go on working.
    {'f', "slab-growth-factor", "num", "", ignore_value},
    {'n', "slab-min-size", "bytes", "", ignore_value},
    {'R', "max-reqs-per-event", "num", "", ignore_value},
    {'L', "enable-largepages", nullptr, "", ignore_value},
    {'B', "protocol", "name", "", set_protocol},
};

Applied set_shards(Draft& draft, std::string_view text) {
    std::uint32_t shards = 0;
    const auto taken = take_number(text, 1u, kMaxShards, shards);
    if (!taken || !std::has_single_bit(shards)) {
        return refuse(kExitFailure, fmt::format("give a power of two from 1 to {}", kMaxShards));
    }
    draft.config.shards = shards;
    return {};
}

Applied set_on_broken_snapshot(Draft& draft, std::string_view text) {
    OnBrokenSnapshot& choice = draft.config.on_broken_snapshot;
    if (text == "refuse") {
        choice = OnBrokenSnapshot::Refuse;
    } else if (text == "previous") {
        choice = OnBrokenSnapshot::Previous;
    } else if (text == "empty") {
        choice = OnBrokenSnapshot::Empty;
    } else {
        return refuse(kExitFailure, "give refuse, previous or empty");
    }
    return {};
}

Applied set_job_memory(Draft& draft, std::string_view text) {
    const auto bytes = parse_bytes(text);
    if (!bytes || *bytes < 1u << 20) return refuse(kExitFailure, "give a size of at least 1m");
    draft.config.job_memory = *bytes;
    return {};
}

constexpr OptionSpec kSuboptions[] = {
    {0, "snapshot_dir", "dir", "keep snapshots and results of batch jobs here (default: nowhere)",
     [](Draft& d, std::string_view v) { return take_directory(v, d.config.snapshot_dir); }},
    {0, "snapshot_on_error", "what",
     "when the last snapshot cannot be read at start: refuse to start,\n"
     "load the previous one, or start empty (default: refuse)",
     set_on_broken_snapshot},
    {0, "snapshot_on_exit", nullptr, "save a snapshot when stopped",
     [](Draft& d, std::string_view) -> Applied {
         d.config.snapshot_on_exit = true;
         return {};
     }},
    {0, "kernel_dir", "dir", "load batch kernels (*.so) from here (default: built-in ones only)",
     [](Draft& d, std::string_view v) { return take_directory(v, d.config.kernel_dir); }},
    {0, "workers", "num", "threads for batch jobs and snapshots (default: one per core)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, kMaxThreads, d.config.workers);
     }},
    {0, "shards", "num",
     "parts the items are spread over, a power of two\n(default: about four per thread)",
     set_shards},
    {0, "job_memory", "size", "memory bound of a batch job (default: 256m)", set_job_memory},
    {0, "job_history", "num", "finished batch jobs that are remembered (default: 100)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, 100000u, d.config.job_history);
     }},
    {0, "idle_timeout", "num", "",
     [](Draft&, std::string_view v) -> Applied {
         if (v == "0") return {};
         return refuse(kExitFailure, "give 0: this version does not close idle connections");
     }},
    {0, "maxconns_fast", nullptr, "", ignore_value},
    {0, "no_maxconns_fast", nullptr, "",
     [](Draft&, std::string_view) -> Applied {
         return refuse(kExitFailure,
                       "leave it out: connections over the limit are always closed at once");
     }},
    // Without effect, see above.
    {0, "hashpower", "num", "", ignore_value},
    {0, "no_hashexpand", nullptr, "", ignore_value},
    {0, "hash_algorithm", "name", "", ignore_value},
    {0, "tail_repair_time", "num", "", ignore_value},
    {0, "lru_crawler", nullptr, "", ignore_value},
    {0, "no_lru_crawler", nullptr, "", ignore_value},
    {0, "lru_crawler_sleep", "num", "", ignore_value},
    {0, "lru_crawler_tocrawl", "num", "", ignore_value},
    {0, "lru_maintainer", nullptr, "", ignore_value},
    {0, "no_lru_maintainer", nullptr, "", ignore_value},
    {0, "hot_lru_pct", "num", "", ignore_value},
    {0, "warm_lru_pct", "num", "", ignore_value},
    {0, "hot_max_factor", "num", "", ignore_value},
    {0, "warm_max_factor", "num", "", ignore_value},
    {0, "temporary_ttl", "num", "", ignore_value},
    {0, "slab_reassign", nullptr, "", ignore_value},
    {0, "no_slab_reassign", nullptr, "", ignore_value},
    {0, "slab_automove", nullptr, "", ignore_value},
    {0, "no_slab_automove", nullptr, "", ignore_value},
    {0, "slab_automove_ratio", "num", "", ignore_value},
    {0, "slab_automove_window", "num", "", ignore_value},
    {0, "slab_automove_freeratio", "num", "", ignore_value},
    {0, "slab_chunk_max", "num", "", ignore_value},
    {0, "no_chunked_items", nullptr, "", ignore_value},
    {0, "read_buf_mem_limit", "num", "", ignore_value},
    {0, "resp_obj_mem_limit", "num", "", ignore_value},
    {0, "watcher_logbuf_size", "num", "", ignore_value},
    {0, "worker_logbuf_size", "num", "", ignore_value},
    {0, "inline_ascii_resp", nullptr, "", ignore_value},
    {0, "no_inline_ascii_resp", nullptr, "", ignore_value},
    {0, "modern", nullptr, "", ignore_value},
    {0, "no_modern", nullptr, "", ignore_value},
    {0, "drop_privileges", nullptr, "", ignore_value},
    {0, "no_drop_privileges", nullptr, "", ignore_value},
};

}  // namespace

std::span<const OptionSpec> option_table() { return kOptions; }
std::span<const OptionSpec> suboption_table() { return kSuboptions; }

EarlyExit refusal_text(std::string_view option, std::string_view given, const Refusal& refusal) {
    return {refusal.code, fmt::format("shardmill: {}: '{}' is not allowed; {}\n", option, given,
                                      refusal.allowed)};
}

std::expected<void, EarlyExit> apply_suboptions(Draft& draft, std::string_view list) {
    for (const std::string_view part : split(list, ",")) {
        const auto equals = part.find('=');
        const std::string_view key = part.substr(0, equals);
        const std::string_view value =
            equals == std::string_view::npos ? std::string_view{} : part.substr(equals + 1);
        const OptionSpec* found = nullptr;
        for (const OptionSpec& spec : kSuboptions) {
            if (key == spec.name) found = &spec;
        }
        if (found == nullptr) {
            return std::unexpected(EarlyExit{
                kExitFailure, fmt::format("shardmill: -o: unknown suboption '{}'; 'shardmill -h' "
                                          "lists what there is\n",
                                          key)});
        }
        const bool optional_value = key == "slab_automove";
        if (found->value_name != nullptr && equals == std::string_view::npos && !optional_value) {
            return std::unexpected(
                EarlyExit{kExitFailure, fmt::format("shardmill: -o {}: the value is missing; give "
                                                    "-o {}=<{}>\n",
                                                    key, key, found->value_name)});
        }
        if (auto applied = found->apply(draft, value); !applied) {
            return std::unexpected(refusal_text(fmt::format("-o {}", key), value, applied.error()));
        }
    }
    return {};
}

}  // namespace shardmill::config
