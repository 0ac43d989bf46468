#pragma once

#include <expected>
#include <memory>
#include <string_view>

#include "compute/block.h"
#include "compute/job_limits.h"
#include "compute/row_table.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

using Status = std::expected<void, JobError>;

/// The working part of a partial: what is done with the items that matched. Used by one thread at a
/// time. After an error it is only good for being destroyed.
class Reducer {
 public:
    virtual ~Reducer() = default;
    virtual Status map(const Block& block) = 0;
    /// `other` is of the same program; it may be emptied.
    virtual Status merge(Reducer& other) = 0;
    virtual Status save(shardmill_write_function write, void* context) = 0;
    /// Adds what was saved; withstands any bytes.
    virtual Status load(std::string_view bytes) = 0;
    virtual Status finish(RowTable& rows) = 0;
};

}  // namespace shardmill::compute
