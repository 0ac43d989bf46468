#include "fuzz/json_fields_check.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/assert.h"
#include "compute/json_reader.h"
#include "compute/partial_account.h"

namespace shardmill::fuzz {
namespace {

using compute::PathSet;
using compute::Value;
namespace dom = simdjson::dom;
using Path = std::vector<compute::ast::PathStep>;

const std::vector<Path>& paths() {
    static const std::vector<Path> all = {
        {},
        {{"a"}},
        {{"b"}},
        {{"a"}, {"b"}},
        {{"a"}, {"a"}, {"c"}},
        {{"a"}, {std::nullopt, 0}},
        {{"b"}, {std::nullopt, 2}, {"a"}},
        {{std::nullopt, 0}},
        {{std::nullopt, 1}, {"b"}},
        {{std::nullopt, 1}, {std::nullopt, 1}},
        {{""}},
        {{"x\"y"}},
        {{"\\"}},
        {{"\xc3\xbc"}},
        {{"amount"}},
        {{"country"}},
        // Hardly ever there, so that all together read a document to its end.
        {{"\x01 none"}},
        {{std::nullopt, 1'000'000}},
    };
    return all;
}

/// A block of one item; its value is in memory of its own, so that ASan sees reads outside of it.
struct OneItem {
    explicit OneItem(std::string_view document, std::size_t fields)
        : copy(new char[document.size()]),
          account(std::make_shared<compute::JobBudget>(compute::JobLimits{})),
          block(kernel::Host(account.host()), fields) {
        if (!document.empty()) std::memcpy(copy.get(), document.data(), document.size());
        block.items[0] = {};
        block.items[0].value = copy.get();
        block.items[0].value_bytes = static_cast<std::uint32_t>(document.size());
        block.count = 1;
    }

    /// False: it is not JSON.
    bool read(const PathSet& set) {
        bool failed = false;
        compute::read_json_fields(set, block, {&failed, 1});
        return !failed;
    }

    std::unique_ptr<char[]> copy;
    compute::PartialAccount account;
    compute::Block block;
};

simdjson::simdjson_result<dom::element> find(dom::element at, const Path& path) {
    for (const auto& step : path) {
        const auto below = step.name ? at.at_key(*step.name) : at.at(step.index);
        if (below.error() != simdjson::SUCCESS) return below;
        at = below.value_unsafe();
    }
    return at;
}

Value scalar_of(simdjson::simdjson_result<dom::element> found) {
    if (found.error() != simdjson::SUCCESS) return {};
    const dom::element element = found.value_unsafe();
    switch (element.type()) {
        case dom::element_type::STRING:
            return kernel::string_value(element.get_string().value_unsafe());
        case dom::element_type::INT64:
            return kernel::int_value(element.get_int64().value_unsafe());
        case dom::element_type::UINT64:
            return kernel::unsigned_value(element.get_uint64().value_unsafe());
        case dom::element_type::DOUBLE:
            return kernel::double_value(element.get_double().value_unsafe());
        case dom::element_type::BOOL:
            return kernel::bool_value(element.get_bool().value_unsafe());
        default:
            return {};
    }
}

bool same(const Value& left, const Value& right) {
    if (left.kind != right.kind) return false;
    if (kernel::has_bytes(left))
        return kernel::bytes_of(left) == kernel::bytes_of(right);
    return left.unsigned_integer == right.unsigned_integer;
}

}  // namespace

void check_json_fields(std::string_view document) {
    dom::parser parser;
    dom::element root;
    const bool valid =
        parser.parse(document.data(), document.size()).get(root) == simdjson::SUCCESS;

    PathSet together;
    for (const Path& path : paths()) together.add(path);
    OneItem all(document, paths().size());
    const bool all_read = all.read(together);
    SHARDMILL_ASSERT(all_read || !valid);
    for (std::size_t index = 0; index < paths().size(); ++index) {
        PathSet alone;
        alone.add(paths()[index]);
        OneItem one(document, 1);
        const bool read = one.read(alone);
        const Value& value = one.block.fields[0][0];
        SHARDMILL_ASSERT(read || !valid);
        // Reading for more of them reads further, and then finds the same.
        SHARDMILL_ASSERT(read || !all_read);
        SHARDMILL_ASSERT(!all_read || same(value, all.block.fields[index][0]));
        SHARDMILL_ASSERT(!valid || same(value, scalar_of(find(root, paths()[index]))));
    }
}

}  // namespace shardmill::fuzz
