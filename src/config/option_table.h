#pragma once

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/command_line.h"
#include "config/config.h"

namespace shardmill::config {

/// The configuration while options are applied; what needs all of them is settled at the end.
struct Draft {
    Config config;
    std::vector<std::string> listen;  // -l as given
    bool tcp_port_given = false;
    bool udp_port_given = false;
    bool protocol_given = false;
    bool udp_trusted_given = false;
    bool chunk_max_given = false;
    std::optional<bool> snapshot_on_exit;
    bool snapshot_needs_directory = false;  // an option that means nothing without one
    std::optional<std::string> slab_sizes;
    std::uint64_t ext_page_mib = 64;
    std::optional<std::uint64_t> ext_path_bytes_min;  // of the smallest file of ext_path

    /// A number with something behind it, as the option took it; the caller warns and clears it.
    std::string read_as;
};

/// Why an option ends the start: a refused value with what is allowed instead, to which the caller
/// adds the option's name; or a text that needs nothing added.
struct Refusal {
    int code = kExitFailure;
    std::string text;       // "give ...", or everything that is printed
    bool complete = false;  // `text` is everything
};

using Applied = std::expected<void, Refusal>;

/// One option, or one suboption of -o. A row of a table: help text and meaning side by side.
struct OptionSpec {
    enum class Effect : std::uint8_t {
        Full,
        None,  // checked as memcached checks it and shown by `stats settings`, nothing else
    };

    char letter;             // 0: a suboption
    const char* name;        // long name, or the suboption's
    const char* value_name;  // shown in the help; nullptr: a flag. In brackets: may be left out
    const char* help;        // lines separated by \n
    Applied (*apply)(Draft& draft, std::string_view value);
    Effect effect = Effect::Full;

    bool takes_value() const noexcept { return value_name != nullptr; }
    bool needs_value() const noexcept { return takes_value() && *value_name != '['; }
};

/// Rows of the help under a title of their own.
struct OptionGroup {
    const char* title;
    std::span<const OptionSpec> options;
};

/// The options of the command line, in the order of the help.
std::span<const OptionGroup> option_groups();
/// The keys of `-o`, likewise.
std::span<const OptionGroup> suboption_groups();

/// nullptr: there is none.
const OptionSpec* find_option(char letter);
const OptionSpec* find_suboption(std::string_view name);

/// Applies `-o key=value,key,...`.
Applied apply_suboptions(Draft& draft, std::string_view list);

/// Applies one option and notes what the operator should know about it. `option` is its name as
/// shown in texts.
Applied apply_option(Draft& draft, const OptionSpec& spec, std::string_view option,
                     std::string_view value);

// The tables, one for each subject.
std::span<const OptionSpec> listening_options();
std::span<const OptionSpec> protection_options();
std::span<const OptionSpec> memory_options();
std::span<const OptionSpec> process_options();
std::span<const OptionSpec> tuning_options();
std::span<const OptionSpec> own_suboptions();
std::span<const OptionSpec> connection_suboptions();
std::span<const OptionSpec> tls_suboptions();
std::span<const OptionSpec> tuning_suboptions();
std::span<const OptionSpec> storage_suboptions();

}  // namespace shardmill::config
