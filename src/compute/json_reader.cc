#include "compute/json_reader.h"

#include <algorithm>
#include <optional>
#include <string_view>

#include "compute/json_scalar.h"
#include "compute/json_tokens.h"

namespace shardmill::compute {

namespace {

using Node = PathSet::Node;

bool is_space(char byte) noexcept {
    return byte == ' ' || byte == '\n' || byte == '\r' || byte == '\t';
}

std::string_view without_trailing_space(std::string_view text) noexcept {
    while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
    return text;
}

/// One document on its way along the tree of paths.
class DocumentReader {
 public:
    DocumentReader(std::string_view text, Block& block, std::uint32_t item) noexcept
        : begin_(text.data()),
          end_(text.data() + text.size()),
          tokens_(text),
          block_(block),
          item_(item) {}

    /// False: it is not JSON.
    bool read(const Node& root) noexcept;

 private:
    /// Brackets left open because nothing behind is wanted; nullopt: it is not JSON.
    using Open = std::optional<std::uint32_t>;

    const char* skip_space(const char* at) const noexcept {
        while (at != end_ && is_space(*at)) ++at;
        return at;
    }
    bool read_lone_scalar(const char* at, const Node& root) noexcept;
    Open read_members(const char* bracket, const Node& node) noexcept;
    Open read_elements(const char* bracket, const Node& node) noexcept;
    Open take_value(const char* at, const Node* wanted, std::size_t& missing) noexcept;
    Open read_value(const char* at, const Node& node) noexcept;
    bool skip_value(const char* at) noexcept;
    std::string_view scalar_at(const char* at) noexcept;
    const Node* find_member(const Node& node, std::string_view name) noexcept;
    bool put(const Node& node, const std::optional<Value>& value) noexcept;

