#include "compute/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/hash.h"
#include "compute/parser.h"
#include "compute/program_impl.h"
#include "compute/row_names.h"

namespace shardmill::compute {

namespace {

using Impl = Program::Impl;

/// The parts of a top-level `&` one by one: each can then run as early as what it touches allows.
void split_conjunction(ast::Condition& condition, std::vector<ast::Condition*>& out) {
    if (condition.kind != ast::ConditionKind::And) {
        out.push_back(&condition);
        return;
    }
    for (ast::Condition& part : condition.parts) split_conjunction(part, out);
}

class Compiler {
 public:
    Compiler(ast::Pipeline pipeline, const Registry& registry)
        : pipeline_(std::move(pipeline)), registry_(registry), impl_(std::make_unique<Impl>()) {}

    Parsed<std::unique_ptr<Impl>> compile(const KeySelection& selection) {
        for (const auto step :
             {&Compiler::compile_keys, &Compiler::compile_conditions, &Compiler::compile_groups,
              &Compiler::compile_kernel, &Compiler::compile_rows}) {
            if (auto done = (this->*step)(selection); !done) return std::unexpected(done.error());
        }
        if (impl_->paths.size() > PathSet::kMaxPaths) {
            return std::unexpected(
                PipelineError{PipelineError::kNoPosition,
                              fmt::format("more than {} different paths", PathSet::kMaxPaths)});
        }
        return std::move(impl_);
    }

 private:
    using Status = Parsed<void>;

    void note(Touches touches) noexcept { impl_->touches = impl_->touches | touches; }

    Status compile_keys(const KeySelection& selection) {
        if (!selection.prefix.empty()) impl_->prefixes.emplace_back(selection.prefix);
        for (ast::RawText& prefix : pipeline_.prefixes)
            impl_->prefixes.push_back(std::move(prefix.text));
        if (!selection.glob.empty()) {
            auto glob = Glob::compile(selection.glob);
            if (!glob) {
                return std::unexpected(
                    PipelineError{PipelineError::kNoPosition, "glob=: " + glob.error().message});
            }
            impl_->globs.push_back(std::move(*glob));
        }
        for (const ast::RawText& pattern : pipeline_.globs) {
            auto glob = Glob::compile(pattern.text);
            if (!glob) {
                const std::size_t offset = pattern.quoted ? 0 : glob.error().position;
                return Scanner::error_at(pattern.position + offset, glob.error().message);
            }
            impl_->globs.push_back(std::move(*glob));
        }
        for (const ast::RawText& text : pipeline_.patterns) {
            auto pattern = Pattern::compile(text);
            if (!pattern) return std::unexpected(pattern.error());
            impl_->patterns.push_back(std::move(*pattern));
        }
        for (const double fraction : pipeline_.samples) {
            if (fraction == 1) continue;  // 2^64 of them is more than a number holds
            const auto below = static_cast<std::uint64_t>(std::ldexp(fraction, 64));
            impl_->sample = std::min(impl_->sample.value_or(below), below);
        }
        if (impl_->filters_keys()) note(Touches::Key);
        return {};
    }

    Status compile_conditions(const KeySelection&) {
        std::vector<ast::Condition*> parts;
        for (ast::Condition& condition : pipeline_.conditions) split_conjunction(condition, parts);
        for (const ast::Condition* part : parts) {
            auto condition = Condition::compile(*part, impl_->paths);
            if (!condition) return std::unexpected(condition.error());
            note(condition->touches());
            auto& list = has(condition->touches(), Touches::Fields) ? impl_->field_conditions
                                                                    : impl_->plain_conditions;
            const auto cost = [](const Condition& one) {
                return std::pair(one.touches(), one.searches());
            };
            const auto later = std::ranges::find_if(
                list, [&](const Condition& other) { return cost(other) > cost(*condition); });
            insert_before(list, later, std::move(*condition));
        }
        return {};
    }

    /// Conditions move but are not assigned, which vector::insert would ask for.
    static void insert_before(std::vector<Condition>& list, std::vector<Condition>::iterator place,
                              Condition condition) {
        std::vector<Condition> result;
        result.reserve(list.size() + 1);
        const auto at = place - list.begin();
        for (std::ptrdiff_t index = 0; index < at; ++index)
            result.push_back(std::move(list[index]));
        result.push_back(std::move(condition));
        for (std::size_t index = at; index < list.size(); ++index)
            result.push_back(std::move(list[index]));
        list = std::move(result);
    }

