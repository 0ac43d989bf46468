#include "config/option_values.h"

namespace shardmill::config {
namespace {

constexpr std::int64_t kMaxMegabytes = 16 << 20;  // 16 TiB
constexpr std::uint64_t kMinItemBytes = 1024;
constexpr std::uint64_t kMaxItemBytes = 1u << 30;
constexpr std::uint32_t kManyThreads = 64;

Applied set_memory(Draft& draft, std::string_view text) {
    const auto megabytes = parse_leading_integer(text);
    // Too little for one item of the largest size is found out later, as in memcached.
    if (!megabytes || megabytes->value < 0 || megabytes->value > kMaxMegabytes) {
        return refuse(kExitUsage,
                      fmt::format("give a number of megabytes from 1 to {}", kMaxMegabytes));
    }
    if (!megabytes->whole) draft.read_as = fmt::format("{}", megabytes->value);
    draft.config.memory_limit = static_cast<std::uint64_t>(megabytes->value) << 20;
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

Applied set_threads(Draft& draft, std::string_view text) {
    std::uint32_t threads = 0;
    auto taken = take_leading(draft, text, 1, kMaxThreads, threads);
    if (!taken) return taken;
    draft.config.reactors = threads;
    if (threads > kManyThreads) {
        draft.config.warnings.push_back(fmt::format(
            "-t, --threads: {} are many; more threads than cores do not help", threads));
    }
    return {};
}

constexpr OptionSpec kOptions[] = {
    {'m', "memory-limit", "num", "memory in megabytes, items and index (default: 64)", set_memory},
    {'M', "disable-evictions", nullptr, "return error on memory exhausted instead of evicting",
     [](Draft& d, std::string_view) -> Applied {
         d.config.evict = false;
         return {};
     }},
    {'I', "max-item-size", "num",
     "adjusts max item size (default: 1m, min: 1k, max: 1024m)\n"
     "at most half of -m, and a multiple of -o slab_chunk_max",
     set_item_size},
    {'C', "disable-cas", nullptr, "disable use of CAS",
     [](Draft& d, std::string_view) -> Applied {
         d.config.cas_enabled = false;
         return {};
     }},
    {'e', "memory-file", "file",
     "restart with the contents: SIGUSR1 stops the server and saves a\n"
     "snapshot in <file>.snapshots, the next start loads it once",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.memory_file); }},
    {'k', "lock-memory", nullptr, "lock down all paged memory",
     [](Draft& d, std::string_view) -> Applied {
         d.config.lock_memory = true;
         return {};
     }},
    {'L', "enable-largepages", nullptr, "use large memory pages for items, where there are any",
     [](Draft& d, std::string_view) -> Applied {
         d.config.large_pages = true;
         return {};
     }},
    {'t', "threads", "num", "number of reactor threads to use (default: 4)", set_threads},
};

}  // namespace

std::span<const OptionSpec> memory_options() { return kOptions; }

}  // namespace shardmill::config
