#pragma once

#include <cstdint>
#include <string>

#include "shardmill/client.hpp"

namespace shardmill::bench {

/// How long values are. The length of one key's value never changes, it follows from the key.
struct ValueSize {
    enum class Kind : std::uint8_t { Fixed, Range, Lognormal };
    Kind kind = Kind::Fixed;
    std::uint32_t low = 100;   // Fixed: the length; Range: smallest
    std::uint32_t high = 100;  // Range and Lognormal: largest
    double median = 0;         // Lognormal
    double sigma = 0;          // Lognormal, of the natural logarithm
};

enum class Distribution : std::uint8_t { Uniform, Zipf, Sequential };

/// Everything a run needs, checked. Immutable once parsed.
struct Options {
    client::Address server;
    unsigned connections = 50;
    unsigned threads = 1;
    unsigned pipeline = 1;
    unsigned ratio_set = 1;
    unsigned ratio_get = 10;
    std::uint64_t keys = 1'000'000;
    unsigned key_bytes = 24;
    std::string key_prefix = "key:";
    ValueSize value_size;
    std::int32_t exptime = 0;
    Distribution distribution = Distribution::Uniform;
    double zipf_theta = 0.99;
    unsigned multiget = 1;
    double duration_s = 10;
    std::uint64_t requests = 0;  // 0: run for duration_s
    double rate = 0;             // requests per second over all connections; 0: closed loop
    double warmup_s = 0;
    double timeout_s = 10;
    bool prefill = false;
    bool prefill_only = false;
    bool verify = false;
    bool json = false;
    int server_pid = 0;
    std::uint64_t seed = 1;
};

/// "100", "50-2000" or "lognormal:<median>,<sigma>[,<max>]"; throws std::invalid_argument with what
/// is wrong.
ValueSize parse_value_size(const std::string& text);

/// Parses and checks the command line. On `--help` or an error prints what is to be printed, sets
/// `exit_code` and returns false.
bool parse_options(int argc, char** argv, Options& options, int& exit_code);

}  // namespace shardmill::bench
