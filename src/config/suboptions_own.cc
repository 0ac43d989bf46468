#include <bit>

#include "base/network.h"
#include "config/option_values.h"

namespace shardmill::config {
namespace {

constexpr std::uint32_t kMaxShards = 1024;

Applied set_shards(Draft& draft, std::string_view text) {
    std::uint32_t shards = 0;
    const auto taken = take_number(text, 1u, kMaxShards, shards);
    if (!taken || !std::has_single_bit(shards)) {
        return refuse(kExitFailure, fmt::format("give a power of two from 1 to {}", kMaxShards));
    }
    draft.config.shards = shards;
    return {};
}

Applied set_hit_weight(Draft& draft, std::string_view text) {
    return take_leading_fraction(
        draft, text, [](double weight) { return weight >= 0 && weight <= 1; },
        "give a number from 0 to 1", draft.config.hit_weight);
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

Applied set_snapshot_loading(Draft& draft, std::string_view text) {
    SnapshotLoading& choice = draft.config.snapshot_loading;
    if (text == "wait") {
        choice = SnapshotLoading::Wait;
    } else if (text == "refuse") {
        choice = SnapshotLoading::Refuse;
    } else if (text == "serve") {
        choice = SnapshotLoading::Serve;
    } else {
        return refuse(kExitFailure, "give wait, refuse or serve");
    }
    return {};
}

Applied set_snapshot_codec(Draft& draft, std::string_view text) {
    if (text != "none" && text != "zstd") return refuse(kExitFailure, "give none or zstd");
    draft.config.snapshot_compress = text == "zstd";
    return {};
}

Applied set_snapshot_rate(Draft& draft, std::string_view text) {
    const auto bytes = parse_bytes(text);
    if (!bytes || *bytes < 1u << 20 || *bytes > std::uint64_t{1} << 40) {
        return refuse(kExitFailure, "give a number of bytes a second, from 1m to 1024g");
    }
    draft.config.snapshot_rate = *bytes;
    return {};
}

Applied set_snapshot_interval(Draft& draft, std::string_view text) {
    constexpr std::uint32_t kMax = 30 * 24 * 3600;
    draft.snapshot_needs_directory = true;
    return take_number(text, 1u, kMax, draft.config.snapshot_interval_s);
}

Applied set_job_memory(Draft& draft, std::string_view text) {
    const auto bytes = parse_bytes(text);
    if (!bytes || *bytes < 1u << 20) return refuse(kExitFailure, "give a size of at least 1m");
    draft.config.job_memory = *bytes;
    return {};
}

Applied set_udp_trusted(Draft& draft, std::string_view text) {
    constexpr const char* kAllowed = "give networks as <address>/<bits>, separated by ';', or none";
    draft.udp_trusted_given = true;
    draft.config.udp_trusted.clear();
    if (text == "none") return {};
    for (const std::string_view network : split(text, ";")) {
        if (auto parsed = base::Network::parse(network); !parsed) {
            return refuse(kExitFailure, fmt::format("{}: {}", kAllowed, parsed.error()));
        }
        draft.config.udp_trusted.emplace_back(network);
    }
    if (draft.config.udp_trusted.empty()) return refuse(kExitFailure, kAllowed);
    return {};
}

constexpr OptionSpec kSuboptions[] = {
    {0, "snapshot_dir", "dir", "keep snapshots and results of batch jobs here (default: nowhere)",
     [](Draft& d, std::string_view v) { return take_directory(v, d.config.snapshot_dir); }},
    {0, "snapshot_on_error", "what",
     "when the last snapshot cannot be read at start: refuse to start,\n"
     "load the previous one, or start empty (default: refuse)",
     set_on_broken_snapshot},
    {0, "snapshot_on_exit", nullptr,
     "save a snapshot when stopped (default with snapshot_dir;\n"
     "with -e only when stopped gracefully)",
     [](Draft& d, std::string_view) -> Applied {
         d.snapshot_on_exit = true;
         d.snapshot_needs_directory = true;
         return {};
     }},
    {0, "no_snapshot_on_exit", nullptr, "do not",
     [](Draft& d, std::string_view) -> Applied {
         d.snapshot_on_exit = false;
         return {};
     }},
    {0, "snapshot_interval", "seconds", "save every so often (default: only when told to)",
     set_snapshot_interval},
    {0, "snapshot_keep", "num", "snapshots that are kept (default: 2)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, 1000u, d.config.snapshot_keep);
     }},
    {0, "snapshot_rate", "bytes", "a save writes at most so much a second (default: no bound)",
     set_snapshot_rate},
    {0, "snapshot_codec", "codec", "compress snapshots: none or zstd (default: zstd)",
     set_snapshot_codec},
    {0, "snapshot_level", "num", "level of zstd, from 1 to 19 (default: 1)",
     [](Draft& d, std::string_view v) { return take_number(v, 1, 19, d.config.snapshot_level); }},
    {0, "snapshot_loading", "what",
     "while a snapshot is loaded at start, clients wait, are\n"
     "refused, or are served what is there (default: wait)",
     set_snapshot_loading},
    {0, "kernel_dir", "dir", "load batch kernels (*.so) from here (default: built-in ones only)",
     [](Draft& d, std::string_view v) { return take_directory(v, d.config.kernel_dir); }},
    {0, "no_job_keys", nullptr, "keys under ~b/ are keys like any other, not batch jobs",
     [](Draft& d, std::string_view) -> Applied {
         d.config.job_keys = false;
         return {};
     }},
    {0, "workers", "num", "threads for batch jobs and snapshots (default: one per core)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, kMaxThreads, d.config.workers);
     }},
    {0, "shards", "num",
     "parts the items are spread over, a power of two\n(default: about four per thread)",
     set_shards},
    {0, "hit_weight", "num",
     "what eviction weighs a hit by: 0, every hit counts the same; 1, by its bytes;\n"
     "or between (default: 0)",
     set_hit_weight},
    {0, "small_share", "percent",
     "part of a full cache for items that were not hit yet, 0 to 90; 0: whatever\n"
     "they are worth beside the others (default: 0)",
     [](Draft& d, std::string_view v) { return take_number(v, 0u, 90u, d.config.small_share); }},
    {0, "job_memory", "size", "memory bound of a batch job (default: 256m)", set_job_memory},
    {0, "job_history", "num", "finished batch jobs that are remembered (default: 100)",
     [](Draft& d, std::string_view v) {
         return take_number(v, 1u, 100000u, d.config.job_history);
     }},
    {0, "udp_trusted", "networks",
     "UDP clients that may get more than they have sent, as\n"
     "<address>/<bits>;... or none (default: 127.0.0.0/8;::1/128)",
     set_udp_trusted},
};

}  // namespace

std::span<const OptionSpec> own_suboptions() { return kSuboptions; }

}  // namespace shardmill::config
