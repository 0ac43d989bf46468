#include "engine/batch_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <bitset>

#include "base/number.h"

namespace shardmill::engine {
namespace {

using Parsed = std::expected<void, std::string>;

constexpr std::size_t kCommandBytes = 6;  // "batch "
constexpr std::size_t kMaxNameBytes = 64;

constexpr unsigned verb_bit(BatchVerb verb) { return 1u << static_cast<unsigned>(verb); }

struct VerbSpec {
    std::string_view word;
    BatchVerb verb;
    const char* argument;  // what must follow, nullptr: nothing
};
constexpr VerbSpec kVerbs[] = {
    {"run", BatchVerb::Run, "pipeline"},      {"plan", BatchVerb::Plan, "pipeline"},
    {"stat", BatchVerb::Stat, "job"},         {"wait", BatchVerb::Wait, "job"},
    {"get", BatchVerb::Get, "job"},           {"stop", BatchVerb::Stop, "job"},
    {"drop", BatchVerb::Drop, "job"},         {"list", BatchVerb::List, nullptr},
    {"kernels", BatchVerb::Kernels, nullptr},
};

Parsed take_number(std::string_view text, std::uint64_t max, std::optional<std::uint64_t>& out) {
    const auto number = base::parse_number<std::uint64_t>(text);
    if (!number || *number > max) {
        return std::unexpected(fmt::format("needs a number up to {}", max));
    }
    out = *number;
    return {};
}

Parsed take_milliseconds(std::string_view text, std::optional<std::chrono::milliseconds>& out) {
    constexpr std::uint64_t kMaxMs = 30ull * 24 * 3600 * 1000;
    std::optional<std::uint64_t> number;
    if (Parsed taken = take_number(text, kMaxMs, number); !taken) {
        return std::unexpected("needs a time in milliseconds");
    }
    out = std::chrono::milliseconds(*number);
    return {};
}

Parsed take_bytes(std::string_view text, std::optional<std::uint64_t>& out) {
    unsigned shift = 0;
    if (text.ends_with('k')) shift = 10;
    if (text.ends_with('m')) shift = 20;
    if (text.ends_with('g')) shift = 30;
    if (shift != 0) text.remove_suffix(1);
    std::optional<std::uint64_t> number;
    if (!take_number(text, (std::uint64_t{1} << 62) >> shift, number)) {
        return std::unexpected("needs a size in bytes; k, m and g may follow the number");
    }
    out = *number << shift;
    return {};
}

Parsed take_name(std::string_view text, std::string_view& out) {
    const bool plain = text.find_first_not_of(
                           "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
                       std::string_view::npos;
    if (text.empty() || text.size() > kMaxNameBytes || !plain) {
        return std::unexpected(
            fmt::format("needs 1 to {} letters, digits, '_', '.' or '-'", kMaxNameBytes));
    }
    out = text;
    return {};
}

Parsed take_page(std::string_view text, std::uint64_t min, std::uint64_t max, std::uint64_t& out) {
    const auto number = base::parse_number<std::uint64_t>(text);
    if (!number || *number < min || *number > max) {
        return std::unexpected(fmt::format("needs a number from {} to {}", min, max));
    }
    out = *number;
    return {};
}

Parsed take_flag(std::string_view text, bool& out) {
    if (text != "0" && text != "1") return std::unexpected("needs 0 or 1");
    out = text == "1";
    return {};
}

/// `0-3,7`
Parsed take_shards(std::string_view text, std::vector<std::uint32_t>& out) {
    constexpr const char* kNeeds = "needs shards counted from 0, such as 0-3,7";
    constexpr std::uint32_t kShardsMax = 1024;
    std::bitset<kShardsMax> named;
    while (!text.empty()) {
        const std::string_view range = text.substr(0, text.find(','));
        text.remove_prefix(std::min(range.size() + 1, text.size()));
        const auto dash = range.find('-');
        const auto first = base::parse_number<std::uint32_t>(range.substr(0, dash));
        const auto last = dash == std::string_view::npos
                              ? first
                              : base::parse_number<std::uint32_t>(range.substr(dash + 1));
        if (!first || !last || *first > *last || *last >= kShardsMax) {
            return std::unexpected(kNeeds);
        }
        for (std::uint32_t shard = *first; shard <= *last; ++shard) named.set(shard);
    }
    for (std::uint32_t shard = 0; shard < kShardsMax; ++shard) {
        if (named.test(shard)) out.push_back(shard);
    }
    if (out.empty()) return std::unexpected(kNeeds);
    return {};
}

Parsed take_view(BatchCommand& command, std::string_view text) {
    if (text != "start" && text != "live") return std::unexpected("is start or live");
    command.live = text == "live";
    return {};
}

Parsed take_cpu(BatchCommand& command, std::string_view text) {
    if (text.ends_with('%')) text.remove_suffix(1);
    const auto percent = base::parse_number<std::uint32_t>(text);
    if (!percent || *percent == 0 || *percent > 100) {
        return std::unexpected("needs a percentage from 1 to 100");
    }
    command.cpu_percent = *percent;
    return {};
}

/// `20k` items or `5mb` bytes a second.
Parsed take_rate(BatchCommand& command, std::string_view text) {
    const bool bytes = text.ends_with('b');
    if (bytes) text.remove_suffix(1);
    std::optional<std::uint64_t> rate;
    if (!take_bytes(text, rate) || *rate == 0) {
        return std::unexpected(
            "needs items a second (5000, 20k) or, with a b behind, bytes (500kb, 5mb)");
    }
    (bytes ? command.rate_bytes : command.rate_items) = *rate;
    return {};
}

Parsed take_errors(BatchCommand& command, std::string_view text) {
    if (text == "skip") {
        command.errors.reset();
        return {};
    }
    if (text == "stop") text = "0";
    if (!take_number(text, ~std::uint64_t{0}, command.errors)) {
        return std::unexpected("is skip, stop or a number of items");
    }
    return {};
}

Parsed take_target(BatchCommand& command, std::string_view text) {
    constexpr std::size_t kMaxPrefixBytes = 200;
    if (text == "result") return {};
    const auto colon = text.find(':');
    const std::string_view kind = text.substr(0, colon);
    command.to_text = colon == std::string_view::npos ? std::string_view{} : text.substr(colon + 1);
    if (kind == "items" && !command.to_text.empty() && command.to_text.size() <= kMaxPrefixBytes) {
        command.to = RowTarget::Items;
        return {};
    }
    if (kind == "snapshot" && take_name(command.to_text, command.to_text)) {
        command.to = RowTarget::Snapshot;
        return {};
    }
    return std::unexpected("is result, items:<prefix> or snapshot:<name>");
}

Parsed take_partial(BatchCommand& command, std::string_view text) {
    constexpr std::string_view kMerge = "merge:";
    if (text == "save") {
        command.partial = PartialMode::Save;
        return {};
    }
    if (!text.starts_with(kMerge) || text.size() == kMerge.size()) {
        return std::unexpected("is save or merge:<key prefix of saved partials>");
    }
    command.partial = PartialMode::Merge;
    command.partial_prefix = text.substr(kMerge.size());
    return {};
}

Parsed take_ttl(BatchCommand& command, std::string_view text) {
    constexpr std::uint64_t kMaxSeconds = 10ull * 366 * 24 * 3600;
    return take_page(text, 1, kMaxSeconds, command.ttl);
}

struct OptionSpec {
    std::string_view name;
    unsigned verbs;
    bool of_the_job;  // it is part of what the job is, see BatchCommand::settings
    Parsed (*apply)(BatchCommand& command, std::string_view value);
};
constexpr unsigned kRun = verb_bit(BatchVerb::Run);
constexpr unsigned kRunPlan = kRun | verb_bit(BatchVerb::Plan);
constexpr unsigned kGet = verb_bit(BatchVerb::Get);
constexpr std::uint64_t kMaxPageBytes = 16u << 20;
constexpr OptionSpec kOptions[] = {
    {"prefix", kRunPlan, false,
     [](BatchCommand& c, std::string_view v) -> Parsed {
         c.prefix = v;
         return {};
     }},
    {"glob", kRunPlan, false,
     [](BatchCommand& c, std::string_view v) -> Parsed {
         c.glob = v;
         return {};
     }},
    // Has done its work when the payload was read.
    {"payload", kRunPlan, false, [](BatchCommand&, std::string_view) -> Parsed { return {}; }},
    {"name", kRunPlan, false,
     [](BatchCommand& c, std::string_view v) { return take_name(v, c.name); }},
    {"shards", kRunPlan, true,
     [](BatchCommand& c, std::string_view v) { return take_shards(v, c.shards); }},
    {"view", kRunPlan, true, take_view},
    {"cpu", kRunPlan, true, take_cpu},
    {"rate", kRunPlan, true, take_rate},
    {"limit", kRunPlan, true,
     [](BatchCommand& c, std::string_view v) {
         return take_number(v, ~std::uint64_t{0}, c.limit);
     }},
    {"deadline", kRunPlan, true,
     [](BatchCommand& c, std::string_view v) { return take_milliseconds(v, c.deadline); }},
    {"memory", kRunPlan, true,
     [](BatchCommand& c, std::string_view v) { return take_bytes(v, c.memory); }},
    {"groups", kRunPlan, true,
     [](BatchCommand& c, std::string_view v) { return take_number(v, 1ull << 40, c.groups); }},
    {"errors", kRunPlan, true, take_errors},
    {"to", kRunPlan, true, take_target},
    {"partial", kRunPlan, true, take_partial},
    {"ttl", kRunPlan, true, take_ttl},
    {"dry", kRunPlan, true,
     [](BatchCommand& c, std::string_view v) { return take_flag(v, c.dry); }},
    {"wait", kRun, false,
     [](BatchCommand& c, std::string_view v) { return take_milliseconds(v, c.wait); }},
    {"attached", kRun, false,
     [](BatchCommand& c, std::string_view v) { return take_flag(v, c.attached); }},
    {"timeout", verb_bit(BatchVerb::Wait), false,
     [](BatchCommand& c, std::string_view v) { return take_milliseconds(v, c.timeout); }},
    {"from", kGet, false,
     [](BatchCommand& c, std::string_view v) {
         return take_page(v, 0, ~std::uint64_t{0}, c.from);
     }},
    {"rows", kGet, false,
     [](BatchCommand& c, std::string_view v) {
         return take_page(v, 1, ~std::uint64_t{0}, c.rows);
     }},
    {"bytes", kGet, false,
     [](BatchCommand& c, std::string_view v) { return take_page(v, 1, kMaxPageBytes, c.bytes); }},
    {"time", kGet, false,
     [](BatchCommand& c, std::string_view v) -> Parsed {
         std::uint64_t ms = 0;
         if (auto taken = take_page(v, 1, 60'000, ms); !taken) return taken;
         c.time = std::chrono::milliseconds(ms);
         return {};
     }},
};

/// The words of the line, with the character each begins at.
class Words {
 public:
    explicit Words(std::string_view text) : text_(text) {}

    std::string_view next() {
        at_ = std::min(text_.find_first_not_of(' ', at_ + word_.size()), text_.size());
        word_ = text_.substr(at_, text_.find(' ', at_) - at_);
        return word_;
    }
    std::size_t character() const { return kCommandBytes + at_ + 1; }

 private:
    std::string_view text_;
    std::string_view word_;
    std::size_t at_ = 0;
};

const VerbSpec* find_verb(std::string_view word) {
    for (const VerbSpec& spec : kVerbs) {
        if (spec.word == word) return &spec;
    }
    return nullptr;
}

const OptionSpec* find_option(std::string_view name, BatchVerb verb) {
    for (const OptionSpec& spec : kOptions) {
        if (spec.name == name && (spec.verbs & verb_bit(verb)) != 0) return &spec;
    }
    return nullptr;
}

Parsed take_option(BatchCommand& command, const VerbSpec& verb, std::string_view word,
                   std::size_t character) {
    const auto equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    const OptionSpec* option = find_option(name, command.verb);
    if (option == nullptr) {
        return std::unexpected(
            fmt::format("batch {} has no option '{}' at character {}", verb.word, name, character));
    }
    if (equals == std::string_view::npos) {
        return std::unexpected(
            fmt::format("option '{}' needs =<value> at character {}", name, character));
    }
    if (Parsed applied = option->apply(command, word.substr(equals + 1)); !applied) {
        return std::unexpected(fmt::format("option '{}' {} at character {}", name, applied.error(),
                                           character + equals + 1));
    }
    if (option->of_the_job) {
        if (!command.settings.empty()) command.settings += ' ';
        command.settings += word;
    }
    return {};
}

}  // namespace

std::expected<BatchCommand, std::string> parse_batch(std::string_view arguments,
                                                     std::string_view payload) {
    Words words(arguments);
    const std::string_view word = words.next();
    const VerbSpec* verb = find_verb(word);
    if (verb == nullptr) {
        return std::unexpected(
            fmt::format("unknown batch verb '{}' at character {}; there are run plan stat wait get "
                        "stop drop list kernels",
                        word, words.character()));
    }
    BatchCommand command;
    command.verb = verb->verb;
    if (verb->argument != nullptr) {
        command.argument = words.next();
        if (command.argument.empty()) {
            return std::unexpected(fmt::format("batch {} needs a {} at character {}", word,
                                               verb->argument, words.character()));
        }
    }
    for (std::string_view option = words.next(); !option.empty(); option = words.next()) {
        if (Parsed taken = take_option(command, *verb, option, words.character()); !taken) {
            return std::unexpected(std::move(taken.error()));
        }
    }
    if (command.argument == "-" && verb->argument == std::string_view("pipeline")) {
        if (payload.empty())
            return std::unexpected("'-' needs payload=<bytes> and the pipeline behind the line");
        command.argument = payload;
    }
    return command;
}

}  // namespace shardmill::engine
