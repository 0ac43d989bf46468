#include "config/option_values.h"

namespace shardmill::config {
namespace {

constexpr std::uint64_t kKib = 1u << 10;

constexpr OptionSpec kSuboptions[] = {
    {0, "maxconns_fast", nullptr, "refuse new connections over the limit at once (default)",
     [](Draft& d, std::string_view) -> Applied {
         d.config.close_over_limit = true;
         return {};
     }},
    {0, "no_maxconns_fast", nullptr, "over the limit, let new connections wait instead",
     [](Draft& d, std::string_view) -> Applied {
         d.config.close_over_limit = false;
         return {};
     }},
    {0, "idle_timeout", "num",
     "seconds after which idle connections are closed (default: 0, never)",
     [](Draft& d, std::string_view v) {
         return take_leading(d, v, 0, INT32_MAX, d.config.idle_timeout_s);
     }},
    {0, "track_sizes", nullptr, "count items by size for \"stats sizes\"",
     [](Draft& d, std::string_view) -> Applied {
         d.config.track_sizes = true;
         return {};
     }},
    {0, "lru_crawler", nullptr, "let lru_crawler crawl and dump (default)",
     [](Draft& d, std::string_view) -> Applied {
         d.config.tuning.lru_crawler = true;
         return {};
     }},
    {0, "no_lru_crawler", nullptr, "no crawls and dumps until \"lru_crawler enable\"",
     [](Draft& d, std::string_view) -> Applied {
         d.config.tuning.lru_crawler = false;
         return {};
     }},
    {0, "watcher_logbuf_size", "num", "kilobytes of buffer for one \"watch\" (default: 256)",
     [](Draft& d, std::string_view v) {
         return take_number<std::uint32_t>(v, 0, UINT32_MAX / kKib, d.config.watcher_logbuf_kib);
     }},
};

Applied set_verify_mode(Draft& draft, std::string_view text) {
    return take_number(text, 0, 3, draft.config.tls.verify_mode);
}

constexpr OptionSpec kTlsSuboptions[] = {
    {0, "ssl_chain_cert", "file", "certificate chain file in PEM format",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.tls.chain_cert); }},
    {0, "ssl_key", "file", "private key",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.tls.key); }},
    {0, "ssl_keyformat", "num", "private key format: 1 PEM, 2 ASN.1 (default: 1)",
     [](Draft& d, std::string_view v) {
         return take_number(v, INT32_MIN, INT32_MAX, d.config.tls.key_format);
     }},
    {0, "ssl_verify_mode", "num",
     "client certificates: 0 none, 1 request, 2 require, 3 once (default: 0)", set_verify_mode},
    {0, "ssl_ciphers", "list", "ciphers that may be used, as OpenSSL names them",
     [](Draft& d, std::string_view v) -> Applied {
         d.config.tls.ciphers = v;
         return {};
     }},
    {0, "ssl_ca_cert", "file", "PEM file of acceptable client CAs",
     [](Draft& d, std::string_view v) { return take_path(v, d.config.tls.ca_cert); }},
    {0, "ssl_session_cache", nullptr, "let clients resume TLS sessions",
     [](Draft& d, std::string_view) -> Applied {
         d.config.tls.session_cache = true;
         return {};
     }},
    {0, "ssl_min_version", "num",
     "lowest version: 0 tlsv1.0, 1 tlsv1.1, 2 tlsv1.2, 3 tlsv1.3 (default: 2)",
     [](Draft& d, std::string_view v) { return take_number(v, 0, 3, d.config.tls.min_version); }},
    {0, "ssl_wbuf_size", "num", "without effect here: kilobytes of output buffer (default: 16)",
     [](Draft& d, std::string_view v) {
         return take_number<std::uint32_t>(v, 0, UINT32_MAX / kKib, d.config.tls.wbuf_kib);
     },
     OptionSpec::Effect::None},
    {0, "ssl_kernel_tls", nullptr, "without effect here: TLS in the kernel",
     [](Draft& d, std::string_view) -> Applied {
         d.config.tls.kernel_tls = true;
         return {};
     },
     OptionSpec::Effect::None},
};

}  // namespace

std::span<const OptionSpec> connection_suboptions() { return kSuboptions; }
std::span<const OptionSpec> tls_suboptions() { return kTlsSuboptions; }

}  // namespace shardmill::config
