#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <optional>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "base/assert.h"
#include "store/access_stamp.h"
#include "store/segment_pool.h"

namespace shardmill::store {

/// One word per item (final layout):
///
///     tag:11 | frequency:2 | last access:16 | location / 4:35
///
/// The tag is never 0, so 0 is an empty slot. Location is the item's offset in the pool's address
/// range.
struct Slot {
    static constexpr unsigned kTagShift = 53;
    static constexpr unsigned kFrequencyShift = 51;
    static constexpr unsigned kStampShift = 35;
    static constexpr std::uint64_t kLocationMask = (std::uint64_t{1} << 35) - 1;
    static constexpr std::uint64_t kFrequencyMax = 3;

    static constexpr std::uint64_t make(std::uint64_t tag, std::uint64_t frequency,
                                        AccessStamp stamp, std::uint64_t location) noexcept {
        return tag << kTagShift | frequency << kFrequencyShift |
               std::uint64_t{stamp} << kStampShift | location / 4;
    }
    static constexpr std::uint64_t tag(std::uint64_t word) noexcept { return word >> kTagShift; }
    static constexpr std::uint64_t frequency(std::uint64_t word) noexcept {
        return word >> kFrequencyShift & 3;
    }
    static constexpr AccessStamp stamp(std::uint64_t word) noexcept {
        return static_cast<AccessStamp>(word >> kStampShift);
    }
    static constexpr std::uint64_t location(std::uint64_t word) noexcept {
        return (word & kLocationMask) * 4;
    }
};

/// Where an item's slot is. Valid until the next insertion or growth step.
using SlotRef = std::uint64_t*;

/// Buckets of eight slots (one cache line), two candidate buckets per key inside one 16 KiB page,
/// displacement up to two deep by tag alone, and a small overflow area for the rare key that finds
/// no room. Pages are the top bits of the hash scaled to their number; the index grows in place,
/// page by page from the top down, and a page that grows draws from at most three older ones at or
/// below it. It shrinks the same way from the bottom up. A step goes through a few hundred places:
/// meanwhile a key of the page that is being filled is in it or still where it was. Single-threaded
/// but for `prefetch` and
/// `prefetch_item`.
///
/// Sources: two-choice cuckoo buckets as in MemC3 (Fan, Andersen, Kaminsky, NSDI 2013), the
/// partial-key alternative bucket of cuckoo filters (Fan et al., CoNEXT 2014), and fastrange
/// (Lemire, 2018).
class Index {
 public:
    static constexpr std::uint32_t kSlotsPerBucket = 8;
    static constexpr std::uint32_t kBucketsPerPage = 256;
    static constexpr std::uint32_t kSlotsPerPage = kSlotsPerBucket * kBucketsPerPage;
    static constexpr std::uint32_t kPageBytes = kSlotsPerPage * 8;
    static constexpr std::size_t kOverflowSlots = 64;
    static constexpr std::uint32_t kStepSlots = 256;  // gone through by one step of resizing

    /// Reserves addresses for `pages_max` pages and charges one to the pool. Throws
    /// std::system_error.
    Index(SegmentPool& pool, std::uint32_t pages_max);
    ~Index();
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;

    /// Starts loading the two buckets of a hash. Any thread, no lock: a hint.
    void prefetch(std::uint64_t hash) const noexcept { candidates_of(hash).prefetch(); }
    /// Starts loading the item itself, once the buckets are there. Returns where its slot seems to
    /// be, or nullptr. Any thread, no lock: a hint.
    SlotRef prefetch_item(std::uint64_t hash, const char* base) const noexcept;

    /// The slot of `hash` for which `is_it(location)` holds; nullptr if there is none.
    template <typename Predicate>
    [[gnu::always_inline]] SlotRef find(std::uint64_t hash, Predicate&& is_it) noexcept {
        if (SlotRef slot = find_in(page_of(hash), hash, is_it); slot != nullptr) return slot;
        return find_elsewhere(hash, is_it);
    }

    /// The slot that points at exactly this location.
    SlotRef find_location(std::uint64_t hash, std::uint64_t location) noexcept {
        return find(hash, [location](std::uint64_t at) { return at == location; });
    }

    /// The word of the slot that points at exactly this location. Any thread, no lock. 0: not seen,
    /// because there is none, or because it was being moved just then.
    std::uint64_t peek_location(std::uint64_t hash, std::uint64_t location) const noexcept;

    /// Adds a slot for a key that has none. nullptr: no room; grow and try again.
    SlotRef insert(std::uint64_t hash, std::uint64_t frequency, AccessStamp stamp,
                   std::uint64_t location) noexcept;
    void erase(SlotRef slot) noexcept;
    static void store(SlotRef slot, std::uint64_t word) noexcept {
        std::atomic_ref(*slot).store(word, std::memory_order_relaxed);
    }