    Status compile_groups(const KeySelection&) {
        if (pipeline_.aggregates.empty()) return {};
        GroupPlan& plan = impl_->groups.emplace();
        for (const ast::Expr& expr : pipeline_.groups) {
            note(plan.groups.emplace_back(Expression::compile(expr, impl_->paths)).touches());
        }
        for (const ast::Aggregate& aggregate : pipeline_.aggregates) {
            note(plan.add(aggregate, impl_->paths));
            impl_->columns.push_back(aggregate.text);
            impl_->lists.push_back(plan.columns.back().is_list());
        }
        return {};
    }

    Status compile_kernel(const KeySelection&) {
        if (!pipeline_.kernel) return {};
        auto plan = KernelPlan::open(*pipeline_.kernel, registry_, impl_->paths);
        if (!plan) return std::unexpected(plan.error());
        impl_->kernel = std::move(*plan);
        impl_->action = action_of(*impl_->kernel);
        impl_->columns = impl_->kernel->columns();
        for (const Expression& argument : impl_->kernel->arguments()) note(argument.touches());
        note(Touches::Key);  // any kernel may look at it
        if (!impl_->kernel->has(SHARDMILL_KERNEL_NO_VALUES)) note(Touches::Bytes);
        if (impl_->kernel->has(SHARDMILL_KERNEL_USES_ACCESS)) note(Touches::Access);
        if (impl_->kernel->has(SHARDMILL_KERNEL_ORDERED)) impl_->ordered_by_kernel = true;
        return {};
    }

    Status compile_rows(const KeySelection&) {
        const RowNames names = row_names();
        if (pipeline_.having) {
            if (auto resolved = names.resolve(*pipeline_.having); !resolved) return resolved;
            PathSet none;
            auto having = Condition::compile(*pipeline_.having, none);
            if (!having) return std::unexpected(having.error());
            impl_->having.emplace(std::move(*having));
        }
        impl_->row_parts = names.part_count();
        for (const ast::Order& order : pipeline_.order) {
            const auto column = names.find(order.column.text, order.column.position);
            if (!column) return std::unexpected(column.error());
            impl_->order.push_back({.column = *column, .descending = order.descending});
        }
        if (!impl_->order.empty()) impl_->ordered_by_kernel = false;
        impl_->limit = pipeline_.limit;
        return {};
    }

    RowNames row_names() const {
        std::vector<std::string> groups;
        for (const ast::Expr& expr : pipeline_.groups) groups.push_back(expr.text);
        return RowNames(impl_->columns, std::move(groups), impl_->lists);
    }

    ast::Pipeline pipeline_;
    const Registry& registry_;
    std::unique_ptr<Impl> impl_;
};

}  // namespace

std::string PipelineError::text() const {
    if (position == kNoPosition) return message;
    return fmt::format("{} at character {}", message, position + 1);
}

Program::Program(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Program::~Program() = default;
const std::string& Program::text() const noexcept { return impl_->text; }
const std::vector<std::string>& Program::columns() const noexcept { return impl_->columns; }
Touches Program::touches() const noexcept { return impl_->touches; }
const std::optional<Action>& Program::action() const noexcept { return impl_->action; }

std::expected<std::shared_ptr<const Program>, PipelineError> compile(
    std::string_view pipeline, const Registry& registry, const KeySelection& selection) {
    auto parsed = parse_pipeline(pipeline, registry);
    if (!parsed) return std::unexpected(parsed.error());
    auto impl = Compiler(std::move(*parsed), registry).compile(selection);
    if (!impl) return std::unexpected(impl.error());
    (*impl)->text = pipeline;
    (*impl)->fingerprint =
        base::checksum(pipeline.data(), pipeline.size(),
                       base::hash_key(selection.prefix) ^ base::hash_key(selection.glob) * 3);
    return std::make_shared<const Program>(std::move(*impl));
}

}  // namespace shardmill::compute
