#pragma once

#include <span>

#include "compute/block.h"
#include "compute/path_set.h"

namespace shardmill::compute {

/// Fills the block's fields with what the items' values, as JSON documents, have at `paths`.
/// failed[i] is set where the value is not JSON; its fields are then null. Strings point into the
/// values, or into the block's scratch where they had escapes.
///
/// Reading a document ends with the last field that is wanted; what lies behind it is not looked
/// at, so a document that lacks a field is read to its end. Of members with the same name the first
/// counts. On the way the names, colons and commas of the objects and arrays that are entered are
/// checked, and all of what is wanted; what is passed over must have ends to its strings and as
/// many closing as opening brackets.
void read_json_fields(const PathSet& paths, Block& block, std::span<bool> failed) noexcept;

}  // namespace shardmill::compute
