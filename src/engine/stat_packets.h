#pragma once

#include <string>
#include <string_view>

#include "engine/control_port.h"

namespace shardmill::engine {

/// Puts the text that `stats` answers into packets, one a line and an empty one at the end, or an
/// error. `asked` came in a packet (ControlRequest::packet).
void append_stat_packets(std::string& out, const ControlRequest& asked, std::string_view text);

}  // namespace shardmill::engine
