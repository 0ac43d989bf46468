#include "config/help.h"
#include "config/option_values.h"

namespace shardmill::config {
namespace {

std::unexpected<Refusal> print(std::string text) {
    return std::unexpected(Refusal{0, std::move(text), true});
}

Applied set_delimiter(Draft& draft, std::string_view text) {
    if (text.empty()) return refuse(kExitFailure, "give a character");
    draft.config.prefix_delimiter = text.front();
    draft.config.prefix_stats = true;
    return {};
}

constexpr OptionSpec kOptions[] = {
    {'d', "daemon", nullptr, "run as a daemon",
     [](Draft& d, std::string_view) -> Applied {
         d.config.daemon = true;
         return {};
     }},
    {'r', "enable-coredumps", nullptr, "maximize core file limit",
     [](Draft& d, std::string_view) -> Applied {
         d.config.core_dumps = true;
         return {};
     }},
    {'u', "user", "user", "assume identity of <user> (only when run as root)",
     [](Draft& d, std::string_view v) -> Applied {
         d.config.user = v;
         return {};
     }},
    {'P', "pidfile", "file", "save PID in <file>; removed at the end with -d",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.pid_file); }},
    {'D', "", "char",
     "delimiter between key prefixes and IDs (default: \":\");\n"
     "turns on statistics by prefix, as \"stats detail on\" does",
     set_delimiter},
    {'v', "verbose", "[text]",
     "verbose (print errors/warnings while running)\n-vv: very verbose "
     "(also print what jobs and snapshots do)\n-vvv: extremely verbose",
     [](Draft& d, std::string_view) -> Applied {
         ++d.config.verbosity;
         return {};
     }},
    {'h', "help", nullptr, "print this help and exit",
     [](Draft&, std::string_view) -> Applied { return print(help_text()); }},
    {'i', "license", nullptr, "print what licence there is and exit",
     [](Draft&, std::string_view) -> Applied { return print(license_text()); }},
    {'V', "version", nullptr, "print version and exit",
     [](Draft&, std::string_view) -> Applied { return print(version_line()); }},
    {'o', "extended", "list", "comma separated list of extended options, see below",
     apply_suboptions},
};

}  // namespace

std::span<const OptionSpec> process_options() { return kOptions; }

}  // namespace shardmill::config
