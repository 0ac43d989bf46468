#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace shardmill::cli {

/// A progress bar on one line of stderr; silent where stderr is not a terminal. The line is wiped
/// when the object dies.
class Progress {
 public:
    /// `label` stands in front. `wanted` false: stays silent.
    Progress(std::string label, bool wanted);
    ~Progress();
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;

    bool active() const noexcept { return active_; }
    /// Cheap to call often: draws at most ten times a second. `fraction` 0..1 or nullopt when the
    /// end is not known. `text` is called only when it draws.
    template <typename Text>
    void update(std::optional<double> fraction, Text&& text) {
        if (active_ && due()) draw(fraction, text());
    }
    /// Wipes the line, so that something else can be printed.
    void wipe();

 private:
    bool due() noexcept;
    void draw(std::optional<double> fraction, std::string_view text);

    std::string label_;
    bool active_;
    bool drawn_ = false;
    std::chrono::steady_clock::time_point last_{};
};

/// "950", "12.3 k", "4.56 M": three digits and a unit, base 1000.
std::string short_number(double number);

}  // namespace shardmill::cli
