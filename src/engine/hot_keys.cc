#include "engine/hot_keys.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace shardmill::engine {
namespace {

constexpr base::UnixSeconds kLandmarkSeconds =
    600;  // e^10 in the shorter average: far from overflow

double grown(base::UnixSeconds from, base::UnixSeconds to, double span) noexcept {
    const double seconds = static_cast<double>(to) - static_cast<double>(from);
    return std::exp(seconds / span);
}

}  // namespace

void HotKeys::move_landmark(base::UnixSeconds now) noexcept {
    const double minute = grown(now, landmark_, kMinute);
    const double ten_minutes = grown(now, landmark_, kTenMinutes);
    for (std::size_t i = 0; i < used_; ++i) {
        ranks_[i] *= ten_minutes;
        entries_[i].count_10m *= ten_minutes;
        entries_[i].count_1m *= minute;
    }
    landmark_ = now;
}

/// Four at a time, which do not wait for each other.
std::size_t HotKeys::lowest_rank() const noexcept {
    constexpr std::size_t kLanes = 4;
    static_assert(kKeys % kLanes == 0);
    std::array<std::size_t, kLanes> lowest{0, 1, 2, 3};
    for (std::size_t i = kLanes; i < kKeys; i += kLanes) {
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            if (ranks_[i + lane] < ranks_[lowest[lane]]) lowest[lane] = i + lane;
        }
    }
    return *std::ranges::min_element(lowest, {}, [this](std::size_t i) { return ranks_[i]; });
}

void HotKeys::add(std::string_view key, std::uint64_t hash, base::UnixSeconds now) noexcept {
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (!lock.owns_lock()) return;
    if (landmark_ == 0) landmark_ = now;
    if (now >= landmark_ + kLandmarkSeconds) move_landmark(now);

    std::size_t at = 0;
    while (at < used_ && hashes_[at] != hash) ++at;
    if (at == used_) {
        if (used_ < kKeys) {
            ++used_;
        } else {
            at = lowest_rank();
        }
        Entry& entry = entries_[at];
        entry.count_1m = entry.count_10m = 0;
        entry.key_bytes = static_cast<std::uint8_t>(std::min(key.size(), sizeof(entry.key)));
        std::memcpy(entry.key, key.data(), entry.key_bytes);
        hashes_[at] = hash;
    }
    Entry& entry = entries_[at];
    const double ten_minutes = grown(landmark_, now, kTenMinutes);
    ranks_[at] += ten_minutes;
    entry.count_10m += ten_minutes;
    entry.count_1m += grown(landmark_, now, kMinute);
}

void HotKeys::list(base::UnixSeconds now, std::vector<HotKey>& out) const {
    const std::lock_guard lock(mutex_);
    const double minute = grown(now, landmark_, kMinute) * period_ / kMinute;
    const double ten_minutes = grown(now, landmark_, kTenMinutes) * period_ / kTenMinutes;
    for (std::size_t i = 0; i < used_; ++i) {
        const Entry& entry = entries_[i];
        out.push_back({.key = std::string(entry.key, entry.key_bytes),
                       .per_second_1m = entry.count_1m * minute,
                       .per_second_10m = entry.count_10m * ten_minutes});
    }
}

std::vector<HotKey> hottest(std::vector<HotKey> keys, std::size_t count) {
    std::ranges::sort(keys, {}, &HotKey::key);
    std::vector<HotKey> merged;
    for (HotKey& key : keys) {
        if (merged.empty() || merged.back().key != key.key) {
            merged.push_back(std::move(key));
        } else {
            merged.back().per_second_1m += key.per_second_1m;
            merged.back().per_second_10m += key.per_second_10m;
        }
    }
    std::ranges::sort(merged, [](const HotKey& a, const HotKey& b) {
        return a.per_second_1m != b.per_second_1m ? a.per_second_1m > b.per_second_1m
                                                  : a.key < b.key;
    });
    merged.resize(std::min(merged.size(), count));
    return merged;
}

}  // namespace shardmill::engine
