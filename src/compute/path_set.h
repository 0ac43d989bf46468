#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compute/ast.h"

namespace shardmill::compute {

/// The JSON fields a program reads, as one tree, so that one pass over a document finds all of
/// them. Built while compiling, then immutable.
class PathSet {
 public:
    static constexpr std::uint32_t kNoSlot = UINT32_MAX;
    /// Programs with more different paths are refused.
    static constexpr std::uint32_t kMaxPaths = 64;

    struct Node {
        std::string name;         // of the member that leads here
        std::uint32_t index = 0;  // or of the element
        bool plain = true;        // the name is written in JSON as it is, without any escape
        std::uint32_t slot = kNoSlot;
        std::vector<Node> members;   // below an object
        std::vector<Node> elements;  // below an array
    };

    /// The slot of the path; the same path has one slot.
    std::uint32_t add(std::span<const ast::PathStep> path);

    std::uint32_t size() const noexcept { return slots_; }
    bool empty() const noexcept { return slots_ == 0; }
    const Node& root() const noexcept { return root_; }

 private:
    Node root_;
    std::uint32_t slots_ = 0;
};

}  // namespace shardmill::compute
