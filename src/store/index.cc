#include "store/index.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

namespace shardmill::store {
namespace {

// Growth starts here: a page's share of the keys scatters by a few percent around the mean.
constexpr double kLoadMax = 0.88;
constexpr int kDisplacementDepth = 2;

}  // namespace

Index::Index(SegmentPool& pool, std::uint32_t pages_max)
    : pool_(pool), pages_max_(std::max(1u, pages_max)) {
    const std::uint64_t bytes = std::uint64_t{pages_max_} * kPageBytes;
    void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::system_error(
            errno, std::generic_category(),
            "cannot reserve address space for an index (raise `ulimit -v` or lower -m)");
    }
    memory_ = static_cast<char*>(memory);
    SHARDMILL_ASSERT(pool_.charge(kPageBytes));
    finish_resizing();
}

Index::~Index() {
    pool_.forget_give_back(giving_back_);
    ::munmap(memory_, std::uint64_t{pages_max_} * kPageBytes);
    pool_.uncharge(bytes());
}

std::uint64_t Index::peek_location(std::uint64_t hash, std::uint64_t location) const noexcept {
    const Candidates candidates = candidates_of(hash);
    for (std::uint32_t mask = candidates.match_unlocked(); mask != 0; mask &= mask - 1) {
        const std::uint64_t word =
            std::atomic_ref(*candidates.lowest(mask)).load(std::memory_order_relaxed);
        if (Slot::location(word) == location && Slot::tag(word) == tag_of(hash)) return word;
    }
    return 0;
}

SlotRef Index::empty_in(std::uint64_t* bucket) noexcept {
    for (std::uint32_t i = 0; i < kSlotsPerBucket; ++i) {
        if (bucket[i] == 0) return bucket + i;
    }
    return nullptr;
}

SlotRef Index::make_room(std::uint32_t page, std::uint32_t bucket, int depth) noexcept {
    std::uint64_t* slots = bucket_at(page, bucket);
    for (std::uint32_t i = 0; i < kSlotsPerBucket; ++i) {
        const std::uint32_t other = other_bucket(bucket, Slot::tag(slots[i]));
        SlotRef room = empty_in(bucket_at(page, other));
        if (room == nullptr && depth > 1) room = make_room(page, other, depth - 1);
        if (room == nullptr || !may_displace(page, &slots[i], room)) continue;
        store(room, slots[i]);
        store(&slots[i], 0);
        return &slots[i];
    }
    return nullptr;
}

SlotRef Index::place(std::uint32_t page, std::uint64_t hash, std::uint64_t word) noexcept {
    const std::uint32_t first = first_bucket(hash);
    const std::uint32_t second = other_bucket(first, tag_of(hash));
    const auto used = [&](std::uint32_t bucket) {
        const std::uint64_t* slots = bucket_at(page, bucket);
        return kSlotsPerBucket - std::count(slots, slots + kSlotsPerBucket, 0u);
    };
    SlotRef slot = empty_in(bucket_at(page, used(first) <= used(second) ? first : second));
    for (int depth = 1; slot == nullptr && depth <= kDisplacementDepth; ++depth) {
        slot = make_room(page, first, depth);
        if (slot == nullptr) slot = make_room(page, second, depth);
    }
    if (slot != nullptr) store(slot, word);
    return slot;
}

SlotRef Index::place_overflow(std::uint64_t hash, std::uint64_t word) noexcept {
    for (Overflow& entry : overflow_) {
        if (entry.slot != 0) continue;
        entry.hash = hash;
        entry.slot = word;
        ++overflow_count_;
        return &entry.slot;
    }
    return nullptr;
}

SlotRef Index::insert(std::uint64_t hash, std::uint64_t frequency, AccessStamp stamp,
                      std::uint64_t location) noexcept {
    const std::uint64_t word = Slot::make(tag_of(hash), frequency, stamp, location);
    const std::uint32_t page = moves_to_target(hash) ? moving_page_ : page_of(hash);
    SlotRef slot = place(page, hash, word);
    if (slot == nullptr) slot = place_overflow(hash, word);
    if (slot != nullptr) ++count_;
    return slot;
}

void Index::erase(SlotRef slot) noexcept {
    store(slot, 0);
    --count_;
    const auto* entry = reinterpret_cast<const char*>(slot);
    const auto* begin = reinterpret_cast<const char*>(overflow_.data());
    if (entry >= begin && entry < begin + sizeof(overflow_)) --overflow_count_;
}

