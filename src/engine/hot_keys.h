#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace shardmill::engine {

/// A key that many requests ask for, with what they amount to per second over the last minute and
/// the last ten: averages that fade, like the kernel's load averages.
struct HotKey {
    std::string key;
    double per_second_1m = 0;
    double per_second_10m = 0;
};

/// The keys of one stream of requests (hits, or misses) that come most often, from a sample of it.
/// Space-Saving (Metwally, Agrawal, El Abbadi, ICDT 2005) with forward decay (Cormode et al., ICDE
/// 2009): a key that makes up more than 1/256 of the recent requests is in it. Rates count from
/// when a key was taken in, so they may be too low, hardly ever too high.
///
/// `add` belongs to one thread, `list` may be called from any.
class HotKeys {
 public:
    static constexpr std::size_t kKeys = 256;

    /// `period`: one in so many requests is added, in the mean.
    explicit HotKeys(std::uint32_t period) noexcept : period_(period) {}

    /// One request of the sample. Does not wait: while somebody lists, it is not counted.
    void add(std::string_view key, std::uint64_t hash, base::UnixSeconds now) noexcept;

    /// All keys that are known, in no order.
    void list(base::UnixSeconds now, std::vector<HotKey>& out) const;

 private:
    static constexpr double kMinute = 60;
    static constexpr double kTenMinutes = 600;

    /// Weights are in units of the landmark, so that none needs to be touched as time goes by.
    struct Entry {
        double count_1m = 0;
        double count_10m = 0;
        std::uint8_t key_bytes = 0;
        char key[250];
    };

    void move_landmark(base::UnixSeconds now) noexcept;
    std::size_t lowest_rank() const noexcept;

    const std::uint32_t period_;
    mutable std::mutex mutex_;
    base::UnixSeconds landmark_ = 0;
    std::size_t used_ = 0;
    std::array<std::uint64_t, kKeys> hashes_{};
    // Fading over ten minutes; of a new key: what the one it replaced had, too. Apart from the
    // entries, as the hashes are: all of them are looked through for nearly every key of a uniform
    // load.
    std::array<double, kKeys> ranks_{};
    std::array<Entry, kKeys> entries_;
};

/// What one executor samples: the keys of hits and of misses that come most often.
class HotSample {
 public:
    /// One operation in so many is looked at, in the mean: at 200 ns for a look well under a
    /// percent of what requests cost.
    static constexpr std::uint32_t kPeriod = 128;

    /// The next operation is to be looked at. On the executor's thread, once an operation.
    bool due() noexcept {
        if (--countdown_ != 0) [[likely]]
            return false;
        // Not every 128th: a client's own pattern could have the same period.
        random_ = random_ * 6364136223846793005u + 1442695040888963407u;
        countdown_ = 1 + static_cast<std::uint32_t>(random_ >> 33) % (2 * kPeriod - 1);
        return true;
    }

    HotKeys hits{kPeriod};
    HotKeys misses{kPeriod};

 private:
    std::uint32_t countdown_ = kPeriod;
    std::uint64_t random_ = 1;
};

/// The `count` hottest of all lists together, hottest of the last minute first; the same key in
/// several lists is one.
std::vector<HotKey> hottest(std::vector<HotKey> keys, std::size_t count);

}  // namespace shardmill::engine
