#include "compute/path_set.h"

#include <algorithm>

namespace shardmill::compute {

namespace {

bool is_plain(const std::string& name) noexcept {
    return std::none_of(name.begin(), name.end(), [](char byte) {
        return byte == '"' || byte == '\\' || static_cast<unsigned char>(byte) < 0x20;
    });
}

PathSet::Node& child_of(PathSet::Node& node, const ast::PathStep& step) {
    auto& children = step.name ? node.members : node.elements;
    for (PathSet::Node& child : children) {
        if (step.name ? child.name == *step.name : child.index == step.index) return child;
    }
    PathSet::Node& child = children.emplace_back();
    if (step.name) {
        child.name = *step.name;
        child.plain = is_plain(child.name);
    } else {
        child.index = step.index;
    }
    return child;
}

}  // namespace

std::uint32_t PathSet::add(std::span<const ast::PathStep> path) {
    Node* node = &root_;
    for (const ast::PathStep& step : path) node = &child_of(*node, step);
    if (node->slot == kNoSlot) node->slot = slots_++;
    return node->slot;
}

}  // namespace shardmill::compute
