#pragma once

#include <string>

namespace shardmill::config {

/// What -h prints: every option and suboption, in groups, from the tables.
std::string help_text();

/// What -i prints.
std::string license_text();

}  // namespace shardmill::config
