#include "config/option_table.h"

#include <fmt/format.h>

#include "config/values.h"

namespace shardmill::config {
namespace {

const OptionSpec* find_in(std::span<const OptionGroup> groups, auto matches) {
    for (const OptionGroup& group : groups) {
        for (const OptionSpec& spec : group.options) {
            if (matches(spec)) return &spec;
        }
    }
    return nullptr;
}

std::unexpected<Refusal> refuse_whole(std::string text) {
    return std::unexpected(Refusal{kExitFailure, "shardmill: " + text + "\n", true});
}

/// One `key` or `key=value`.
Applied apply_suboption(Draft& draft, std::string_view part) {
    const auto equals = part.find('=');
    const bool has_value = equals != std::string_view::npos;
    const std::string_view key = part.substr(0, equals);
    const OptionSpec* spec = find_suboption(key);
    if (key.starts_with("proxy_")) {
        return refuse_whole(fmt::format("-o {}: there is no proxy in this server", key));
    }
    if (spec == nullptr) {
        return refuse_whole(
            fmt::format("-o: unknown suboption '{}'; 'shardmill -h' lists what there is", key));
    }
    if (spec->needs_value() && !has_value) {
        return refuse_whole(
            fmt::format("-o {0}: the value is missing; give -o {0}=<{1}>", key, spec->value_name));
    }
    if (!spec->takes_value() && has_value) {
        draft.config.warnings.push_back(
            fmt::format("-o {}: takes no value; '{}' is read as {}", key, part, key));
    }
    return apply_option(draft, *spec, fmt::format("-o {}", key),
                        has_value ? part.substr(equals + 1) : std::string_view{});
}

}  // namespace

std::span<const OptionGroup> option_groups() {
    static const OptionGroup kGroups[] = {
        {"Listening", listening_options()},
        {"Protection", protection_options()},
        {"Memory and threads", memory_options()},
        {"Process", process_options()},
        {"Tuning of memcached, without effect here", tuning_options()},
    };
    return kGroups;
}

std::span<const OptionGroup> suboption_groups() {
    static const OptionGroup kGroups[] = {
        {"Snapshots, batch jobs, shards", own_suboptions()},
        {"Connections and statistics", connection_suboptions()},
        {"TLS (with -Z)", tls_suboptions()},
        {"Tuning of memcached, without effect here", tuning_suboptions()},
        {"External storage (ext_*) of memcached, without effect here", storage_suboptions()},
    };
    return kGroups;
}

const OptionSpec* find_option(char letter) {
    return find_in(option_groups(),
                   [letter](const OptionSpec& spec) { return spec.letter == letter; });
}

const OptionSpec* find_suboption(std::string_view name) {
    return find_in(suboption_groups(),
                   [name](const OptionSpec& spec) { return spec.name == name; });
}

Applied apply_option(Draft& draft, const OptionSpec& spec, std::string_view option,
                     std::string_view value) {
    if (auto applied = spec.apply(draft, value); !applied) {
        if (applied.error().complete) return applied;
        return std::unexpected(Refusal{
            applied.error().code,
            fmt::format("shardmill: {}: '{}' is not allowed; {}\n", option, value,
                        applied.error().text),
            true,
        });
    }
    if (!draft.read_as.empty()) {
        draft.config.warnings.push_back(
            fmt::format("{}: '{}' is read as {}", option, value, draft.read_as));
        draft.read_as.clear();
    }
    if (spec.effect == OptionSpec::Effect::None) {
        const char* const sign = spec.letter == 0 ? "=" : " ";
        draft.config.without_effect.push_back(
            value.empty() ? std::string(option) : fmt::format("{}{}{}", option, sign, value));
    }
    return {};
}

Applied apply_suboptions(Draft& draft, std::string_view list) {
    // A comma at the end closes the list; an empty part elsewhere is a slip.
    while (!list.empty()) {
        const auto comma = list.find(',');
        if (auto applied = apply_suboption(draft, list.substr(0, comma)); !applied) return applied;
        list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
    }
    return {};
}

}  // namespace shardmill::config
