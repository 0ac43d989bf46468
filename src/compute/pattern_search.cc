#include "compute/pattern_search.h"

#include <re2/filtered_re2.h>
#include <re2/re2.h>

#include <algorithm>

#include "compute/value.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

namespace {

/// Shorter parts are in every text, and with more than a few RE2 is as fast.
constexpr int kPartBytesMin = 3;
constexpr std::size_t kPartsMax = 4;

re2::RE2::Options options() {
    re2::RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(4 << 20);
    return options;
}

bool is_literal(std::string_view pattern) {
    return !pattern.empty() && pattern.find_first_of("\\.+*?()|[]{}^$") == std::string_view::npos &&
           std::all_of(pattern.begin(), pattern.end(),
                       [](char byte) { return static_cast<signed char>(byte) >= 0; });
}

}  // namespace

PatternSearch::PatternSearch(const std::string& pattern)
    : pattern_(std::make_unique<re2::FilteredRE2>(kPartBytesMin)) {
    int id = 0;
    if (pattern_->Add(pattern, options(), &id) != re2::RE2::NoError) {
        const re2::RE2 broken(pattern, options());
        throw kernel::Error("not a regular expression: " + printable(broken.error()), 1);
    }
    if (is_literal(pattern)) literal_.emplace(pattern, ByteSearch::Case::Exact);
    std::vector<std::string> parts;
    pattern_->Compile(&parts);
    // RE2 folds more than ASCII's letters; only what it and we agree on can be looked for.
    const bool usable = parts.size() <= kPartsMax && std::ranges::all_of(parts, is_literal);
    if (!usable) return;
    for (std::string& part : parts) parts_.emplace_back(std::move(part), ByteSearch::Case::Fold);
    for (std::size_t set = 0; set < std::size_t{1} << parts_.size(); ++set) {
        std::vector<int> found;
        for (std::size_t part = 0; part < parts_.size(); ++part) {
            if ((set >> part & 1) != 0) found.push_back(static_cast<int>(part));
        }
        std::vector<int> patterns;
        pattern_->AllPotentials(found, &patterns);
        enough_.push_back(!patterns.empty());
    }
}

PatternSearch::~PatternSearch() = default;

bool PatternSearch::possible(std::string_view text) const {
    std::size_t found = enough_.size() - 1;  // or not looked for yet
    for (std::size_t part = 0; part < parts_.size(); ++part) {
        if (parts_[part].find(text) != std::string_view::npos) continue;
        found &= ~(std::size_t{1} << part);
        if (!enough_[found]) return false;
    }
    return true;
}

bool PatternSearch::matches(std::string_view text) const {
    if (literal_) return literal_->find(text) != std::string_view::npos;
    if (!possible(text)) return false;
    return pattern_->GetRE2(0).Match({text.data(), text.size()}, 0, text.size(),
                                     re2::RE2::UNANCHORED, nullptr, 0);
}

std::optional<PatternSearch::Match> PatternSearch::find(std::string_view text,
                                                        std::size_t from) const {
    if (literal_) {
        const std::size_t start = literal_->find(text, from);
        if (start == std::string_view::npos) return std::nullopt;
        return Match{start, start + literal_->size()};
    }
    if (from == 0 && !possible(text)) return std::nullopt;
    re2::StringPiece match;
    const bool found = from <= text.size() &&
                       pattern_->GetRE2(0).Match({text.data(), text.size()}, from, text.size(),
                                                 re2::RE2::UNANCHORED, &match, 1);
    if (!found) return std::nullopt;
    const auto start = static_cast<std::size_t>(match.data() - text.data());
    return Match{start, start + match.size()};
}

}  // namespace shardmill::compute