    const char* const begin_;
    const char* const end_;
    JsonTokens tokens_;
    Block& block_;
    const std::uint32_t item_;
};

bool DocumentReader::put(const Node& node, const std::optional<Value>& value) noexcept {
    if (!value) return false;
    if (node.slot != PathSet::kNoSlot) block_.fields[node.slot][item_] = *value;
    return true;
}

const Node* DocumentReader::find_member(const Node& node, std::string_view name) noexcept {
    for (const Node& member : node.members) {
        if (member.plain && member.name == name) return &member;
    }
    if (!tokens_.met_escape() || name.find('\\') == std::string_view::npos) return nullptr;
    const auto meant = read_json_string(name, *block_.scratch);
    if (!meant || kernel::is_null(*meant)) return nullptr;
    const auto found = std::ranges::find(node.members, kernel::bytes_of(*meant), &Node::name);
    return found == node.members.end() ? nullptr : &*found;
}

/// The number or word at `at` in an object or array; empty: there is none, or the document ends.
std::string_view DocumentReader::scalar_at(const char* at) noexcept {
    const char* const token = tokens_.peek();
    if (token == nullptr || (*token != ',' && *token != '}' && *token != ']')) return {};
    return without_trailing_space({at, token});
}

bool DocumentReader::skip_value(const char* at) noexcept {
    if (at == end_) return false;
    if (*at == '"') return tokens_.next() != nullptr && tokens_.next() != nullptr;
    if (*at == '{' || *at == '[') return tokens_.next() != nullptr && tokens_.leave(1);
    return !scalar_at(at).empty();
}

DocumentReader::Open DocumentReader::read_value(const char* at, const Node& node) noexcept {
    if (at == end_) return std::nullopt;
    if (*at == '{' || *at == '[') {
        tokens_.next();
        if (*at == '{' && !node.members.empty()) return read_members(at, node);
        if (*at == '[' && !node.elements.empty()) return read_elements(at, node);
        return 1;
    }
    std::optional<Value> value;
    if (*at == '"') {
        tokens_.next();
        const char* const close = tokens_.next();
        if (close == nullptr) return std::nullopt;
        value = read_json_string({at + 1, close}, *block_.scratch);
    } else {
        value = read_json_scalar(scalar_at(at));
    }
    if (!put(node, value)) return std::nullopt;
    return 0;
}

/// Reads the value if it is wanted, which makes one less of what is missing, or passes over it.
DocumentReader::Open DocumentReader::take_value(const char* at, const Node* wanted,
                                                std::size_t& missing) noexcept {
    if (wanted == nullptr) return skip_value(at) ? Open(0) : std::nullopt;
    const Open open = read_value(at, *wanted);
    if (!open || --missing == 0 || *open == 0) return open;
    return tokens_.leave(*open) ? Open(0) : std::nullopt;
}

/// Members already met are remembered in a mask: the first of a name counts.
DocumentReader::Open DocumentReader::read_members(const char* bracket, const Node& node) noexcept {
    static_assert(PathSet::kMaxPaths <= 64);
    std::uint64_t met = 0;
    std::size_t missing = node.members.size();
    const char* at = skip_space(bracket + 1);
    if (at != end_ && *at == '}') {
        tokens_.next();
        return 0;
    }
    while (true) {
        const char* const open_quote = tokens_.next();
        if (open_quote == nullptr || open_quote != at || *at != '"') return std::nullopt;
        const char* const close_quote = tokens_.next();
        if (close_quote == nullptr) return std::nullopt;
        const char* const colon = tokens_.next();
        if (colon == nullptr || *colon != ':' || colon != skip_space(close_quote + 1))
            return std::nullopt;
        const Node* member = find_member(node, {at + 1, close_quote});
        if (member != nullptr) {
            const std::uint64_t bit = std::uint64_t{1} << (member - node.members.data());
            if ((met & bit) != 0) member = nullptr;
            met |= bit;
        }
        const Open open = take_value(skip_space(colon + 1), member, missing);
        if (!open) return open;
        if (missing == 0) return *open + 1;
        const char* const behind = tokens_.next();
        if (behind == nullptr || (*behind != ',' && *behind != '}')) return std::nullopt;
        if (*behind == '}') return 0;
        at = skip_space(behind + 1);
    }
}

DocumentReader::Open DocumentReader::read_elements(const char* bracket, const Node& node) noexcept {
    std::size_t missing = node.elements.size();
    const char* at = skip_space(bracket + 1);
    if (at != end_ && *at == ']') {
        tokens_.next();
        return 0;
    }
    for (std::uint32_t index = 0;; ++index) {
        const auto wanted = std::ranges::find(node.elements, index, &Node::index);
        const Open open =
            take_value(at, wanted == node.elements.end() ? nullptr : &*wanted, missing);
        if (!open) return open;
        if (missing == 0) return *open + 1;
        const char* const behind = tokens_.next();
        if (behind == nullptr || (*behind != ',' && *behind != ']')) return std::nullopt;
        if (*behind == ']') return 0;
        at = skip_space(behind + 1);
    }
}

/// What is no object and no array is short, and checked whether it is wanted or not.
bool DocumentReader::read_lone_scalar(const char* at, const Node& root) noexcept {
    const std::string_view text = without_trailing_space({at, end_});
    if (text.empty() || *at != '"') return put(root, read_json_scalar(text));
    tokens_.next();
    if (tokens_.next() != &text.back()) return false;
    return put(root, read_json_string(text.substr(1, text.size() - 2), *block_.scratch));
}

bool DocumentReader::read(const Node& root) noexcept {
    const char* const at = skip_space(begin_);
    const bool is_object = at != end_ && *at == '{';
    const bool is_array = at != end_ && *at == '[';
    if (!is_object && !is_array) return read_lone_scalar(at, root);
    Open open = read_value(at, root);
    const bool entered = is_object ? !root.members.empty() : !root.elements.empty();
    if (open && !entered) open = tokens_.leave(1) ? Open(0) : std::nullopt;
    if (!open || *open > 0) return open.has_value();
    // It was read to its end, and nothing may follow.
    return tokens_.next() == nullptr &&
           without_trailing_space({at, end_}).back() == (is_object ? '}' : ']');
}

}  // namespace

void read_json_fields(const PathSet& paths, Block& block, std::span<bool> failed) noexcept {
    // So many items ahead the start of a value, where most fields are, is asked for.
    constexpr std::uint32_t kAhead = 8;
    const auto ask_for = [&block](std::uint32_t index) noexcept {
        if (index >= block.count) return;
        __builtin_prefetch(block.items[index].value);
        __builtin_prefetch(block.items[index].value + 64);
    };
    for (std::uint32_t index = 0; index < kAhead; ++index) ask_for(index);
    for (Column& column : block.fields) std::fill_n(column.begin(), block.count, Value{});
    for (std::uint32_t index = 0; index < block.count; ++index) {
        ask_for(index + kAhead);
        const std::string_view text = kernel::value_of(block.items[index]);
        failed[index] = !DocumentReader(text, block, index).read(paths.root());
        if (!failed[index]) continue;
        for (Column& column : block.fields) column[index] = Value{};
    }
}

}  // namespace shardmill::compute
