#include "config/settle.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/number.h"
#include "config/listen_address.h"
#include "config/values.h"

namespace shardmill::config {
namespace {

constexpr std::uint32_t kSlabPage = 1u << 20;
constexpr std::uint32_t kChunkAlign = 8;
constexpr std::size_t kSlabClassesMax = 62;
constexpr std::uint32_t kLruPercentMax = 80;

using Settled = std::expected<void, EarlyExit>;

std::unexpected<EarlyExit> fail(int code, std::string text) {
    return std::unexpected(EarlyExit{code, "shardmill: " + std::move(text) + "\n"});
}

Settled settle_item_size(Draft& draft) {
    Config& config = draft.config;
    std::uint32_t& chunk = config.tuning.slab_chunk_max;
    if (config.item_bytes_max > config.memory_limit / 2) {
        return fail(kExitUsage,
                    fmt::format("-I, --max-item-size: {} bytes is more than half of the memory "
                                "limit (-m {}); give a smaller -I or a larger -m",
                                config.item_bytes_max, config.memory_limit >> 20));
    }
    if (config.item_bytes_max > kSlabPage && !draft.chunk_max_given) chunk = kSlabPage / 2;
    if (chunk > config.item_bytes_max || config.item_bytes_max % chunk != 0) {
        return fail(kExitUsage,
                    fmt::format("-I, --max-item-size: {} bytes is no multiple of slab_chunk_max "
                                "({} bytes); give another -I, or -o slab_chunk_max=<kilobytes>",
                                config.item_bytes_max, chunk));
    }
    if (kSlabPage % chunk != 0) {
        return fail(kExitUsage, fmt::format("-o slab_chunk_max: {} kilobytes do not divide 1024; "
                                            "give a power of two",
                                            chunk >> 10));
    }
    return {};
}

Settled settle_external_storage(const Draft& draft) {
    if (!draft.ext_path_bytes_min) return {};
    const Config& config = draft.config;
    if (config.item_bytes_max > config.tuning.ext_wbuf_bytes) {
        return fail(kExitUsage, "-o ext_wbuf_size: smaller than -I; give a larger one");
    }
    if (config.udp_port != 0) return fail(kExitUsage, "-o ext_path: not together with UDP (-U)");
    if (*draft.ext_path_bytes_min >> 20 < draft.ext_page_mib) {
        return fail(kExitUsage, fmt::format("-o ext_path: smaller than a page; give at least {}m",
                                            draft.ext_page_mib));
    }
    return {};
}

Settled settle_slab_sizes(const Draft& draft) {
    if (!draft.slab_sizes) return {};
    const MemcachedTuning& tuning = draft.config.tuning;
    const auto sizes = split(*draft.slab_sizes, "-");
    std::uint32_t last = 0;
    for (const std::string_view text : sizes) {
        const auto size = base::parse_number<std::uint32_t>(text);
        if (!size || *size < tuning.chunk_bytes || *size > tuning.slab_chunk_max) {
            return fail(kExitUsage,
                        fmt::format("-o slab_sizes: '{}' is not allowed; give sizes from {} to {}",
                                    text, tuning.chunk_bytes, tuning.slab_chunk_max));
        }
        if (*size <= last + kChunkAlign) {
            return fail(kExitUsage,
                        fmt::format("-o slab_sizes: '{}' is not allowed; give each size "
                                    "more than {} above the one before",
                                    text, kChunkAlign));
        }
        last = *size;
    }
    if (sizes.empty() || sizes.size() > kSlabClassesMax) {
        return fail(kExitUsage, fmt::format("-o slab_sizes: give 1 to {} sizes, as in 96-192-384",
                                            kSlabClassesMax));
    }
    return {};
}

Settled settle_tuning(Draft& draft) {
    const MemcachedTuning& tuning = draft.config.tuning;
    if (auto settled = settle_external_storage(draft); !settled) return settled;
    if (auto settled = settle_slab_sizes(draft); !settled) return settled;
    if (tuning.hot_lru_pct + tuning.warm_lru_pct > kLruPercentMax) {
        return fail(kExitUsage, "-o hot_lru_pct, warm_lru_pct: together more than 80; give less");
    }
    if (tuning.temp_lru && !tuning.lru_maintainer) {
        return fail(kExitUsage, "-o temporary_ttl: not together with no_lru_maintainer");
    }
    return {};
}

/// Which protocols go with which authentication.
Settled settle_protocol(Draft& draft) {
    Config& config = draft.config;
    if (config.sasl) {
        if (!draft.protocol_given) config.protocol = WireProtocol::Binary;
        if (config.protocol != WireProtocol::Binary) {
            return fail(kExitUsage,
                        "-S, --enable-sasl: the binary protocol alone has SASL; leave out -B");
        }
        if (config.udp_port != 0) {
            return fail(kExitUsage, "-S, --enable-sasl: UDP knows no authentication; leave out -U");
        }
    }
    if (config.auth_file.empty()) return {};
    if (!draft.protocol_given) config.protocol = WireProtocol::Text;
    if (config.protocol != WireProtocol::Text) {
        return fail(kExitUsage,
                    "-Y, --auth-file: the text protocol alone has these passwords; leave out -B");
    }
    if (config.udp_port != 0) {
        return fail(kExitUsage, "-Y, --auth-file: UDP knows no authentication; leave out -U");
    }
    return {};
}

Settled settle_tls(const Draft& draft) {
    const Config& config = draft.config;
    if (!config.tls.enabled) return {};
    if (config.tcp_port == 0) return fail(kExitUsage, "-Z, --enable-ssl: not without a TCP port");
    if (config.tls.chain_cert.empty() || config.tls.key.empty()) {
        return fail(kExitUsage,
                    "-Z, --enable-ssl: there is no certificate; give -o "
                    "ssl_chain_cert=<file>,ssl_key=<file>");
    }
    return {};
}

/// What a listener may not be, given the rest.
std::string problem_with(ListenAddress& address, const Draft& draft) {
    const Config& config = draft.config;
    if (address.security != ListenSecurity::Default && !config.tls.enabled) {
        return "notls:, btls: and mtls: need -Z";
    }
    if (config.auth_file.empty()) return {};
    if (address.protocol == WireProtocol::Binary) return "with -Y there is no binary protocol";
    address.protocol = WireProtocol::Text;
    return {};
}

void add_once(std::vector<ListenAddress>& addresses, ListenAddress address) {
    const bool there = std::ranges::any_of(addresses, [&](const ListenAddress& other) {
        return other.host == address.host && other.port == address.port && address.port > 0;
    });
    if (!there) addresses.push_back(std::move(address));
}

Settled add_listener(Draft& draft, std::string_view text) {
    Config& config = draft.config;
    const auto refuse = [&](std::string_view why) {
        return fail(kExitOs, fmt::format("-l, --listen: '{}' is not allowed; {}", text, why));
    };
    ListenAddress defaults{.port = config.tcp_port, .protocol = config.protocol};
    auto address = parse_listen_address(text, defaults);
    if (!address) return refuse(address.error());
    if (const auto problem = problem_with(*address, draft); !problem.empty())
        return refuse(problem);
    if (config.tcp_port != 0) add_once(config.listen, *address);
    if (config.udp_port == 0) return {};
    defaults.port = config.udp_port;
    const auto udp = parse_listen_address(text, defaults);
    add_once(config.udp_listen, {.host = udp->host, .port = udp->port, .tag = udp->tag});
    return {};
}

Settled settle_listeners(Draft& draft) {
    Config& config = draft.config;
    if (draft.udp_port_given && config.udp_port != 0 && !draft.tcp_port_given) {
        config.tcp_port = config.udp_port;
    }
    for (const std::string& list : draft.listen) {
        if (!config.listen_given.empty()) config.listen_given += ',';
        config.listen_given += list;
    }
    if (auto settled = settle_tls(draft); !settled) return settled;
    if (!config.unix_socket.empty()) return {};
    for (const std::string_view text : split(config.listen_given, ",;")) {
        if (auto added = add_listener(draft, text); !added) return added;
    }
    if (draft.listen.empty() && config.tcp_port != 0) {
        config.listen.push_back({.port = config.tcp_port, .protocol = config.protocol});
    }
    if (draft.listen.empty() && config.udp_port != 0) {
        config.udp_listen.push_back({.port = config.udp_port});
    }
    if (config.listen.empty() && config.udp_listen.empty()) {
        config.warnings.emplace_back(
            "-p 0 leaves nothing to listen on: nobody can connect; give a port, or a UNIX socket "
            "with -s");
    }
    return {};
}

Settled settle_snapshots(Draft& draft) {
    Config& config = draft.config;
    if (!config.memory_file.empty()) {
        if (!config.snapshot_dir.empty()) {
            return fail(kExitFailure,
                        "-e, --memory-file: it brings a snapshot directory of its own; leave out "
                        "-e or -o snapshot_dir");
        }
        const std::filesystem::path file(config.memory_file);
        std::error_code error;
        if (!std::filesystem::is_directory(file.parent_path(), error)) {
            return fail(kExitFailure,
                        fmt::format("-e, --memory-file: '{}' is not allowed; give a file in a "
                                    "directory that exists",
                                    config.memory_file));
        }
        config.snapshot_dir = config.memory_file + ".snapshots";
    }
    if (draft.snapshot_needs_directory && config.snapshot_dir.empty()) {
        return fail(kExitFailure,
                    "-o snapshot_on_exit, snapshot_interval: there is nowhere to save to; give -o "
                    "snapshot_dir=<dir> too");
    }
    if (!config.memory_file.empty() && config.snapshot_loading == SnapshotLoading::Serve) {
        return fail(kExitFailure,
                    "-e, --memory-file: what it keeps is loaded once, and would be out of date if "
                    "the server broke off while serving; leave out -o snapshot_loading=serve");
    }
    const bool by_default = !config.snapshot_dir.empty() && config.memory_file.empty();
    config.snapshot_on_exit = draft.snapshot_on_exit.value_or(by_default);
    return {};
}

}  // namespace

std::expected<Config, EarlyExit> settle(Draft&& draft) {
    Config& config = draft.config;
    if (config.tuning.napi_ids > config.reactors) {
        return fail(kExitUsage, fmt::format("-N, --napi-ids: {} are more than threads (-t {})",
                                            config.tuning.napi_ids, config.reactors));
    }
    for (const auto step :
         {settle_item_size, settle_tuning, settle_protocol, settle_listeners, settle_snapshots}) {
        if (auto settled = step(draft); !settled) {
            return std::unexpected(std::move(settled.error()));
        }
    }
    if (!draft.udp_trusted_given) config.udp_trusted = {"127.0.0.0/8", "::1/128"};
    return std::move(config);
}

}  // namespace shardmill::config
