#include "config/option_values.h"

#include <filesystem>

namespace shardmill::config {

Applied take_leading_number(Draft& draft, std::string_view text, std::int64_t min, std::int64_t max,
                            std::int64_t& out, int code) {
    const auto number = parse_leading_integer(text);
    if (!number || number->value < min || number->value > max) {
        return refuse(code, fmt::format("give a whole number from {} to {}", min, max));
    }
    out = number->value;
    if (!number->whole) draft.read_as = fmt::format("{}", out);
    return {};
}

Applied take_leading_fraction(Draft& draft, std::string_view text, bool (*fits)(double),
                              const char* allowed, double& out) {
    const auto number = parse_leading_fraction(text);
    if (!number || !fits(number->value)) return refuse(kExitFailure, allowed);
    out = number->value;
    if (!number->whole) draft.read_as = fmt::format("{}", out);
    return {};
}

Applied take_path(std::string_view text, std::string& out) {
    if (text.empty()) return refuse(kExitFailure, "give a path");
    std::error_code error;
    out = std::filesystem::absolute(std::string(text), error).string();
    if (error) return refuse(kExitFailure, "give an absolute path");
    return {};
}

Applied take_directory(std::string_view text, std::string& out) {
    if (auto taken = take_path(text, out); !taken) return taken;
    std::error_code error;
    if (!std::filesystem::is_directory(out, error)) {
        return refuse(kExitFailure, "give a directory that exists");
    }
    return {};
}

}  // namespace shardmill::config
