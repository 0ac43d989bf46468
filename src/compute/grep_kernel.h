#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/best_rows.h"
#include "compute/pattern_search.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// grep:'<regular expression>'[,<limit>]: the items whose value or key matches (RE2, anywhere in
/// it). `in` says where the first match is, the value coming first; `offset` its byte there,
/// `matches` how many there are in it, and `text` the line of the first one, cut to what is near.
/// With a limit the rows with the smallest keys are kept.
class GrepKernel {
 public:
    static constexpr kernel::Description description{"grep", ":'<regular expression>'[,<limit>]",
                                                     "the items that match, and where"};
    /// What is shown of a line before and after the match, and of the match itself.
    static constexpr std::size_t kAroundBytes = 40;
    static constexpr std::size_t kMatchBytes = 160;

    explicit GrepKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {"in", "offset", "matches", "text"}; }

    class Partial {
     public:
        Partial(const GrepKernel& kernel, kernel::Host host) noexcept
            : pattern_(*kernel.pattern_), best_(host, kernel.limit_) {}
        void map(const kernel::Block& block);
        void merge(Partial& other) { best_.merge(other.best_); }
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        struct Entry {
            std::string key;
            std::string text;
            std::uint64_t offset = 0;
            std::uint64_t matches = 0;
            std::uint8_t in_value = 0;

            bool before(const Entry& other) const noexcept { return key < other.key; }
            std::size_t held_bytes() const noexcept { return key.size() + text.size(); }
        };
        std::optional<Entry> match(const kernel::Item& item) const;
        bool wants(std::string_view key) const {
            return best_.wants([key](const Entry& last) { return key < last.key; });
        }

        const PatternSearch& pattern_;
        BestRows<Entry> best_;
    };

 private:
    std::optional<PatternSearch> pattern_;
    std::uint64_t limit_ = UINT64_MAX;
};

}  // namespace shardmill::compute
