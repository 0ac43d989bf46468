#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compute/time_text.h"
#include "compute/value.h"

namespace shardmill::compute::ast {

/// One step into a JSON document: a member of an object or, without a name, an element of an array.
struct PathStep {
    std::optional<std::string> name;
    std::uint32_t index = 0;

    friend bool operator==(const PathStep&, const PathStep&) = default;
};

/// A piece of raw text from the pipeline: a prefix, a pattern, a column.
struct RawText {
    std::size_t position = 0;
    std::string text;
    bool quoted = false;
};

enum class ExprKind : std::uint8_t {
    Literal,
    Path,
    Key,
    Value,
    KeySize,
    Size,
    Ttl,
    Idle,
    Fetched,
    Flags,
    Cas,
    Now,
    Part,    // of the operand: a piece between delimiters
    Lower,   // of the operand
    Length,  // of the operand, in bytes
    Bucket,  // the operand rounded down
    Time,    // the operand as text, rounded down
    Unix,    // the operand in seconds
    Add,
    Subtract,
    Multiply,
    Divide,
    RowColumn  // of a result's row: an aggregate, or what a kernel calls so
};

struct Expr {
    ExprKind kind = ExprKind::Literal;
    std::size_t position = 0;  // in the pipeline's text
    std::string text;          // as written
    Value literal{};           // Literal without bytes; Bucket, Time: the width
    std::string bytes;         // Literal: the string; Part: the delimiter
    std::uint32_t field = 0;  // Part: which one, from 1; RowColumn: which one, once it is looked up
    TimeUnit unit = TimeUnit::Seconds;  // Time: of the width
    std::vector<PathStep> path;
    std::vector<Expr> operands;
    unsigned depth = 1;  // of the tree
};

enum class ConditionKind : std::uint8_t { And, Or, Not, Compare, Match, Exists, In };

struct Condition {
    ConditionKind kind = ConditionKind::And;
    std::size_t position = 0;
    std::vector<Condition> parts;  // And, Or, Not
    Comparison comparison = Comparison::Equal;
    std::vector<Expr> operands;  // Compare: two; Match, Exists: one; In: one and literals
    RawText pattern;             // Match: a regular expression
};

enum class AggregateKind : std::uint8_t {
    Count,
    Sum,
    Min,
    Max,
    Average,
    Variance,
    Deviation,
    First,
    Last,
    Quantile,
    Distinct,
    Hll,
    Histogram,
    Heavy,
    Top
};

struct Aggregate {
    AggregateKind kind = AggregateKind::Count;
    std::size_t position = 0;
    std::string text;            // as written; the column's name
    std::vector<Expr> operands;  // none: count of items; First, Last: two
    Value number{};              // Quantile: which; Heavy, Top: how many; Histogram: the width
};

struct KernelCall {
    std::size_t position = 0;
    std::string name;
    std::vector<Expr> arguments;
};

struct Order {
    RawText column;
    bool descending = false;
};

struct Pipeline {
    std::vector<RawText> prefixes;
    std::vector<RawText> globs;
    std::vector<RawText> patterns;  // re
    std::vector<double> samples;    // fractions, above 0 and at most 1
    std::vector<Condition> conditions;
    std::vector<Expr> groups;           // by
    std::vector<Aggregate> aggregates;  // agg; empty: a kernel
    std::optional<KernelCall> kernel;
    std::optional<Condition> having;
    std::vector<Order> order;
    std::optional<std::uint64_t> limit;
};

}  // namespace shardmill::compute::ast
