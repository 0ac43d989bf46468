#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compute/byte_search.h"

namespace re2 {
class FilteredRE2;
}

namespace shardmill::compute {

/// A regular expression (RE2) that is searched for in many texts of which few match: what every
/// match must contain is looked for first. Immutable, any thread; a text of any bytes.
class PatternSearch {
 public:
    /// Throws kernel::Error with what is wrong with the pattern.
    explicit PatternSearch(const std::string& pattern);
    ~PatternSearch();

    struct Match {
        std::size_t start;
        std::size_t end;
    };
    /// Whether it matches anywhere.
    bool matches(std::string_view text) const;
    /// The leftmost match at or after `from`.
    std::optional<Match> find(std::string_view text, std::size_t from = 0) const;

 private:
    bool possible(std::string_view text) const;

    std::unique_ptr<re2::FilteredRE2> pattern_;
    std::optional<ByteSearch> literal_;  // the whole pattern, if it is nothing but a string
    std::vector<ByteSearch> parts_;      // of which a match needs some; empty: not known
    std::vector<bool> enough_;           // for every set of them, as bits: whether it may match
};

}  // namespace shardmill::compute
