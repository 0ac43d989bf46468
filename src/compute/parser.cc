#include "compute/parser.h"

#include <fmt/format.h>

#include <array>

#include "base/number.h"
#include "compute/expression_parser.h"

namespace shardmill::compute {

namespace {

class PipelineParser {
 public:
    PipelineParser(std::string_view text, const Registry& registry) noexcept
        : scanner_(text), registry_(registry) {}

    Parsed<ast::Pipeline> parse() {
        do {
            if (const auto stage = parse_stage(); !stage) return std::unexpected(stage.error());
        } while (scanner_.take("|"));
        if (!scanner_.at_end()) return scanner_.expected("| or the end");
        if (pipeline_.aggregates.empty() && !pipeline_.kernel) {
            return scanner_.error(pipeline_.groups.empty() ? "the pipeline needs agg or a kernel"
                                                           : "by needs agg");
        }
        return std::move(pipeline_);
    }

 private:
    using Status = Parsed<void>;

    /// How far the pipeline has got: stages come in this order, those of one kind only once except
    /// filters.
    enum class Step : std::uint8_t { Filter, Group, Work, Having, Order, Limit };

    struct Stage {
        std::string_view name;
        Step step;
        Status (PipelineParser::*parse)();
    };
    static const std::array<Stage, 10> kStages;

    Status parse_stage() {
        scanner_.skip_space();
        start_ = scanner_.position();
        const std::string_view name = scanner_.take_name();
        if (name.empty())
            return scanner_.expected(
                "a stage (prefix, glob, re, sample, where, by, agg, having, order, limit or a "
                "kernel)");
        for (const Stage& stage : kStages) {
            if (stage.name != name) continue;
            if (const auto status = enter(stage.step, name); !status) return status;
            if (!scanner_.take(":"))
                return scanner_.expected(fmt::format("a colon after {}", name));
            return (this->*stage.parse)();
        }
        if (registry_.find(name) == nullptr) {
            return Scanner::error_at(
                start_, fmt::format("no stage or kernel is named {}", printable(name)));
        }
        if (!pipeline_.groups.empty()) return Scanner::error_at(start_, "by is followed by agg");
        if (const auto status = enter(Step::Work, name); !status) return status;
        return parse_kernel(name);
    }

    Status enter(Step step, std::string_view name) {
        const bool again = begun_ && step == step_ && step != Step::Filter;
        if (again || (begun_ && step < step_)) {
            return Scanner::error_at(
                start_,
                fmt::format(
                    "{} cannot stand here: filters come first, then by and agg or a kernel, then "
                    "having, order and limit",
                    printable(name)));
        }
        if (step > Step::Work && pipeline_.aggregates.empty() && !pipeline_.kernel) {
            return Scanner::error_at(start_, "agg or a kernel comes first");
        }
        begun_ = true;
        step_ = step;
        return {};
    }

    Parsed<ast::RawText> parse_raw(Scanner::Raw kind, std::string_view what) {
        scanner_.skip_space();
        ast::RawText raw{.position = scanner_.position()};
        auto text = scanner_.take_raw(kind, raw.quoted);
        if (!text) return std::unexpected(text.error());
        raw.text = std::move(*text);
        if (raw.text.empty())
            return Scanner::error_at(raw.position, fmt::format("expected {}", what));
        return raw;
    }

    Status add_raw(std::vector<ast::RawText>& list, Scanner::Raw kind, std::string_view what) {
        auto raw = parse_raw(kind, what);
        if (!raw) return std::unexpected(raw.error());
        list.push_back(std::move(*raw));
        return {};
    }

    Status parse_prefix() { return add_raw(pipeline_.prefixes, Scanner::Raw::Plain, "a prefix"); }
    Status parse_glob() { return add_raw(pipeline_.globs, Scanner::Raw::Glob, "a pattern"); }
    Status parse_re() {
        return add_raw(pipeline_.patterns, Scanner::Raw::Regex, "a regular expression");
    }