    /// True when the present size is nearly used up and growing should start.
    bool wants_growth() const noexcept {
        return !resizing() && !giving_back_.load(std::memory_order_relaxed) &&
               (count_ > grow_at_ || overflow_count_ > kOverflowSlots / 4);
    }
    /// True when a quarter of the present size would do.
    bool wants_shrinking() const noexcept {
        return !resizing() && pages() >= kShrinkPagesMin && count_ < grow_at_ / 4;
    }
    /// On the way from one size to another.
    bool resizing() const noexcept { return resize_ != Resize::None; }
    /// Begins growing to `pages` (more than now; capped). False: at the maximum, or what was given
    /// up before is still on its way.
    bool start_growth(std::uint32_t pages) noexcept;
    /// Begins shrinking to half load. The memory goes back to the pool at the end. False: what was
    /// given up before is still on its way.
    bool start_shrinking() noexcept;
    /// Goes through kStepSlots places for keys of the next page of the new size;
    /// `hash_of(location)` reads a key's hash from the log, `dropped(location)` is told of a key
    /// that found no room anywhere (its slot is gone). No effect when not resizing. False: the page
    /// is a new one and the pool has no budget for it; try again.
    template <typename HashOf, typename Dropped>
    bool resize_step(HashOf&& hash_of, Dropped&& dropped) noexcept;

    /// Calls `visit(slot)` for every key of a page, `pages()` standing for those without one; it
    /// may erase the slot. Not while resizing.
    template <typename Visit>
    void visit_page(std::uint32_t page, Visit&& visit) noexcept {
        if (page == pages()) {
            for (Overflow& entry : overflow_) {
                if (entry.slot != 0) visit(&entry.slot);
            }
            return;
        }
        std::uint64_t* slots = bucket_at(page, 0);
        for (std::uint32_t i = 0; i < kSlotsPerPage; ++i) {
            if (slots[i] != 0) visit(&slots[i]);
        }
    }

    /// Re-codes access stamps of one page so that they stay readable; call for all pages every four
    /// hours.
    void refresh_stamps(std::uint32_t page, std::uint32_t now) noexcept;

    /// All places there are for a slot, and the word in one of them (0: it is free).
    std::uint64_t places() const noexcept { return paged_places() + kOverflowSlots; }
    std::uint64_t word_at(std::uint64_t place) const noexcept {
        const std::uint64_t paged = paged_places();
        if (place >= paged) return overflow_[place - paged].slot;
        return reinterpret_cast<const std::uint64_t*>(memory_)[place];
    }

    std::uint64_t count() const noexcept { return count_; }
    std::uint32_t pages() const noexcept { return new_pages_.load(std::memory_order_relaxed); }
    std::uint32_t pages_max() const noexcept { return pages_max_; }
    std::uint64_t slots() const noexcept { return std::uint64_t{pages()} * kSlotsPerPage; }
    /// What the pool is charged with.
    std::uint64_t bytes() const noexcept { return std::uint64_t{charged_pages_} * kPageBytes; }
    std::size_t overflowed() const noexcept { return overflow_count_; }

    /// Bits of the hash: page from the upper half, bucket and tag from the lower, shard from the
    /// lowest (ShardSet).
    static constexpr std::uint64_t tag_of(std::uint64_t hash) noexcept {
        return (hash >> 18 & 0x3fff) % 2047 + 1;
    }
    static constexpr std::uint32_t first_bucket(std::uint64_t hash) noexcept {
        return static_cast<std::uint32_t>(hash >> 10) & (kBucketsPerPage - 1);
    }
    static constexpr std::uint32_t other_bucket(std::uint32_t bucket, std::uint64_t tag) noexcept {
        return bucket ^
               ((static_cast<std::uint32_t>(tag * 0x9e3779b1u >> 7) & (kBucketsPerPage - 1)) | 1);
    }

 private:
    enum class Resize : std::uint8_t { None, Growing, Shrinking };
    static constexpr std::uint32_t kShrinkPagesMin = 8;  // 128 KiB: not worth it below
    static constexpr std::uint32_t kAllPages = 0xffffffff;
    static constexpr std::uint32_t kNoPage = 0xffffffff;

    struct Overflow {
        std::uint64_t hash = 0;
        std::uint64_t slot = 0;
    };

    /// The sixteen places of a hash in a page. Both buckets are compared before any is looked into:
    /// which of them has the key is a coin toss that no processor predicts.
    class Candidates {
     public:
        Candidates(std::uint64_t* page, std::uint64_t hash) noexcept
            : tag_(tag_of(hash)),
              first_(page + first_bucket(hash) * kSlotsPerBucket),
              second_(page + other_bucket(first_bucket(hash), tag_) * kSlotsPerBucket) {}

