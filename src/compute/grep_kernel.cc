#include "compute/grep_kernel.h"

#include <algorithm>

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

namespace {

std::uint64_t count_matches(const PatternSearch& pattern, std::string_view text,
                            PatternSearch::Match match) {
    std::uint64_t count = 0;
    for (std::optional<PatternSearch::Match> next = match; next;) {
        ++count;
        // A match of nothing is stepped over.
        next = pattern.find(text, std::max(next->end, next->start + 1));
    }
    return count;
}

std::string_view line_around(std::string_view text, PatternSearch::Match match) noexcept {
    constexpr std::size_t kAround = GrepKernel::kAroundBytes;
    const std::size_t shown = std::min(match.end, match.start + GrepKernel::kMatchBytes);
    std::size_t start = match.start - std::min(match.start, kAround);
    const std::size_t before = text.substr(start, match.start - start).rfind('\n');
    if (before != std::string_view::npos) start += before + 1;
    const std::string_view after = text.substr(shown, kAround);
    return text.substr(start, shown - start + after.substr(0, after.find('\n')).size());
}

}  // namespace

GrepKernel::GrepKernel(std::span<const kernel::Argument> given) {
    const KernelArguments arguments(given, 2);
    const auto pattern = arguments.string(0, "the regular expression");
    if (!pattern) throw kernel::Error("needs a regular expression, grep:'<regular expression>'");
    pattern_.emplace(*pattern);
    limit_ = arguments.number(1, "the limit", 1, 1'000'000).value_or(limit_);
}

std::optional<GrepKernel::Partial::Entry> GrepKernel::Partial::match(
    const kernel::Item& item) const {
    for (const bool in_value : {true, false}) {
        const std::string_view text = in_value ? kernel::value_of(item) : kernel::key_of(item);
        const auto found = pattern_.find(text);
        if (!found) continue;
        return Entry{.key = std::string(kernel::key_of(item)),
                     .text = std::string(line_around(text, *found)),
                     .offset = found->start,
                     .matches = count_matches(pattern_, text, *found),
                     .in_value = in_value};
    }
    return std::nullopt;
}

void GrepKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) {
        if (!wants(kernel::key_of(item))) continue;
        if (auto entry = match(item)) best_.add(std::move(*entry));
    }
}

void GrepKernel::Partial::save(kernel::Writer& writer) const {
    for (const Entry& entry : best_.entries()) {
        writer.string(entry.key);
        writer.string(entry.text);
        writer.number(entry.offset);
        writer.number(entry.matches);
        writer.number(entry.in_value);
    }
}

void GrepKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        Entry entry;
        entry.key = reader.string();
        entry.text = reader.string();
        entry.offset = reader.number<std::uint64_t>();
        entry.matches = reader.number<std::uint64_t>();
        entry.in_value = reader.number<std::uint8_t>();
        if (wants(entry.key)) best_.add(std::move(entry));
    }
}

void GrepKernel::Partial::finish(kernel::Emitter& emitter) {
    for (const Entry& entry : best_.sorted()) {
        const kernel::Value columns[] = {
            kernel::string_value(entry.in_value != 0 ? "value" : "key"),
            kernel::unsigned_value(entry.offset), kernel::unsigned_value(entry.matches),
            kernel::string_value(entry.text)};
        emitter.row(entry.key, columns);
    }
}

}  // namespace shardmill::compute
