#include "admin/port_file.h"

#include <fmt/format.h>

#include "admin/whole_file.h"

namespace shardmill::admin {

std::expected<void, std::string> write_port_file(const std::string& path,
                                                 std::span<const BoundPort> ports) {
    std::string text;
    for (const BoundPort& bound : ports) text += fmt::format("{}: {}\n", bound.kind, bound.port);
    return write_whole_file(path, ".lck", text);
}

}  // namespace shardmill::admin
