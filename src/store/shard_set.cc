#include "store/shard_set.h"

#include <algorithm>
#include <bit>

#include "base/clock.h"

namespace shardmill::store {
namespace {

constexpr std::uint32_t kShardsMax = 1024;  // ten bits of the hash
constexpr std::uint64_t kShardBytesMin = 16u << 20;
constexpr std::uint32_t kShardsPerReactor = 4;
constexpr std::uint64_t kPoolBytesMax = std::uint64_t{16} << 30;  // 35-bit locations, most for runs
constexpr std::uint64_t kRaisedPoolMax = std::uint64_t{24} << 30;  // the same, with fewer for runs
constexpr std::uint64_t kSegmentsPerShardMin = 4;  // two open ones, a spare, and one to reclaim
constexpr std::uint64_t kSegmentsPerShard = 256;
constexpr std::uint64_t kSegmentBytesMin = 64u << 10;
constexpr std::uint64_t kSegmentBytesMax = 1u << 20;

std::uint32_t shard_count(const StoreConfig& config) noexcept {
    if (config.shards != 0) return std::min(std::bit_ceil(config.shards), kShardsMax);
    const std::uint64_t affordable =
        std::max<std::uint64_t>(config.memory_limit / kShardBytesMin, 1);
    const std::uint64_t wanted = std::bit_ceil(std::uint64_t{config.reactors} * kShardsPerReactor);
    return static_cast<std::uint32_t>(
        std::min({wanted, std::bit_floor(affordable), std::uint64_t{kShardsMax}}));
}

std::uint32_t segment_bytes_for(std::uint64_t share) noexcept {
    const std::uint64_t bytes =
        std::bit_floor(std::max<std::uint64_t>(share / kSegmentsPerShard, 1));
    return static_cast<std::uint32_t>(std::clamp(bytes, kSegmentBytesMin, kSegmentBytesMax));
}

/// A CAS that a client kept over a restart must not fit another item: sequences start from the
/// clock, which they do not overtake unless more than 256 segments a second are filled for good.
/// 40 bits last until 2106.
std::uint64_t first_sequence() noexcept { return std::uint64_t{base::unix_now()} << 8; }

}  // namespace

ShardSet::ShardSet(const StoreConfig& config)
    : count_(shard_count(config)), memory_limit_(config.memory_limit) {
    const std::uint64_t share = std::max<std::uint64_t>(config.memory_limit / count_, 1);
    const std::uint64_t pools =
        std::min<std::uint64_t>((config.memory_limit + kPoolBytesMax - 1) / kPoolBytesMax, count_);
    for (std::uint64_t i = 0; i < pools; ++i) {
        pools_.push_back(std::make_unique<SegmentPool>(
            SegmentPool::Config{.memory_limit = config.memory_limit / pools,
                                .segment_bytes = segment_bytes_for(share),
                                .item_bytes_max = config.item_bytes_max,
                                .first_sequence = first_sequence(),
                                .large_pages = config.large_pages,
                                .limit_max = std::min(config.limit_max / pools, kRaisedPoolMax)}));
    }
    for (std::uint32_t id = 0; id < count_; ++id) {
        entries_.push_back(std::make_unique<Entry>(id, *pools_[id % pools],
                                                   ShardConfig{.share_bytes = share,
                                                               .evict = config.evict,
                                                               .hit_weight = config.hit_weight,
                                                               .small_share = config.small_share,
                                                               .track_sizes = config.track_sizes}));
    }
}

ShardSet::~ShardSet() = default;

bool ShardSet::large_pages() const noexcept {
    return std::ranges::all_of(pools_, [](const auto& pool) { return pool->large_pages(); });
}

std::shared_ptr<CutState> ShardSet::begin_cut(std::uint32_t now) {
    SHARDMILL_ASSERT(uncollected_.load(std::memory_order_acquire) == 0);
    cut_state_ = std::make_shared<CutState>();
    cut_now_ = now;
    uncollected_.store(count_, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    return cut_state_;
}

void ShardSet::cut_now(Entry& entry) noexcept {
    entry.epoch = epoch_.load(std::memory_order_acquire);
    try {
        entry.cut = entry.shard.take_cut(cut_now_, cut_state_);
    } catch (const std::bad_alloc&) {
        cut_state_->failed.store(true, std::memory_order_release);
        entry.cut.emplace();
        entry.cut->shard = entry.shard.id();
        entry.cut->state = cut_state_;
    }
}

ShardCut ShardSet::collect_cut(std::uint32_t shard) {
    ShardCut cut;
    {
        const Guard guard = lock(shard);
        SHARDMILL_ASSERT(guard.entry_.cut.has_value());
        cut = std::move(*guard.entry_.cut);
        guard.entry_.cut.reset();
    }
    uncollected_.fetch_sub(1, std::memory_order_release);
    return cut;
}

void ShardSet::release_cut(std::span<const PinnedSegment> segments) noexcept {
    for (const PinnedSegment& segment : segments) lock(segment.shard)->release_cut(segment);
}

bool ShardSet::release_freed_memory() noexcept {
    bool more = false;
    for (const auto& pool : pools_) more |= pool->release_freed_memory();
    return more;
}

bool ShardSet::set_memory_limit(std::uint64_t bytes) noexcept {
    const std::lock_guard one_at_a_time(limit_changes_);
    const std::uint64_t each = bytes / pools_.size();
    const std::uint64_t least =
        count_ * (kSegmentsPerShardMin * segment_bytes() + Index::kPageBytes);
    if (bytes < std::min(least, memory_limit()) || each > pools_.front()->limit_max()) return false;
    try {
        for (std::uint32_t shard = 0; shard < count_; ++shard) {
            std::vector<std::uint32_t> room;
            room.reserve(pools_.front()->units_for(each));
            lock(shard)->make_list_room(room);
        }
        for (const auto& pool : pools_) {
            if (!pool->set_limit(each)) return false;
        }
    } catch (const std::bad_alloc&) {
        return false;
    }
    memory_limit_.store(bytes, std::memory_order_relaxed);
    return true;
}

void ShardSet::charge_buffers(std::uint64_t before, std::uint64_t now) noexcept {
    for (const auto& pool : pools_)
        pool->charge_buffers(before / pools_.size(), now / pools_.size());
}

void ShardSet::skip_cas_to(std::uint64_t cas) noexcept {
    for (const auto& pool : pools_) pool->skip_sequences_to(cas);
}

std::uint64_t ShardSet::budget() const noexcept {
    std::uint64_t bytes = 0;
    for (const auto& pool : pools_) bytes += pool->budget();
    return bytes;
}

std::uint64_t ShardSet::charged_bytes() const noexcept {
    std::uint64_t bytes = 0;
    for (const auto& pool : pools_) bytes += pool->charged_bytes();
    return bytes;
}

std::uint32_t ShardSet::segment_bytes() const noexcept { return pools_.front()->segment_bytes(); }

}  // namespace shardmill::store
