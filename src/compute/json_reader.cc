#include "compute/json_reader.h"

#include <simdjson.h>

#include <algorithm>
#include <cstring>

namespace shardmill::compute {

namespace {

namespace ondemand = simdjson::ondemand;
using simdjson::error_code;
using Node = PathSet::Node;

Value value_of(const ondemand::number& number) noexcept {
    if (number.is_int64()) return kernel::int_value(number.get_int64());
    if (number.is_uint64()) return kernel::unsigned_value(number.get_uint64());
    return kernel::double_value(number.get_double());
}

/// Where one item's fields go.
class Sink {
 public:
    Sink(std::vector<Column>& fields, std::uint32_t item) noexcept : fields_(fields), item_(item) {}
    void put(std::uint32_t slot, const Value& value) noexcept {
        if (slot != PathSet::kNoSlot) fields_[slot][item_] = value;
    }

 private:
    std::vector<Column>& fields_;
    std::uint32_t item_;
};

/// A string without escapes is taken where it lies. Others are written, unescaped and so never
/// longer, over themselves: the parser does not come back to them.
template <typename Source>
error_code read_string(Source& source, Value& out) noexcept {
    std::string_view token;
    if (const auto error =
            simdjson::simdjson_result<std::string_view>(source.raw_json_token()).get(token))
        return error;
    const std::size_t close = token.rfind('"');
    if (close != 0 && close != std::string_view::npos &&
        token.find('\\') == std::string_view::npos) {
        out = kernel::string_value(token.substr(1, close - 1));
        return simdjson::SUCCESS;
    }
    std::string_view text;
    if (const auto error = source.get_string().get(text)) return error;
    char* const room = const_cast<char*>(token.data()) + 1;
    std::memcpy(room, text.data(), text.size());
    out = kernel::string_value({room, text.size()});
    return simdjson::SUCCESS;
}

template <typename Source>
error_code read_number(Source& source, Value& out) noexcept {
    ondemand::number number;
    if (source.get_number().get(number) == simdjson::SUCCESS) {
        out = value_of(number);
        return simdjson::SUCCESS;
    }
    double wide = 0;  // an integer of more than 64 bits
    if (const auto error = source.get_double().get(wide)) return error;
    out = kernel::double_value(wide);
    return simdjson::SUCCESS;
}

template <typename Source>
error_code read_scalar(Source& source, ondemand::json_type type, Value& out) noexcept {
    switch (type) {
        case ondemand::json_type::string:
            return read_string(source, out);
        case ondemand::json_type::number:
            return read_number(source, out);
        case ondemand::json_type::boolean: {
            bool truth = false;
            if (const auto error = source.get_bool().get(truth)) return error;
            out = kernel::bool_value(truth);
            return simdjson::SUCCESS;
        }
        case ondemand::json_type::null: {
            out = kernel::null_value();
            return simdjson::simdjson_result<bool>(source.is_null()).error();
        }
        default:
            return simdjson::SUCCESS;
    }
}

/// The member that `field` is, or nullptr.
const Node* find_member(const Node& node,
                        simdjson::simdjson_result<ondemand::field>& field) noexcept {
    const char* const raw = field.key().value_unsafe().raw();
    for (const Node& member : node.members) {
        if (member.plain && std::memcmp(raw, member.name.data(), member.name.size()) == 0 &&
            raw[member.name.size()] == '"') {
            return &member;
        }
    }
    const char* end = raw;
    while (*end != '"' && *end != '\\') ++end;
    if (*end == '"') return nullptr;
    std::string_view name;
    if (field.unescaped_key().get(name) != simdjson::SUCCESS) return nullptr;
    const auto found = std::find_if(node.members.begin(), node.members.end(),
                                    [name](const Node& member) { return member.name == name; });
    return found == node.members.end() ? nullptr : &*found;
}

template <typename Source>
error_code read_tree(Source& source, ondemand::json_type type, const Node& node,
                     Sink& sink) noexcept;

/// Members already met are remembered in a mask: the first of a name counts.
error_code read_members(ondemand::object& object, const Node& node, Sink& sink) noexcept {
    static_assert(PathSet::kMaxPaths <= 64);
    std::uint64_t met = 0;
    std::size_t missing = node.members.size();
    for (auto field : object) {
        if (const auto error = field.error()) return error;
        const Node* const member = find_member(node, field);
        if (member == nullptr) continue;
        const std::uint64_t bit = std::uint64_t{1} << (member - node.members.data());
        if ((met & bit) != 0) continue;
        met |= bit;
        ondemand::value value;
        if (const auto error = field.value().get(value)) return error;
        ondemand::json_type type;
        if (const auto error = value.type().get(type)) return error;
        if (const auto error = read_tree(value, type, *member, sink)) return error;
        if (--missing == 0) return simdjson::SUCCESS;
    }
    return simdjson::SUCCESS;
}

error_code read_elements(ondemand::array& array, const Node& node, Sink& sink) noexcept {
    std::uint32_t index = 0;
    std::size_t missing = node.elements.size();
    for (auto element : array) {
        if (const auto error = element.error()) return error;
        const auto wanted =
            std::find_if(node.elements.begin(), node.elements.end(),
                         [index](const Node& child) { return child.index == index; });
        ++index;
        if (wanted == node.elements.end()) continue;
        ondemand::value value;
        if (const auto error = element.get(value)) return error;
        ondemand::json_type type;
        if (const auto error = value.type().get(type)) return error;
        if (const auto error = read_tree(value, type, *wanted, sink)) return error;
        if (--missing == 0) return simdjson::SUCCESS;
    }
    return simdjson::SUCCESS;
}

template <typename Source>
error_code read_tree(Source& source, ondemand::json_type type, const Node& node,
                     Sink& sink) noexcept {
    if (type == ondemand::json_type::object) {
        if (node.members.empty()) return simdjson::SUCCESS;
        ondemand::object object;
        if (const auto error = source.get_object().get(object)) return error;
        return read_members(object, node, sink);
    }
    if (type == ondemand::json_type::array) {
        if (node.elements.empty()) return simdjson::SUCCESS;
        ondemand::array array;
        if (const auto error = source.get_array().get(array)) return error;
        return read_elements(array, node, sink);
    }
    if (node.slot == PathSet::kNoSlot) return simdjson::SUCCESS;
    Value value{};
    if (const auto error = read_scalar(source, type, value)) return error;
    sink.put(node.slot, value);
    return simdjson::SUCCESS;
}

bool is_container(ondemand::json_type type) noexcept {
    return type == ondemand::json_type::object || type == ondemand::json_type::array;
}

/// A document that is one scalar is short: it is checked as a whole, whether it is wanted or not.
bool read_lone_scalar(ondemand::document& document, ondemand::json_type type, const Node& root,
                      Sink& sink) noexcept {
    Value value{};
    if (type == ondemand::json_type::string) {
        std::string_view token;
        std::string_view text;
        if (document.raw_json_token().get(token) || document.get_string().get(text)) return false;
        char* const room = const_cast<char*>(token.data()) + 1;
        std::memcpy(room, text.data(), text.size());
        value = kernel::string_value({room, text.size()});
    } else if (read_scalar(document, type, value) != simdjson::SUCCESS) {
        return false;
    }
    const char* rest = nullptr;
    if (document.current_location().get(rest) != simdjson::OUT_OF_BOUNDS) return false;
    sink.put(root.slot, value);
    return true;
}

/// What the kernel asks simdjson to hold for a document, beside the copy of it: four bytes for each
/// possible structural character and the buffer for unescaped strings.
constexpr std::uint64_t kParserBytesPerByte = 6;
constexpr std::uint64_t kParserBytesMin = 16u << 10;

}  // namespace

struct JsonReader::Impl {
    const PathSet& paths;
    ondemand::parser parser;
    std::unique_ptr<char[]> copies;
    std::uint64_t capacity = 0;

