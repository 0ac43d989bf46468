#include "engine/batch_parser.h"

#include <fmt/format.h>

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

Parsed take_rows(std::string_view text, std::uint64_t min, std::uint64_t& out) {
    const auto number = base::parse_number<std::uint64_t>(text);
    if (!number || *number < min) return std::unexpected("needs a number of rows");
    out = *number;
    return {};
}

struct OptionSpec {
    std::string_view name;
    unsigned verbs;
    Parsed (*apply)(BatchCommand& command, std::string_view value);
};
constexpr unsigned kRun = verb_bit(BatchVerb::Run);
constexpr unsigned kRunPlan = kRun | verb_bit(BatchVerb::Plan);
constexpr OptionSpec kOptions[] = {
    {"prefix", kRunPlan,
     [](BatchCommand& c, std::string_view v) -> Parsed {
         c.prefix = v;
         return {};
     }},
    {"glob", kRunPlan,
     [](BatchCommand& c, std::string_view v) -> Parsed {
         c.glob = v;
         return {};
     }},
    // Has done its work when the payload was read.
    {"payload", kRunPlan, [](BatchCommand&, std::string_view) -> Parsed { return {}; }},
    {"name", kRun, [](BatchCommand& c, std::string_view v) { return take_name(v, c.name); }},
    {"limit", kRun,
     [](BatchCommand& c, std::string_view v) {
         return take_number(v, ~std::uint64_t{0}, c.limit);
     }},
    {"wait", kRun,
     [](BatchCommand& c, std::string_view v) { return take_milliseconds(v, c.wait); }},
    {"deadline", kRun,
     [](BatchCommand& c, std::string_view v) { return take_milliseconds(v, c.deadline); }},
    {"memory", kRun, [](BatchCommand& c, std::string_view v) { return take_bytes(v, c.memory); }},
    {"groups", kRun,
     [](BatchCommand& c, std::string_view v) { return take_number(v, 1ull << 40, c.groups); }},
    {"errors", kRun,
     [](BatchCommand& c, std::string_view v) {
         return take_number(v, ~std::uint64_t{0}, c.errors);
     }},
    {"timeout", verb_bit(BatchVerb::Wait),
     [](BatchCommand& c, std::string_view v) { return take_milliseconds(v, c.timeout); }},
    {"from", verb_bit(BatchVerb::Get),
     [](BatchCommand& c, std::string_view v) { return take_rows(v, 0, c.from); }},
    {"rows", verb_bit(BatchVerb::Get),
     [](BatchCommand& c, std::string_view v) { return take_rows(v, 1, c.rows); }},
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
