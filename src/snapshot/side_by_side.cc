#include "snapshot/side_by_side.h"

#include <algorithm>

namespace shardmill::snapshot {

double SideBySide::File::share_passed() const noexcept {
    return items == 0 ? 1 : static_cast<double>(visit.items_passed()) / static_cast<double>(items);
}

Result<std::uint64_t> SideBySide::add(std::uint32_t file, double share) {
    auto visit = reader_.visit(file);
    if (!visit) return std::unexpected(std::move(visit.error()));
    const std::uint64_t items = reader_.manifest().files[file].totals.items;
    const auto unwanted = static_cast<std::uint64_t>(static_cast<double>(items) * share);
    while (!visit->at_end()) {
        const auto skipped = visit->skip(unwanted - visit->items_passed());
        if (!skipped) return std::unexpected(skipped.error());
        if (!*skipped) break;
    }
    const std::uint64_t left_out = visit->items_passed();
    files_.push_back({std::move(*visit), items});
    return left_out;
}

Result<void> SideBySide::step(const BlockVisitor& visitor) {
    const auto furthest = std::ranges::min_element(files_, {}, &File::share_passed);
    if (!furthest->visit.at_end()) return furthest->visit.next(visitor);
    auto finished = furthest->visit.finish();
    files_.erase(furthest);
    return finished;
}

}  // namespace shardmill::snapshot