    /// Behind the last value: what simdjson may read, and what comparing a name may.
    std::uint64_t slack() const noexcept {
        return simdjson::SIMDJSON_PADDING + paths.longest_name() + 1;
    }

    void reserve(std::uint64_t bytes) {
        if (capacity >= bytes) return;
        copies = std::make_unique<char[]>(bytes);
        capacity = bytes;
    }

    bool read_one(const char* json, std::uint32_t bytes, std::uint64_t room, Sink& sink) {
        ondemand::document document;
        if (parser.iterate(json, bytes, room).get(document) != simdjson::SUCCESS) return false;
        ondemand::json_type type;
        if (document.type().get(type) != simdjson::SUCCESS) return false;
        if (!is_container(type)) return read_lone_scalar(document, type, paths.root(), sink);
        if (type == ondemand::json_type::object) {
            ondemand::object object;
            if (document.get_object().get(object) != simdjson::SUCCESS) return false;
            return paths.root().members.empty() ||
                   read_members(object, paths.root(), sink) == simdjson::SUCCESS;
        }
        ondemand::array array;
        if (document.get_array().get(array) != simdjson::SUCCESS) return false;
        return paths.root().elements.empty() ||
               read_elements(array, paths.root(), sink) == simdjson::SUCCESS;
    }
};

JsonReader::JsonReader(const PathSet& paths) : impl_(std::make_unique<Impl>(paths)) {}
JsonReader::~JsonReader() = default;

std::uint64_t JsonReader::memory_for(std::uint64_t value_bytes,
                                     std::uint64_t longest_value) const noexcept {
    return value_bytes + impl_->slack() +
           std::max(longest_value * kParserBytesPerByte, kParserBytesMin);
}

void JsonReader::read(Block& block, std::span<bool> failed) {
    std::uint64_t total = 0;
    for (std::uint32_t index = 0; index < block.count; ++index)
        total += block.items[index].value_bytes;
    impl_->reserve(total + impl_->slack());
    for (Column& column : block.fields) std::fill_n(column.begin(), block.count, Value{});

    std::uint64_t at = 0;
    for (std::uint32_t index = 0; index < block.count; ++index) {
        const kernel::Item& item = block.items[index];
        char* const copy = impl_->copies.get() + at;
        std::memcpy(copy, item.value, item.value_bytes);
        Sink sink(block.fields, index);
        failed[index] = !impl_->read_one(copy, item.value_bytes, impl_->capacity - at, sink);
        at += item.value_bytes;
        if (!failed[index]) continue;
        for (Column& column : block.fields) column[index] = Value{};
    }
}

}  // namespace shardmill::compute
