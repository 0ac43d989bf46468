#include "config/help.h"

#include <fmt/format.h>

#include "config/option_table.h"

namespace shardmill::config {
namespace {

constexpr std::size_t kHelpColumn = 27;

/// "-t, --threads=<num>     number of ...", further lines indented alike.
void append_help(std::string& out, std::string_view left, std::string_view help) {
    out += left;
    if (!help.empty()) {
        const bool fits = left.size() + 1 < kHelpColumn;
        if (!fits) out += '\n';
        out.append(fits ? kHelpColumn - left.size() : kHelpColumn, ' ');
    }
    for (const char c : help) {
        out += c;
        if (c == '\n') out.append(kHelpColumn, ' ');
    }
    out += '\n';
}

std::string name_of(const OptionSpec& spec) {
    if (spec.letter == 0) return fmt::format("   {}", spec.name);
    if (*spec.name == '\0') return fmt::format("-{}", spec.letter);
    return fmt::format("-{}, --{}", spec.letter, spec.name);
}

std::string value_of(const OptionSpec& spec) {
    if (!spec.takes_value()) return {};
    if (!spec.needs_value()) {
        const std::string_view name(spec.value_name);
        return fmt::format("[=<{}>]", name.substr(1, name.size() - 2));
    }
    return fmt::format("{}<{}>", *spec.name == '\0' ? " " : "=", spec.value_name);
}

void append_groups(std::string& out, std::span<const OptionGroup> groups) {
    for (const OptionGroup& group : groups) {
        out += fmt::format("\n{}:\n", group.title);
        for (const OptionSpec& spec : group.options) {
            append_help(out, name_of(spec) + value_of(spec), spec.help);
        }
    }
}

}  // namespace

std::string version_line() {
    return "shardmill " SHARDMILL_VERSION " (memcached 1.6.45 compatible)\n";
}

std::string help_text() {
    std::string out = version_line();
    append_groups(out, option_groups());
    out += "\nAlone, instead of a start:\n";
    append_help(out, "    --probe",
                "print what this kernel's io_uring offers and what is used of it;\n"
                "exit code 0 if the server can run here, else 1");
    out += "\nExtended options (-o <name>[=<value>],...):\n";
    append_groups(out, suboption_groups());
    return out;
}

std::string license_text() {
    return version_line() + "No licence has been chosen for shardmill yet.\n";
}

}  // namespace shardmill::config
