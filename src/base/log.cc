#include "base/log.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

namespace shardmill::base {
namespace {
std::atomic<int> g_verbosity{0};

bool is_control(char c) noexcept { return (c >= 0 && c < ' ') || c == '\x7f'; }
}  // namespace

void set_verbosity(int level) noexcept { g_verbosity.store(level, std::memory_order_relaxed); }
int verbosity() noexcept { return g_verbosity.load(std::memory_order_relaxed); }

void log_line(std::string_view text) noexcept {
    try {
        std::string line;
        line.reserve(text.size() + 16);
        line += "shardmill: ";
        line += text;
        std::ranges::replace_if(line, is_control, '?');
        line += '\n';
        // A log line that cannot be written has nowhere else to go.
        [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
    } catch (...) {
        // Out of memory while logging: the line is lost, the server goes on.
    }
}

}  // namespace shardmill::base
