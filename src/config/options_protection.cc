#include "config/option_values.h"

namespace shardmill::config {
namespace {

constexpr OptionSpec kOptions[] = {
    {'S', "enable-sasl", nullptr, "turn on SASL authentication (binary protocol only, without UDP)",
     [](Draft& d, std::string_view) -> Applied {
         d.config.sasl = true;
         return {};
     }},
    {'Y', "auth-file", "file",
     "turn on authentication in the text protocol (alone, without UDP)\n"
     "by a file of lines <user>:<password>; SIGHUP reads it again",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.auth_file); }},
    {'Z', "enable-ssl", nullptr,
     "turn on TLS; needs -o ssl_chain_cert=<file>,ssl_key=<file>\n"
     "SIGHUP and refresh_certs read the certificates again",
     [](Draft& d, std::string_view) -> Applied {
         d.config.tls.enabled = true;
         return {};
     }},
    {'A', "enable-shutdown", nullptr, "enable the text command \"shutdown\"",
     [](Draft& d, std::string_view) -> Applied {
         d.config.shutdown_command = true;
         return {};
     }},
    {'F', "disable-flush-all", nullptr, "disable the command flush_all",
     [](Draft& d, std::string_view) -> Applied {
         d.config.flush_enabled = false;
         return {};
     }},
    {'X', "disable-dumping", nullptr,
     "disable stats cachedump, stats detail, lru_crawler metadump and mgdump",
     [](Draft& d, std::string_view) -> Applied {
         d.config.dump_enabled = false;
         return {};
     }},
    {'W', "disable-watch", nullptr, "disable the command watch (live logging)",
     [](Draft& d, std::string_view) -> Applied {
         d.config.watch_enabled = false;
         return {};
     }},
};

}  // namespace

std::span<const OptionSpec> protection_options() { return kOptions; }

}  // namespace shardmill::config