        void prefetch() const noexcept {
            __builtin_prefetch(first_);
            __builtin_prefetch(second_);
        }
        /// A bit for each slot that has the tag: first bucket, then second.
        std::uint32_t match() const noexcept;
        /// The same while somebody else may hold the lock: a torn picture is possible.
        std::uint32_t match_unlocked() const noexcept;
        /// The slot of the lowest bit of a mask that is not 0.
        SlotRef lowest(std::uint32_t mask) const noexcept {
            const auto place = static_cast<std::uint32_t>(__builtin_ctz(mask));
            return (place < kSlotsPerBucket ? first_ : second_) + place % kSlotsPerBucket;
        }

     private:
        std::uint64_t tag_;
        std::uint64_t* first_;
        std::uint64_t* second_;
    };

    /// While the index shrinks, some of what it gives up is still in use.
    std::uint64_t paged_places() const noexcept {
        const std::uint32_t old_pages = resizing() ? old_pages_.load(std::memory_order_relaxed) : 0;
        return std::uint64_t{std::max(pages(), old_pages)} * kSlotsPerPage;
    }
    static std::uint32_t scale(std::uint64_t hash, std::uint32_t pages) noexcept {
        return static_cast<std::uint32_t>((hash >> 32) * pages >> 32);
    }
    std::uint32_t page_of(std::uint64_t hash) const noexcept {
        const std::uint32_t page = scale(hash, new_pages_.load(std::memory_order_relaxed));
        // Some pages hold their keys already; for the others the old mapping still holds.
        return page - done_from_.load(std::memory_order_relaxed) <
                       done_count_.load(std::memory_order_relaxed)
                   ? page
                   : scale(hash, old_pages_.load(std::memory_order_relaxed));
    }
    Candidates candidates_of(std::uint64_t hash) const noexcept {
        return Candidates(bucket_at(page_of(hash), 0), hash);
    }
    std::uint64_t* bucket_at(std::uint32_t page, std::uint32_t bucket) const noexcept {
        return reinterpret_cast<std::uint64_t*>(memory_ + std::uint64_t{page} * kPageBytes) +
               bucket * kSlotsPerBucket;
    }

    /// In the overflow area, or in the page that is being filled.
    template <typename Predicate>
    [[gnu::noinline]] SlotRef find_elsewhere(std::uint64_t hash, Predicate is_it) noexcept {
        if (overflow_count_ != 0) {
            for (Overflow& entry : overflow_) {
                if (entry.slot != 0 && entry.hash == hash && is_it(Slot::location(entry.slot)))
                    return &entry.slot;
            }
        }
        return moves_to_target(hash) ? find_in(moving_page_, hash, is_it) : nullptr;
    }
    template <typename Predicate>
    [[gnu::always_inline]] SlotRef find_in(std::uint32_t page, std::uint64_t hash,
                                           Predicate&& is_it) noexcept {
        const Candidates candidates(bucket_at(page, 0), hash);
        for (std::uint32_t mask = candidates.match(); mask != 0; mask &= mask - 1) {
            SlotRef slot = candidates.lowest(mask);
            if (is_it(Slot::location(*slot))) return slot;
        }
        return nullptr;
    }
    /// True for the keys of the page that is being filled.
    bool moves_to_target(std::uint64_t hash) const noexcept {
        return moving_page_ != kNoPage && scale(hash, pages()) == moving_page_;
    }
    /// What has not been gone through yet must not get behind the step's back.
    bool may_displace(std::uint32_t page, const std::uint64_t* from,
                      const std::uint64_t* to) noexcept {
        const std::uint64_t* next = bucket_at(page, 0) + source_slot_;
        return page != source_page_ || from < next || to >= next;
    }

    static SlotRef empty_in(std::uint64_t* bucket) noexcept;
    SlotRef make_room(std::uint32_t page, std::uint32_t bucket, int depth) noexcept;
    SlotRef place(std::uint32_t page, std::uint64_t hash, std::uint64_t word) noexcept;
    SlotRef place_overflow(std::uint64_t hash, std::uint64_t word) noexcept;
    void begin_resizing(Resize resize, std::uint32_t pages) noexcept;
    void set_done(std::uint32_t from, std::uint32_t count) noexcept {
        done_from_.store(from, std::memory_order_relaxed);
        done_count_.store(count, std::memory_order_relaxed);
    }
    bool begin_page() noexcept;
    void begin_source(std::uint32_t page) noexcept;
    void page_done(std::uint32_t page) noexcept;
    void finish_resizing() noexcept;

