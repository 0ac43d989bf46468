#include "config/option_values.h"

namespace shardmill::config {
namespace {

constexpr auto kNone = OptionSpec::Effect::None;

constexpr OptionSpec kOptions[] = {
    {'f', "slab-growth-factor", "num", "chunk size growth factor (default: 1.25)",
     [](Draft& d, std::string_view v) {
         return take_leading_fraction(
             d, v, [](double factor) { return factor > 1.0; }, "give a number greater than 1",
             d.config.tuning.growth_factor);
     },
     kNone},
    {'n', "slab-min-size", "bytes", "min space used for key+value+flags (default: 48)",
     [](Draft& d, std::string_view v) {
         return take_leading(d, v, 1, INT32_MAX, d.config.tuning.chunk_bytes);
     },
     kNone},
    {'N', "napi-ids", "num", "number of napi_ids; at most -t",
     [](Draft& d, std::string_view v) {
         return take_leading(d, v, 1, INT32_MAX, d.config.tuning.napi_ids);
     },
     kNone},
};

}  // namespace

std::span<const OptionSpec> tuning_options() { return kOptions; }

}  // namespace shardmill::config
