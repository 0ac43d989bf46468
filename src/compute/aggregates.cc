#include "compute/aggregates.h"

#include <fmt/format.h>

namespace shardmill::compute {

namespace {

using ast::AggregateKind;

struct Family {
    std::string_view name;
    std::unique_ptr<Accumulator> (*make)(const ast::Aggregate&, PathSet&);
    bool parameter = false;  // it is part of the state
};

Family family_of(AggregateKind kind) {
    switch (kind) {
        case AggregateKind::Count:
            return {"count", make_count};
        case AggregateKind::Sum:
        case AggregateKind::Average:
            return {"sum", make_sum};
        case AggregateKind::Variance:
        case AggregateKind::Deviation:
            return {"var", make_moments};
        case AggregateKind::Min:
            return {"min", make_extreme};
        case AggregateKind::Max:
            return {"max", make_extreme};
        case AggregateKind::First:
            return {"first", make_chosen};
        case AggregateKind::Last:
            return {"last", make_chosen};
        case AggregateKind::Quantile:
            return {"quantile", make_quantile};
        case AggregateKind::Distinct:
            return {"distinct", make_distinct};
        case AggregateKind::Hll:
            return {"hll", make_hll};
        case AggregateKind::Histogram:
            return {"histogram", make_histogram, true};
        case AggregateKind::Heavy:
            return {"heavy", make_heavy, true};
        case AggregateKind::Top:
            return {"topk", make_top, true};
    }
    return {};
}

}  // namespace

std::unique_ptr<Accumulator> make_accumulator(const ast::Aggregate& aggregate, PathSet& paths) {
    return family_of(aggregate.kind).make(aggregate, paths);
}

std::string accumulator_key(const ast::Aggregate& aggregate) {
    const Family family = family_of(aggregate.kind);
    std::string key(family.name);
    for (const ast::Expr& operand : aggregate.operands) key.append("\n").append(operand.text);
    if (family.parameter) {
        key += '\n';
        append_text(key, aggregate.number);
    }
    return key;
}

}  // namespace shardmill::compute
