#include "config/command_line.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <deque>
#include <iterator>

#include "config/option_table.h"
#include "config/values.h"

namespace shardmill::config {
namespace {

constexpr std::size_t kHelpColumn = 27;

/// "-t, --threads=<num>     number of ...", further lines indented alike.
void append_help(std::string& out, std::string_view names, std::string_view help) {
    std::string left(names);
    if (left.size() + 1 < kHelpColumn)
        left.resize(kHelpColumn, ' ');
    else
        left += ' ';
    out += left;
    for (const char c : help) {
        out += c;
        if (c == '\n') out.append(kHelpColumn, ' ');
    }
    out += '\n';
}

struct Group {
    char first;  // the option it starts at
    const char* title;
};
constexpr Group kGroups[] = {
    {'p', "Listening"},
    {'m', "Memory and threads"},
    {'d', "Process"},
};

std::string help_text() {
    std::string out = version_line();
    for (const OptionSpec& spec : option_table()) {
        if (*spec.help == '\0') continue;
        for (const Group& group : kGroups) {
            if (group.first == spec.letter) out += fmt::format("\n{}:\n", group.title);
        }
        const std::string value =
            spec.value_name == nullptr ? "" : fmt::format("=<{}>", spec.value_name);
        append_help(out, fmt::format("-{}, --{}{}", spec.letter, spec.name, value), spec.help);
    }
    append_help(out, "-v, --verbose", "verbose (print errors/warnings while running)");
    append_help(out, "-vv", "very verbose (also print what jobs and snapshots do)");
    append_help(out, "-vvv", "extremely verbose");
    append_help(out, "-h, --help", "print this help and exit");
    append_help(out, "-V, --version", "print version and exit");
    append_help(out, "-o, --extended=<list>", "comma separated list of extended options");
    out += "\nExtended options:\n";
    for (const OptionSpec& spec : suboption_table()) {
        if (*spec.help == '\0') continue;
        const std::string value =
            spec.value_name == nullptr ? "" : fmt::format("=<{}>", spec.value_name);
        append_help(out, fmt::format("   {}{}", spec.name, value), spec.help);
    }
    out +=
        "\nOptions that tune memcached's slabs, LRU lists and hash table are accepted without "
        "effect.\n";
    return out;
}

/// What CLI11 collected, before any of it is looked at.
struct Collected {
    std::deque<std::vector<std::string>> values;  // one for each option of the table
    std::vector<std::string> extended;
    int verbosity = 0;
    bool help = false;
    bool version = false;
};

/// Fills `out`; the values are checked by the table, so that every refusal reads alike.
std::expected<void, EarlyExit> collect(std::span<const std::string> arguments, Collected& out) {
    CLI::App app;
    app.set_help_flag();
    for (const OptionSpec& spec : option_table()) {
        std::vector<std::string>& values = out.values.emplace_back();
        const std::string names = fmt::format("-{},--{}", spec.letter, spec.name);
        if (spec.value_name != nullptr) {
            app.add_option(names, values)->expected(1)->take_all();
        } else {
            app.add_flag_callback(names, [&values] { values.emplace_back(); });
        }
    }
    app.add_option("-o,--extended", out.extended)->expected(1)->take_all();
    app.add_flag("-v,--verbose", out.verbosity);
    app.add_flag("-h,--help", out.help);
    app.add_flag("-V,--version", out.version);
    try {
        std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
        app.parse(std::move(reversed));
    } catch (const CLI::ParseError& error) {
        return std::unexpected(EarlyExit{
            kExitFailure, fmt::format("shardmill: {}\nshardmill: 'shardmill -h' lists the "
                                      "options\n",
                                      error.what())});
    }
    return {};
}

std::expected<void, EarlyExit> settle_listeners(Draft& draft) {
    Config& config = draft.config;
    if (!config.unix_socket.empty() || (config.tcp_port == 0 && draft.listen.empty())) return {};
    for (const std::string& list : draft.listen) {
        for (const std::string_view text : split(list, ",;")) {
            auto address = parse_listen_address(text, config.tcp_port);
            if (!address) {
                return std::unexpected(refusal_text(
                    "-l, --listen", text, Refusal{kExitUsage, std::move(address.error())}));
            }
            // -p 0 switches off those that do not name a port themselves.
            if (address->port != 0) config.listen.push_back(std::move(*address));
        }
    }
    if (draft.listen.empty()) config.listen.push_back({.host = {}, .port = config.tcp_port});
    return {};
}

/// What single options cannot see.
std::expected<Config, EarlyExit> settle(Draft&& draft) {
    Config& config = draft.config;
    if (auto settled = settle_listeners(draft); !settled) {
        return std::unexpected(std::move(settled.error()));
    }
    if (config.item_bytes_max > config.memory_limit / 2) {
        return std::unexpected(EarlyExit{
            kExitUsage,
            fmt::format("shardmill: -I, --max-item-size: {} bytes is more than half of the memory "
                        "limit (-m {}); give a smaller -I or a larger -m\n",
                        config.item_bytes_max, config.memory_limit >> 20)});
    }
    if (config.listen.empty() && config.unix_socket.empty()) {
        return std::unexpected(
            EarlyExit{kExitUsage,
                      "shardmill: -p, --port: 0 leaves nothing to listen on; give a port, or a "
                      "UNIX socket with -s\n"});
    }
    if (config.snapshot_on_exit && config.snapshot_dir.empty()) {
        return std::unexpected(
            EarlyExit{kExitFailure,
                      "shardmill: -o snapshot_on_exit: there is nowhere to save to; give -o "
                      "snapshot_dir=<dir> too\n"});
    }
    return std::move(config);
}

}  // namespace

std::string version_line() {
    return "shardmill " SHARDMILL_VERSION " (memcached 1.6.45 compatible)\n";
}

std::expected<Config, EarlyExit> parse_command_line(std::span<const std::string> arguments) {
    Collected collected;
    if (auto parsed = collect(arguments, collected); !parsed) {
        return std::unexpected(std::move(parsed.error()));
    }
    if (collected.help) return std::unexpected(EarlyExit{0, help_text()});
    if (collected.version) return std::unexpected(EarlyExit{0, version_line()});

    Draft draft;
    draft.config.verbosity = collected.verbosity;
    const auto table = option_table();
    for (std::size_t index = 0; index < table.size(); ++index) {
        for (const std::string& value : collected.values[index]) {
            if (auto applied = table[index].apply(draft, value); !applied) {
                const std::string option =
                    fmt::format("-{}, --{}", table[index].letter, table[index].name);
                return std::unexpected(refusal_text(option, value, applied.error()));
            }
        }
    }
    for (const std::string& list : collected.extended) {
        if (auto applied = apply_suboptions(draft, list); !applied) {
            return std::unexpected(std::move(applied.error()));
        }
    }
    return settle(std::move(draft));
}

}  // namespace shardmill::config
