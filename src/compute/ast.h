#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "compute/value.h"

namespace shardmill::compute::ast {

/// One step into a JSON document: a member of an object or, without a name, an element of an array.
struct PathStep {
    std::optional<std::string> name;
    std::uint32_t index = 0;

    friend bool operator==(const PathStep&, const PathStep&) = default;
};

enum class ExprKind : std::uint8_t {
    Literal,
    Path,
    TextField,
    KeyField,
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
    Bucket
};

struct Expr {
    ExprKind kind = ExprKind::Literal;
    std::size_t position = 0;  // in the pipeline's text
    std::string text;          // as written
    Value literal{};           // Literal without bytes; Bucket: the width
    std::string bytes;         // Literal: the string; TextField, KeyField: the delimiter
    std::uint32_t field = 0;   // TextField, KeyField: which one, counted from 1
    std::vector<PathStep> path;
    std::unique_ptr<Expr> operand;  // Bucket
};

enum class ConditionKind : std::uint8_t { And, Or, Not, Compare, Match, Exists };

struct Condition {
    ConditionKind kind = ConditionKind::And;
    std::size_t position = 0;
    std::vector<Condition> parts;  // And, Or, Not
    Comparison comparison = Comparison::Equal;
    std::unique_ptr<Expr> left;   // Compare, Match, Exists
    std::unique_ptr<Expr> right;  // Compare
    std::string pattern;          // Match: a regular expression
    std::size_t pattern_position = 0;
};

enum class AggregateKind : std::uint8_t { Count, Sum, Min, Max, Average };

struct Aggregate {
    AggregateKind kind = AggregateKind::Count;
    std::size_t position = 0;
    std::string text;               // as written; the column's name
    std::unique_ptr<Expr> operand;  // none: count of items
};

/// A piece of raw text from the pipeline: a prefix, a glob, a column.
struct RawText {
    std::size_t position = 0;
    std::string text;
    bool quoted = false;
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
    std::vector<Condition> conditions;
    std::vector<Expr> groups;           // by
    std::vector<Aggregate> aggregates;  // agg; empty: a kernel
    std::optional<KernelCall> kernel;
    std::optional<Order> order;
    std::optional<std::uint64_t> limit;
};

}  // namespace shardmill::compute::ast