    SegmentPool& pool_;
    std::uint32_t pages_max_;
    char* memory_ = nullptr;
    std::atomic<std::uint32_t> new_pages_{1};
    std::atomic<std::uint32_t> old_pages_{1};
    std::atomic<std::uint32_t> done_from_{0};           // pages from here, so many,
    std::atomic<std::uint32_t> done_count_{kAllPages};  // are in the new mapping
    Resize resize_ = Resize::None;
    std::uint32_t charged_pages_ = 1;
    std::uint32_t moving_page_ = kNoPage;   // is being filled with its keys; not done yet
    std::uint32_t source_page_ = kNoPage;   // where they come from at present,
    std::uint32_t source_slot_ = 0;         // from here on,
    std::uint32_t source_last_ = 0;         // and the last such page
    std::atomic<bool> giving_back_{false};  // pages behind the end are on their way to the system
    std::uint64_t count_ = 0;
    std::uint64_t grow_at_ = 0;
    std::size_t overflow_count_ = 0;
    std::array<Overflow, kOverflowSlots> overflow_{};
};

inline std::uint32_t Index::Candidates::match() const noexcept {
#if defined(__SSE2__)
    // The tag is the top of the slot's upper half: gather four upper halves, shift the rest out,
    // compare.
    const auto wanted = _mm_set1_epi32(static_cast<int>(tag_));
    const auto quarter = [wanted](const std::uint64_t* slots) noexcept {
        const auto low = _mm_load_ps(reinterpret_cast<const float*>(slots));
        const auto high = _mm_load_ps(reinterpret_cast<const float*>(slots + 2));
        const auto halves = _mm_castps_si128(_mm_shuffle_ps(low, high, _MM_SHUFFLE(3, 1, 3, 1)));
        return _mm_cmpeq_epi32(_mm_srli_epi32(halves, Slot::kTagShift - 32), wanted);
    };
    const auto first = _mm_packs_epi32(quarter(first_), quarter(first_ + 4));
    const auto second = _mm_packs_epi32(quarter(second_), quarter(second_ + 4));
    return static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_packs_epi16(first, second)));
#else
    return match_unlocked();
#endif
}

inline std::uint32_t Index::Candidates::match_unlocked() const noexcept {
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
    return match();
#else
    // Loads that the thread sanitizer knows to be harmless.
    std::uint32_t mask = 0;
    for (std::uint32_t i = 0; i < 2 * kSlotsPerBucket; ++i) {
        const std::uint64_t word =
            std::atomic_ref(*lowest(1u << i)).load(std::memory_order_relaxed);
        mask |= std::uint32_t{Slot::tag(word) == tag_} << i;
    }
    return mask;
#endif
}

inline SlotRef Index::prefetch_item(std::uint64_t hash, const char* base) const noexcept {
    const Candidates candidates = candidates_of(hash);
    SlotRef seen = nullptr;
    for (std::uint32_t mask = candidates.match_unlocked(); mask != 0; mask &= mask - 1) {
        // Read without the lock: a torn picture costs a useless prefetch, nothing else. The memory
        // is always mapped.
        seen = candidates.lowest(mask);
        const std::uint64_t word = std::atomic_ref(*seen).load(std::memory_order_relaxed);
        // Three lines: what is stored over an item waits for the last of them, too.
        const char* item = base + Slot::location(word);
        __builtin_prefetch(item);
        __builtin_prefetch(item + 64);
        __builtin_prefetch(item + 128);
    }
    return seen;
}

template <typename HashOf, typename Dropped>
bool Index::resize_step(HashOf&& hash_of, Dropped&& dropped) noexcept {
    if (resize_ == Resize::None) return true;
    if (moving_page_ == kNoPage) return begin_page();
    constexpr std::uint32_t kAhead = 16;
    const std::uint32_t target = moving_page_;
    std::uint64_t* slots = bucket_at(source_page_, 0);
    for (const std::uint32_t end = source_slot_ + kStepSlots; source_slot_ < end; ++source_slot_) {
        const std::uint32_t i = source_slot_;
        if (i + kAhead < kSlotsPerPage && slots[i + kAhead] != 0) {
            __builtin_prefetch(pool_.base() + Slot::location(slots[i + kAhead]));
        }
        if (slots[i] == 0) continue;
        const std::uint64_t hash = hash_of(Slot::location(slots[i]));
        if (scale(hash, pages()) != target) continue;
        const std::uint64_t word = slots[i];
        store(&slots[i], 0);
        if (place(target, hash, word) == nullptr && place_overflow(hash, word) == nullptr) {
            --count_;
            dropped(Slot::location(word));
        }
    }
    if (source_slot_ == kSlotsPerPage) begin_source(source_page_ + 1);
    return true;
}

}  // namespace shardmill::store