    Status parse_sample() {
        scanner_.skip_space();
        const std::size_t start = scanner_.position();
        const Value number = parse_number_text(scanner_.take_number());
        const double fraction = kernel::is_null(number) ? 0 : as_double(number);
        if (!(fraction > 0 && fraction <= 1))
            return Scanner::error_at(start, "expected a fraction above 0 and at most 1");
        pipeline_.samples.push_back(fraction);
        return {};
    }

    Status parse_where() {
        auto condition = parse_condition(scanner_);
        if (!condition) return std::unexpected(condition.error());
        pipeline_.conditions.push_back(std::move(*condition));
        return {};
    }

    template <typename Element, typename Parse>
    Status parse_list(std::vector<Element>& list, Parse&& parse) {
        do {
            if (list.size() == kMaxListed)
                return scanner_.error(fmt::format("more than {} in one list", kMaxListed));
            auto element = parse();
            if (!element) return std::unexpected(element.error());
            list.push_back(std::move(*element));
        } while (scanner_.take(","));
        return {};
    }

    Status parse_by() {
        return parse_list(pipeline_.groups, [this] { return parse_expression(scanner_); });
    }

    Status parse_agg() {
        return parse_list(pipeline_.aggregates, [this]() -> Parsed<ast::Aggregate> {
            auto aggregate = parse_aggregate(scanner_);
            for (const ast::Aggregate& other : pipeline_.aggregates) {
                if (!aggregate || other.text != aggregate->text) continue;
                return Scanner::error_at(aggregate->position, fmt::format("{} is asked for twice",
                                                                          printable(other.text)));
            }
            return aggregate;
        });
    }

    Status parse_kernel(std::string_view name) {
        pipeline_.kernel = ast::KernelCall{.position = start_, .name = std::string(name)};
        if (!scanner_.take(":")) return {};
        return parse_list(pipeline_.kernel->arguments,
                          [this] { return parse_expression(scanner_); });
    }

    Status parse_having() {
        auto condition = parse_condition(scanner_, Scope::Row);
        if (!condition) return std::unexpected(condition.error());
        pipeline_.having = std::move(*condition);
        return {};
    }

    Status parse_order() {
        return parse_list(pipeline_.order, [this]() -> Parsed<ast::Order> {
            const bool descending = scanner_.take("-");
            auto column = parse_raw(Scanner::Raw::Listed, "a column");
            if (!column) return std::unexpected(column.error());
            return ast::Order{std::move(*column), descending};
        });
    }

    Status parse_limit() {
        scanner_.skip_space();
        const std::size_t start = scanner_.position();
        const auto limit = base::parse_number<std::uint64_t>(scanner_.take_number());
        if (!limit || *limit == 0)
            return Scanner::error_at(start, "expected a number of rows above 0");
        pipeline_.limit = *limit;
        return {};
    }

    Scanner scanner_;
    const Registry& registry_;
    ast::Pipeline pipeline_;
    std::size_t start_ = 0;  // of the stage at hand
    Step step_ = Step::Filter;
    bool begun_ = false;
};

const std::array<PipelineParser::Stage, 10> PipelineParser::kStages = {{
    {"prefix", Step::Filter, &PipelineParser::parse_prefix},
    {"glob", Step::Filter, &PipelineParser::parse_glob},
    {"re", Step::Filter, &PipelineParser::parse_re},
    {"sample", Step::Filter, &PipelineParser::parse_sample},
    {"where", Step::Filter, &PipelineParser::parse_where},
    {"by", Step::Group, &PipelineParser::parse_by},
    {"agg", Step::Work, &PipelineParser::parse_agg},
    {"having", Step::Having, &PipelineParser::parse_having},
    {"order", Step::Order, &PipelineParser::parse_order},
    {"limit", Step::Limit, &PipelineParser::parse_limit},
}};

}  // namespace

Parsed<ast::Pipeline> parse_pipeline(std::string_view text, const Registry& registry) {
    if (text.size() > kMaxPipelineBytes) {
        return Scanner::error_at(kMaxPipelineBytes,
                                 fmt::format("longer than {} bytes", kMaxPipelineBytes));
    }
    return PipelineParser(text, registry).parse();
}

}  // namespace shardmill::compute
