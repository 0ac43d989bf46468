#include "cli/progress.h"

#include <fmt/core.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

#include "text/utf8.h"

namespace shardmill::cli {

namespace {

constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr std::size_t kBarColumns = 28;

std::size_t terminal_columns() noexcept {
    winsize size{};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

std::string bar(double fraction) {
    const auto filled =
        static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * static_cast<double>(kBarColumns));
    std::string out = "[" + std::string(filled, '#') + std::string(kBarColumns - filled, '.');
    return out + fmt::format("] {:>3.0f} % ", std::clamp(fraction, 0.0, 1.0) * 100);
}

}  // namespace

Progress::Progress(std::string label, bool wanted)
    : label_(std::move(label)), active_(wanted && isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() { wipe(); }

bool Progress::due() noexcept {
    const auto now = std::chrono::steady_clock::now();
    if (drawn_ && now - last_ < kInterval) return false;
    last_ = now;
    return true;
}

void Progress::draw(std::optional<double> fraction, std::string_view text) {
    std::string line = label_ + " ";
    if (fraction) line += bar(*fraction);
    line += text;
    fmt::print(stderr, "\r{}\x1b[K", text::cut_to_columns(line, terminal_columns() - 1));
    std::fflush(stderr);
    drawn_ = true;
}

void Progress::wipe() {
    if (!drawn_) return;
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
    drawn_ = false;
}

std::string short_number(double number) {
    constexpr std::array<const char*, 5> kUnits = {"", " k", " M", " G", " T"};
    std::size_t unit = 0;
    while (number >= 999.5 && unit + 1 < kUnits.size()) {
        number /= 1000;
        ++unit;
    }
    if (unit == 0) return fmt::format("{:.0f}", number);
    const int digits = number < 9.995 ? 2 : number < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f}{}", number, digits, kUnits[unit]);
}

}  // namespace shardmill::cli
