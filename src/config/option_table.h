#pragma once

#include <expected>
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
};

/// A refused value: what is wrong with it and what is allowed. The option's name is added by the
/// caller.
struct Refusal {
    int code = kExitFailure;
    std::string allowed;  // "give ..."
};

using Applied = std::expected<void, Refusal>;

/// One option, or one suboption of -o. A row of a table: help text and meaning side by side.
struct OptionSpec {
    char letter;             // 0: a suboption
    const char* name;        // long name, or the suboption's
    const char* value_name;  // shown in the help; nullptr: a flag
    const char* help;        // lines separated by \n; empty: accepted, but not listed
    Applied (*apply)(Draft& draft, std::string_view value);
};

/// The options of the command line in the order of the help, with the index of the first of each
/// group.
std::span<const OptionSpec> option_table();

/// The keys of `-o`. Those of memcached that would tune what shardmill does differently are
/// accepted without effect.
std::span<const OptionSpec> suboption_table();

/// Applies `-o key=value,key,...`.
std::expected<void, EarlyExit> apply_suboptions(Draft& draft, std::string_view list);

/// "shardmill: <option>: '<given>' is not allowed; <allowed>", with the code.
EarlyExit refusal_text(std::string_view option, std::string_view given, const Refusal& refusal);

}  // namespace shardmill::config
