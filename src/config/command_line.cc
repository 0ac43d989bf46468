#include "config/command_line.h"

#include <fmt/format.h>
#include <getopt.h>

#include <cctype>
#include <vector>

#include "config/option_table.h"
#include "config/settle.h"

namespace shardmill::config {
namespace {

/// The option tables as getopt_long wants them. Scripts rely on its habits: bundled letters, values
/// with and without a space, long names cut short.
struct GetoptTables {
    GetoptTables() {
        for (const OptionGroup& group : option_groups()) {
            for (const OptionSpec& spec : group.options) add(spec);
        }
        names.push_back({});
    }

    void add(const OptionSpec& spec) {
        letters += spec.letter;
        if (spec.needs_value()) letters += ':';
        if (*spec.name == '\0') return;
        const int takes = spec.needs_value()   ? required_argument
                          : spec.takes_value() ? optional_argument
                                               : no_argument;
        names.push_back({spec.name, takes, nullptr, spec.letter});
    }

    std::string letters = ":";  // a missing value is told apart from an unknown option
    std::vector<option> names;
};

std::string name_of(const OptionSpec& spec) {
    if (*spec.name == '\0') return fmt::format("-{}", spec.letter);
    return fmt::format("-{}, --{}", spec.letter, spec.name);
}

std::unexpected<EarlyExit> fail(const std::string& text) {
    return std::unexpected(EarlyExit{
        kExitFailure, fmt::format("shardmill: {}; 'shardmill -h' lists the options\n", text)});
}

/// What getopt_long stumbled over. `argument` is what it looked at, `letter` what it says of it.
std::unexpected<EarlyExit> unusable(int result, int letter, std::string_view argument) {
    const OptionSpec* spec = letter == 0 ? nullptr : find_option(static_cast<char>(letter));
    if (result == ':' && spec != nullptr) {
        return fail(fmt::format("{}: the value <{}> is missing", name_of(*spec), spec->value_name));
    }
    if (!argument.starts_with("--")) {
        return fail(fmt::format("unknown option '-{}'", static_cast<char>(letter)));
    }
    if (spec != nullptr) return fail(fmt::format("{}: takes no value", name_of(*spec)));
    return fail(fmt::format("unknown or ambiguous option '{}'", argument));
}

std::expected<void, EarlyExit> apply(Draft& draft, const OptionSpec& spec, std::string_view value) {
    while (!value.empty() && std::isspace(static_cast<unsigned char>(value.front())) != 0) {
        value.remove_prefix(1);
    }
    auto applied = apply_option(draft, spec, name_of(spec), value);
    if (applied) return {};
    return std::unexpected(EarlyExit{applied.error().code, std::move(applied.error().text)});
}

}  // namespace

std::expected<Config, EarlyExit> parse_command_line(std::span<const std::string> arguments) {
    const GetoptTables tables;
    std::vector<std::string> copies(arguments.begin(), arguments.end());
    std::vector<char*> argv{const_cast<char*>("shardmill")};
    for (std::string& argument : copies) argv.push_back(argument.data());
    argv.push_back(nullptr);
    const int count = static_cast<int>(argv.size()) - 1;

    Draft draft;
    optind = 0;  // from the beginning, whoever used it before
    opterr = 0;  // the texts are ours
    int result = 0;
    while ((result = ::getopt_long(count, argv.data(), tables.letters.c_str(), tables.names.data(),
                                   nullptr)) != -1) {
        if (result == '?' || result == ':') return unusable(result, optopt, argv[optind - 1]);
        const OptionSpec* spec = find_option(static_cast<char>(result));
        if (auto applied = apply(draft, *spec, optarg == nullptr ? "" : optarg); !applied) {
            return std::unexpected(std::move(applied.error()));
        }
    }
    for (int index = optind; index < count; ++index) {
        draft.config.warnings.push_back(
            fmt::format("'{}' is no option and is ignored", argv[index]));
    }
    return settle(std::move(draft));
}

}  // namespace shardmill::config