bool Index::start_growth(std::uint32_t pages) noexcept {
    pages = std::min(pages, pages_max_);
    const std::uint32_t now = new_pages_.load(std::memory_order_relaxed);
    if (resizing() || giving_back_.load(std::memory_order_acquire) || pages <= now) return false;
    begin_resizing(Resize::Growing, pages);
    set_done(pages, kAllPages - pages);
    return true;
}

bool Index::start_shrinking() noexcept {
    SHARDMILL_ASSERT(wants_shrinking());
    if (giving_back_.load(std::memory_order_acquire)) return false;
    const auto pages = static_cast<std::uint32_t>(2 * count_ / kSlotsPerPage + 1);
    begin_resizing(Resize::Shrinking, std::min(pages, this->pages() - 1));
    set_done(0, 0);
    return true;
}

void Index::begin_resizing(Resize resize, std::uint32_t pages) noexcept {
    old_pages_.store(new_pages_.load(std::memory_order_relaxed), std::memory_order_relaxed);
    new_pages_.store(pages, std::memory_order_relaxed);
    resize_ = resize;
}

/// The next page of the new size: its keys come from the old pages that its share of the hash range
/// overlaps.
bool Index::begin_page() noexcept {
    const std::uint32_t target = resize_ == Resize::Growing
                                     ? done_from_.load(std::memory_order_relaxed) - 1
                                     : done_count_.load(std::memory_order_relaxed);
    const std::uint64_t new_pages = pages();
    const std::uint64_t old_pages = old_pages_.load(std::memory_order_relaxed);
    if (target >= old_pages) {
        if (!pool_.charge(kPageBytes)) return false;
        ++charged_pages_;
    }
    moving_page_ = target;
    source_last_ = static_cast<std::uint32_t>(((target + 1) * old_pages - 1) / new_pages);
    begin_source(static_cast<std::uint32_t>(target * old_pages / new_pages));
    return true;
}

void Index::begin_source(std::uint32_t page) noexcept {
    if (page == moving_page_) ++page;  // What is left in it belongs to it.
    source_page_ = page;
    source_slot_ = 0;
    if (page <= source_last_) return;
    source_page_ = kNoPage;
    page_done(std::exchange(moving_page_, kNoPage));
}

void Index::page_done(std::uint32_t page) noexcept {
    const std::uint32_t pages = new_pages_.load(std::memory_order_relaxed);
    if (resize_ == Resize::Growing) {
        set_done(page, kAllPages - page);
        if (page == 0) finish_resizing();
    } else {
        set_done(0, page + 1);
        if (page + 1 == pages) finish_resizing();
    }
}

void Index::finish_resizing() noexcept {
    const std::uint32_t pages = new_pages_.load(std::memory_order_relaxed);
    const std::uint32_t before = old_pages_.load(std::memory_order_relaxed);
    if (resize_ == Resize::Shrinking) {
        const std::uint64_t bytes = std::uint64_t{before - pages} * kPageBytes;
        charged_pages_ = pages;
        giving_back_.store(true, std::memory_order_relaxed);
        pool_.give_back_elsewhere(memory_ + std::uint64_t{pages} * kPageBytes, bytes, giving_back_);
    }
    resize_ = Resize::None;
    set_done(0, kAllPages);
    grow_at_ = static_cast<std::uint64_t>(static_cast<double>(slots()) * kLoadMax);
    // Keys that had found no room find it now.
    for (Overflow& entry : overflow_) {
        if (entry.slot == 0 || place(page_of(entry.hash), entry.hash, entry.slot) == nullptr)
            continue;
        entry.slot = 0;
        --overflow_count_;
    }
}

void Index::refresh_stamps(std::uint32_t page, std::uint32_t now) noexcept {
    std::uint64_t* slots = bucket_at(page, 0);
    for (std::uint32_t i = 0; i < kSlotsPerPage; ++i) {
        const std::uint64_t word = slots[i];
        if (word == 0) continue;
        const AccessStamp stamp = Slot::stamp(word);
        const AccessStamp fresh = refreshed_stamp(stamp, now);
        if (fresh == stamp) continue;
        store(&slots[i],
              Slot::make(Slot::tag(word), Slot::frequency(word), fresh, Slot::location(word)));
    }
}

}  // namespace shardmill::store
