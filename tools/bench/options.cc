#include "bench/options.h"

#include <fmt/core.h>
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string_view>

#include "base/number.h"

namespace shardmill::bench {

namespace {

constexpr std::uint32_t kMaxValueBytes = 1u << 30;
constexpr unsigned kMaxConnections = 100'000;
constexpr unsigned kMaxKeyBytes = 250;
constexpr std::uint64_t kMaxKeys = 4'000'000'000;  // the square fits 64 bits

std::uint32_t parse_bytes(std::string_view text) {
    const auto bytes = base::parse_number<std::uint32_t>(text);
    if (!bytes || *bytes > kMaxValueBytes) {
        throw std::invalid_argument(fmt::format(
            "'{}' is not a value length; give bytes from 0 to {}", text, kMaxValueBytes));
    }
    return *bytes;
}

double parse_positive(const std::string& text, std::string_view what) {
    std::size_t used = 0;
    double number = 0;
    try {
        number = std::stod(text, &used);
    } catch (const std::exception&) {
        used = 0;
    }
    if (used == 0 || used != text.size() || !std::isfinite(number) || number <= 0) {
        throw std::invalid_argument(fmt::format("'{}' is not a {} above 0", text, what));
    }
    return number;
}

ValueSize parse_lognormal(const std::string& text) {
    ValueSize size{ValueSize::Kind::Lognormal, 1, 65536, 200, 1.0};
    const auto comma = text.find(',');
    if (comma == std::string::npos) {
        throw std::invalid_argument("a lognormal length is lognormal:<median>,<sigma>[,<max>]");
    }
    const auto second = text.find(',', comma + 1);
    size.median = parse_positive(text.substr(0, comma), "median");
    const auto sigma_length = second == std::string::npos ? second : second - comma - 1;
    size.sigma = parse_positive(text.substr(comma + 1, sigma_length), "sigma");
    if (second != std::string::npos) size.high = parse_bytes(text.substr(second + 1));
    return size;
}

void parse_ratio(const std::string& text, Options& options) {
    const auto colon = text.find(':');
    const auto set = base::parse_number<unsigned>(text.substr(0, colon));
    const auto get = colon == std::string::npos
                         ? std::nullopt
                         : base::parse_number<unsigned>(text.substr(colon + 1));
    if (!set || !get || (*set == 0 && *get == 0)) {
        throw std::invalid_argument(
            fmt::format("--ratio is <sets>:<gets>, for example 1:10 or 0:1, not '{}'", text));
    }
    options.ratio_set = *set;
    options.ratio_get = *get;
}

void parse_distribution(const std::string& text, Options& options) {
    if (text == "uniform") {
        options.distribution = Distribution::Uniform;
    } else if (text == "sequential") {
        options.distribution = Distribution::Sequential;
    } else if (text == "zipf") {
        options.distribution = Distribution::Zipf;
    } else if (text.starts_with("zipf:")) {
        options.distribution = Distribution::Zipf;
        options.zipf_theta = parse_positive(text.substr(5), "zipf exponent");
    } else {
        throw std::invalid_argument(
            fmt::format("--distribution is uniform, zipf:<theta> or sequential, not '{}'", text));
    }
}

void check(const Options& options) {
    const auto digits = std::to_string(options.keys - 1).size();
    if (options.key_prefix.size() + digits > options.key_bytes) {
        throw std::invalid_argument(fmt::format(
            "--key-size {} is too short for the prefix '{}' and numbers below {}; at least {}",
            options.key_bytes, options.key_prefix, options.keys,
            options.key_prefix.size() + digits));
    }
    for (const char c : options.key_prefix) {
        if (static_cast<unsigned char>(c) <= ' ') {
            throw std::invalid_argument("--key-prefix must not contain spaces or control bytes");
        }
    }
    if (options.threads > options.connections) {
        throw std::invalid_argument(
            fmt::format("--threads {} needs at least as many connections, there are {}",
                        options.threads, options.connections));
    }
}

struct Texts {
    std::string server = "127.0.0.1:11211";
    std::string ratio = "1:10";
    std::string value_size = "100";
    std::string distribution = "uniform";
};

void add_options(CLI::App& app, Options& o, Texts& texts) {
    app.add_option("-s,--server", texts.server, "host:port or the path of a unix socket")
        ->capture_default_str();
    app.add_option("-c,--connections", o.connections, "connections over all threads")
        ->check(CLI::Range(1u, kMaxConnections))
        ->capture_default_str();
    app.add_option("-t,--threads", o.threads, "threads of the load generator")
        ->check(CLI::Range(1u, 256u))
        ->capture_default_str();
    app.add_option("--pipeline", o.pipeline, "requests in flight per connection")
        ->check(CLI::Range(1u, 10'000u))
        ->capture_default_str();
    app.add_option("--ratio", texts.ratio, "<sets>:<gets>")->capture_default_str();
    app.add_option("--keys", o.keys, "number of different keys")
        ->check(CLI::Range(std::uint64_t{1}, kMaxKeys))
        ->capture_default_str();
    app.add_option("--key-size", o.key_bytes, "bytes of every key")
        ->check(CLI::Range(1u, kMaxKeyBytes))
        ->capture_default_str();
    app.add_option("--key-prefix", o.key_prefix, "what keys start with")->capture_default_str();
    app.add_option("--value-size", texts.value_size,
                   "bytes: <n>, <low>-<high> or lognormal:<median>,<sigma>[,<max>]")
        ->capture_default_str();
    app.add_option("--exptime", o.exptime, "exptime of every set")->capture_default_str();
    app.add_option("--distribution", texts.distribution, "uniform, zipf:<theta> or sequential")
        ->capture_default_str();
    app.add_option("--multiget", o.multiget, "keys in one get")
        ->check(CLI::Range(1u, 1000u))
        ->capture_default_str();
    app.add_option("--duration", o.duration_s, "seconds to measure")
        ->check(CLI::Range(0.01, 1e6))
        ->capture_default_str();
    app.add_option("--requests", o.requests, "measure this many requests instead of a duration");
    app.add_option("--rate", o.rate,
                   "requests per second over all connections, sent on schedule whether or not "
                   "replies came (latency counts from the intended time)")
        ->check(CLI::Range(0.0, 1e9));
    app.add_option("--warmup", o.warmup_s, "seconds to run before measuring")
        ->check(CLI::Range(0.0, 1e6));
    app.add_option("--timeout", o.timeout_s, "give up when no reply came for this many seconds")
        ->check(CLI::Range(0.1, 1e6))
        ->capture_default_str();
    app.add_flag("--prefill", o.prefill, "store every key once before measuring");
    app.add_flag("--prefill-only", o.prefill_only, "store every key once and stop");
    app.add_flag("--verify", o.verify, "compare every value returned with what was stored");
    app.add_option("--server-pid", o.server_pid, "report this process's CPU time over the run")
        ->check(CLI::Range(1, 1 << 22));
    app.add_option("--seed", o.seed, "of all random choices")->capture_default_str();
    app.add_flag("--json", o.json, "print one JSON object instead of the table");
}

}  // namespace

ValueSize parse_value_size(const std::string& text) {
    ValueSize size;
    if (text == "lognormal") return parse_lognormal("200,1");
    if (text.starts_with("lognormal:")) return parse_lognormal(text.substr(10));
    const auto dash = text.find('-', 1);
    size.low = parse_bytes(std::string_view(text).substr(0, dash));
    size.high = size.low;
    if (dash != std::string::npos) {
        size.kind = ValueSize::Kind::Range;
        size.high = parse_bytes(std::string_view(text).substr(dash + 1));
        if (size.high < size.low) {
            throw std::invalid_argument(fmt::format("the range '{}' ends before it starts", text));
        }
    }
    return size;
}

bool parse_options(int argc, char** argv, Options& options, int& exit_code) {
    CLI::App app{
        "Load generator for servers that speak memcached's text protocol.\n"
        "Measures throughput, latency and, with --server-pid, the server's CPU time per "
        "operation.",
        "shardmill-bench"};
    app.set_version_flag("-V,--version", std::string("shardmill-bench ") + SHARDMILL_VERSION);
    Texts texts;
    add_options(app, options, texts);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        exit_code = app.exit(error) == 0 ? 0 : 2;
        return false;
    }
    try {
        options.server = client::Address::parse(texts.server);
        options.value_size = parse_value_size(texts.value_size);
        parse_ratio(texts.ratio, options);
        parse_distribution(texts.distribution, options);
        check(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "shardmill-bench: {}\n", error.what());
        exit_code = 2;
        return false;
    }
    if (options.prefill_only) options.prefill = true;
    return true;
}

}  // namespace shardmill::bench
