#include "compute/kernel_reducer.h"

#include <fmt/format.h>

#include <cstring>

#include "base/assert.h"

namespace shardmill::compute {

namespace {

/// A kernel's text goes into a protocol line.
std::string text_of(const shardmill_error& error) {
    const std::string_view text(error.text, strnlen(error.text, sizeof error.text));
    return text.empty() ? "failed without saying why" : printable(text);
}

struct RowSink {
    RowTable& rows;
    std::size_t columns;
    Status status;
};

int emit_row(void* context, const shardmill_row* row) {
    auto& sink = *static_cast<RowSink*>(context);
    std::optional<std::string_view> value;
    if (row->value != nullptr) value.emplace(row->value, row->value_bytes);
    sink.status = sink.rows.add({row->key, row->key_bytes}, value, {row->columns, sink.columns},
                                row->client_flags, row->exptime);
    return sink.status ? 0 : 1;
}

}  // namespace

Parsed<std::unique_ptr<KernelPlan>> KernelPlan::open(const ast::KernelCall& call,
                                                     const Registry& registry, PathSet& paths) {
    const shardmill_kernel* const kernel = registry.find(call.name);
    SHARDMILL_ASSERT(kernel != nullptr);  // the parser has looked it up
    std::unique_ptr<KernelPlan> plan(new KernelPlan(*kernel));
    std::vector<shardmill_argument> arguments;
    plan->arguments_.reserve(call.arguments.size());
    for (const ast::Expr& expr : call.arguments) {
        const Expression& expression =
            plan->arguments_.emplace_back(Expression::compile(expr, paths));
        shardmill_argument& argument = arguments.emplace_back();
        argument.kind =
            expression.is_literal() ? SHARDMILL_ARGUMENT_LITERAL : SHARDMILL_ARGUMENT_EXPRESSION;
        argument.text = expression.text().data();
        argument.text_bytes = static_cast<std::uint32_t>(expression.text().size());
        if (expression.is_literal()) argument.value = expression.literal();
    }
    shardmill_opened opened{};
    shardmill_error error{};
    if (kernel->open(arguments.data(), arguments.size(), &opened, &error) != 0) {
        const bool known = error.argument > 0 && error.argument <= call.arguments.size();
        return Scanner::error_at(
            known ? call.arguments[error.argument - 1].position : call.position,
            fmt::format("{}: {}", call.name, text_of(error)));
    }
    plan->opened_ = true;
    plan->state_ = opened.state;
    for (std::uint32_t column = 0; column < opened.column_count; ++column) {
        plan->columns_.emplace_back(opened.columns[column]);
    }
    return plan;
}

KernelPlan::~KernelPlan() {
    if (opened_) kernel_->close(state_);
}

KernelReducer::KernelReducer(const KernelPlan& plan, PartialAccount& account)
    : plan_(plan),
      account_(account),
      storage_(plan.arguments().size()),
      column_views_(plan.arguments().size()) {
    for (std::size_t index = 0; index < column_views_.size(); ++index) {
        if (!plan.arguments()[index].is_literal()) column_views_[index] = storage_[index].data();
    }
}

KernelReducer::~KernelReducer() {
    if (partial_ != nullptr) plan_.kernel().drop(partial_);
}

std::expected<std::unique_ptr<KernelReducer>, JobError> KernelReducer::start(
    const KernelPlan& plan, PartialAccount& account) {
    std::unique_ptr<KernelReducer> reducer(new KernelReducer(plan, account));
    shardmill_error error{};
    const int result =
        plan.kernel().start(plan.state(), account.host(), &reducer->partial_, &error);
    if (const Status started = reducer->status(result, error); !started) {
        reducer->partial_ = nullptr;
        return std::unexpected(started.error());
    }
    return reducer;
}

Status KernelReducer::status(int result, const shardmill_error& error, JobErrorKind kind) const {
    if (result == 0) return {};
    if (auto bound = account_.error()) return std::unexpected(std::move(*bound));
    return std::unexpected(
        JobError{kind, fmt::format("{}: {}", plan_.kernel().name, text_of(error))});
}

Status KernelReducer::map(const Block& block) {
    for (std::size_t index = 0; index < storage_.size(); ++index) {
        if (column_views_[index] != nullptr)
            plan_.arguments()[index].evaluate(block, storage_[index]);
    }
    shardmill_block view{};
    view.items = block.items.data();
    view.columns = column_views_.data();
    view.count = block.count;
    view.column_count = static_cast<std::uint32_t>(column_views_.size());
    view.now = block.now;
    shardmill_error error{};
    return status(plan_.kernel().map(partial_, &view, &error), error);
}

Status KernelReducer::merge(Reducer& other) {
    shardmill_error error{};
    return status(
        plan_.kernel().merge(partial_, static_cast<KernelReducer&>(other).partial_, &error), error);
}

Status KernelReducer::save(shardmill_write_function write, void* context) {
    shardmill_error error{};
    return status(plan_.kernel().save(partial_, write, context, &error), error);
}

Status KernelReducer::load(std::string_view bytes) {
    shardmill_error error{};
    return status(plan_.kernel().load(partial_, bytes.data(), bytes.size(), &error), error,
                  JobErrorKind::BadPartial);
}

Status KernelReducer::finish(RowTable& rows) {
    RowSink sink{rows, plan_.columns().size(), {}};
    shardmill_error error{};
    const int result = plan_.kernel().finish(partial_, &emit_row, &sink, &error);
    // A kernel that goes on after its emit has failed must not hide a missing row.
    if (!sink.status) return sink.status;
    return status(result, error);
}

}  // namespace shardmill::compute
