#include "store/shard.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/hash.h"

namespace shardmill::store {
namespace {

// Reserve is what a caller needs at most before the key: header, long length, exptime, client
// flags, CAS.
constexpr std::uint32_t kPrefixMax = 24;
// What may be left over in pages of a large item's own.
constexpr std::uint32_t kJumboSlack = 4096;
// What storing something pays towards the memory that will be needed next; see Shard::empty.
constexpr std::uint64_t kAheadEffort = 8192;
constexpr std::uint64_t kAheadEffortPerByte = 4;
constexpr std::uint32_t kStoredBits = ItemHeader::kStale | ItemHeader::kWin |
                                      ItemHeader::kBinaryKey | ItemHeader::kHit |
                                      ItemHeader::kCasSeen;

std::uint64_t value_bytes_of(const NewItem& item) noexcept {
    return item.value_head.size() + item.value_tail.size() + item.value_blanks;
}

std::uint32_t header_word(const NewItem& item, std::uint64_t value_bytes) noexcept {
    std::uint32_t word = static_cast<std::uint32_t>(item.key.key.size());
    word |= static_cast<std::uint32_t>(std::min<std::uint64_t>(value_bytes, ItemHeader::kLongValue))
            << ItemHeader::kValueShift;
    if (item.exptime != 0) word |= ItemHeader::kHasExptime;
    if (item.client_flags != 0) word |= ItemHeader::kHasFlags;
    if (item.cas != 0) word |= ItemHeader::kHasCas;
    return word | (item.header_bits & kStoredBits);
}

/// Writes everything up to the value and returns where the value goes.
char* write_prefix(char* at, std::uint32_t word, const NewItem& item,
                   std::uint32_t value_bytes) noexcept {
    const auto put = [&at](const auto& value) noexcept {
        std::memcpy(at, &value, sizeof(value));
        at += sizeof(value);
    };
    put(word);
    if (ItemHeader{word}.short_value_bytes() == ItemHeader::kLongValue) put(value_bytes);
    if (item.exptime != 0) put(item.exptime);
    if (item.client_flags != 0) put(item.client_flags);
    if (item.cas != 0) put(item.cas);
    std::memcpy(at, item.key.key.data(), item.key.key.size());
    return at + item.key.key.size();
}

/// A dead item without a key over `bytes` bytes of the log.
void write_filler(char* at, std::uint32_t bytes) noexcept {
    const bool is_long = bytes - 4 >= ItemHeader::kLongValue;
    const std::uint32_t value = is_long ? ItemHeader::kLongValue : bytes - 4;
    const std::uint32_t word = ItemHeader::kDead | value << ItemHeader::kValueShift;
    std::memcpy(at, &word, sizeof(word));
    const std::uint32_t long_value = bytes - 8;
    if (is_long) std::memcpy(at + 4, &long_value, sizeof(long_value));
}

void write_item(char* at, std::uint32_t word, const NewItem& item,
                std::uint32_t value_bytes) noexcept {
    char* value = write_prefix(at, word, item, value_bytes);
    if (!item.value_head.empty())
        std::memmove(value, item.value_head.data(), item.value_head.size());
    value += item.value_head.size();
    if (!item.value_tail.empty())
        std::memmove(value, item.value_tail.data(), item.value_tail.size());
    std::memset(value + item.value_tail.size(), ' ', item.value_blanks);
}

std::uint64_t sharers(const ShardConfig& config, const SegmentPool& pool) noexcept {
    return std::max<std::uint64_t>(pool.memory_limit() / config.share_bytes, 1);
}

std::uint32_t index_pages_max(const ShardConfig& config, const SegmentPool& pool) noexcept {
    // A shard may take more than its share, and the smallest items need as much index as log;
    // addresses are free, and enough for the largest limit that may come.
    const std::uint64_t share = pool.limit_max() / sharers(config, pool);
    const std::uint64_t bytes = std::min(pool.limit_max(), 2 * share);
    return static_cast<std::uint32_t>(
        std::max<std::uint64_t>(bytes / 8 * 5 / Index::kPageBytes, 64));
}

}  // namespace

Shard::Shard(std::uint32_t id, SegmentPool& pool, const ShardConfig& config)
    : id_(id),
      config_(config),
      pool_(pool),
      sharers_(sharers(config, pool)),
      index_(pool, index_pages_max(config, pool)),
      ghost_(pool, std::uint64_t{index_.pages_max()} * Index::kSlotsPerPage) {
    if (config.track_sizes) sizes_ = std::make_unique<SizeHistogram>(*config.track_sizes);
    // Never grows under the lock; untouched, it costs no memory.
    held_.reserve(pool.units_for(pool.memory_limit()));
}

Shard::~Shard() {
    for (const std::uint32_t segment : held_) meta(segment).unmarked_dead.reset();
}

std::uint64_t Shard::hash_at(std::uint64_t location) const noexcept {
    return base::hash_key(decode_item(pool_.base() + location, 0).key);
}

Handle Shard::handle_for(SlotRef slot, std::uint32_t now) const noexcept {
    Handle handle;
    fill_handle(handle, slot, now);
    return handle;
}

std::optional<ItemAccess> Shard::peek_access(std::uint64_t hash, const ItemView& item,
                                             std::uint32_t now) const noexcept {
    const char* start = item.key.data() - item.header.prefix_bytes();
    const auto at = static_cast<std::uint64_t>(start - pool_.base());
    const std::uint64_t word = index_.peek_location(hash, at);
    if (word == 0) return std::nullopt;
    return access_of(item, word, now);
}

bool Shard::reclaim_expired(const HashedKey& key, std::uint32_t now) noexcept {
    SlotRef slot = slot_of(key);
    if (slot == nullptr) return false;
    const Handle handle = handle_for(slot, now);
    if (!handle.view.expired(now)) return false;
    if (!handle.fetched_before) ++stats_.expired_unfetched;
    ++stats_.crawler_reclaimed;
    erase(handle);
    return true;
}

void Shard::erase(const Handle& handle) noexcept {
    index_.erase(handle.slot);
    kill({handle.segment, handle.offset}, handle.view.bytes);
}

void Shard::erase_found(SlotRef slot) noexcept {
    const Place place = place_of(Slot::location(*slot));
    const std::uint32_t bytes = view_at(place).bytes;
    index_.erase(slot);
    kill(place, bytes);
}

void Shard::kill(Place place, std::uint32_t bytes) noexcept {
    Segment& segment = meta(place.segment);
    SHARDMILL_DASSERT(segment.live_items > 0 && segment.live_bytes >= bytes);
    if (sizes_) [[unlikely]]
        sizes_->remove(view_at(place));
    segment.live_bytes -= bytes;
    --segment.live_items;
    stats_.item_bytes -= bytes;
    const auto mark = [&] {
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(address(place)))
            .fetch_or(ItemHeader::kDead, std::memory_order_relaxed);
    };
    if (segment.scan_pins == 0) {
        mark();
    } else {
        try {
            if (!segment.unmarked_dead)
                segment.unmarked_dead = std::make_unique<std::vector<std::uint32_t>>();
            segment.unmarked_dead->push_back(place.offset);
        } catch (const std::bad_alloc&) {
            fail_cuts();  // The scan's picture is spoilt, and it will say so.
            mark();
        }
    }
    if (segment.live_items == 0) segment_emptied(place.segment);
}

/// True if the new version may take the place of the old one: it fits, and little is left over.
bool Shard::can_overwrite(const NewItem& item, const Handle& existing,
                          std::uint32_t bytes) const noexcept {
    const ItemView& old = existing.view;
    const Segment& segment = meta(existing.segment);
    if (bytes > old.bytes || item.cas != 0 || !item.value_tail.empty()) return false;
    if (old.header.has(ItemHeader::kCasSeen) || old.header.has(ItemHeader::kHasCas)) return false;
    const std::uint32_t left = old.bytes - bytes;
    return left <= (segment.jumbo ? kJumboSlack : old.bytes / 4 * 3) && !segment.pinned();
}

/// Writes the new version over the old one and a dead item over what is left of it.
void Shard::overwrite(const NewItem& item, const Handle& existing, std::uint32_t word,
                      std::uint32_t bytes, std::uint32_t now) noexcept {
    if (sizes_) [[unlikely]]
        sizes_->remove(existing.view);
    write_item(existing.item, word, item, static_cast<std::uint32_t>(value_bytes_of(item)));
    if (sizes_) [[unlikely]]
        sizes_->add(view_at({existing.segment, existing.offset}));
    Segment& segment = meta(existing.segment);
    note_exptime(existing.segment, item.exptime, now);
    const std::uint32_t left = existing.view.bytes - bytes;
    if (left == 0) return;
    write_filler(existing.item + bytes, left);
    segment.live_bytes -= left;
    stats_.item_bytes -= left;
}

/// A new version stays in the kind of queue that the item has earned; a key that comes back soon
/// after it was evicted starts in main, and so does what was hit before it was saved.
QueueId Shard::new_queue(const NewItem& item, std::uint32_t bytes,
                         const Handle* existing) noexcept {
    if (existing != nullptr) return {lane_of(bytes), meta(existing->segment).queue.kind()};
    bool earned = (item.header_bits & ItemHeader::kHit) != 0;
    if (!earned && ghost_.take(item.key.hash)) {
        earned = true;
        ++stats_.ghost_hits;
    }
    return {lane_of(bytes), earned ? QueueKind::Main : QueueKind::Small};
}

std::expected<Handle, StoreError> Shard::put(const NewItem& item, const Handle* existing,
                                             std::uint32_t now) noexcept {
    const std::uint64_t value_bytes = value_bytes_of(item);
    const std::uint32_t word = header_word(item, value_bytes);
    const std::uint64_t bytes = ItemHeader{word}.prefix_bytes() + item.key.key.size() + value_bytes;
    if (existing != nullptr && can_overwrite(item, *existing, round_item(bytes))) {
        overwrite(item, *existing, word, round_item(bytes), now);
        Index::store(existing->slot, Slot::make(Slot::tag(*existing->slot), 0, stamp_now(now),
                                                Slot::location(*existing->slot)));
        ++stats_.total_items;
        return handle_for(existing->slot, now);
    }
    if (existing != nullptr && item.cas == 0 && existing->view.header.has(ItemHeader::kCasSeen)) {
        // The segment that is open may be older than the one the present CAS came from.
        const std::uint32_t open = queue(new_queue(item, round_item(bytes), existing)).open;
        if (open != kNoSegment && meta(open).sequence < existing->view.cas >> 24) {
            NewItem ordered = item;
            ordered.cas = fresh_cas();
            return append(ordered, existing, now);
        }
    }
    return append(item, existing, now);
}

std::expected<Handle, StoreError> Shard::append(const NewItem& item, const Handle* existing,
                                                std::uint32_t now) noexcept {
    const std::uint64_t value_bytes = value_bytes_of(item);
    const std::uint32_t word = header_word(item, value_bytes);
    const std::uint64_t bytes = ItemHeader{word}.prefix_bytes() + item.key.key.size() + value_bytes;
    if (bytes > pool_.memory_limit() / 2) return std::unexpected(StoreError::TooLarge);
    if (existing == nullptr && !make_index_room(now)) return std::unexpected(StoreError::NoMemory);
    const std::uint32_t rounded = round_item(bytes);
    const QueueId queue_id = new_queue(item, rounded, existing);
    const std::uint32_t protect = existing != nullptr ? existing->segment : kNoSegment;
    const auto place = allocate(rounded, queue_id, protect, now);
    if (!place) {
        ++stats_.out_of_memory;
        return std::unexpected(place.error());
    }
    write_item(address(*place), word, item, static_cast<std::uint32_t>(value_bytes));
    const Handle stored = link(item.key.hash, existing, *place, now);
    empty_ahead(kAheadEffort + kAheadEffortPerByte * rounded, place->segment, now);
    return stored;
}

Handle Shard::link(std::uint64_t hash, const Handle* existing, Place place,
                   std::uint32_t now) noexcept {
    const ItemView view = view_at(place);
    Segment& segment = meta(place.segment);
    segment.live_bytes += view.bytes;
    ++segment.live_items;
    note_exptime(place.segment, view.exptime, now);
    stats_.item_bytes += view.bytes;
    ++stats_.total_items;
    if (sizes_) [[unlikely]]
        sizes_->add(view);
    SlotRef slot;
    if (existing != nullptr) {
        slot = existing->slot;
        Index::store(slot, Slot::make(Slot::tag(*slot), 0, stamp_now(now), location(place)));
        kill({existing->segment, existing->offset}, existing->view.bytes);
    } else {
        slot = index_.insert(hash, 0, stamp_now(now), location(place));
        SHARDMILL_ASSERT(slot != nullptr);
    }
    return handle_for(slot, now);
}

/// False: its next page has to wait for memory.
bool Shard::resize_index_step(std::uint32_t now) noexcept {
    stats_.resize_looks += Index::kStepSlots;
    index_starved_ =
        !index_.resize_step([this](std::uint64_t at) { return hash_at(at); },
                            [this, now](std::uint64_t at) {
                                ++stats_.evictions;
                                const Place place = place_of(at);
                                const ItemView item = view_at(place);
                                // Its slot, and with it its last access, is gone already.
                                tell_evicted(item, Slot::make(0, 0, stamp_now(now), at), now);
                                kill(place, item.bytes);
                            });
    return !index_starved_;
}

bool Shard::make_index_room(std::uint32_t now) noexcept {
    if (index_.wants_growth() && !pool_.over_limit()) index_.start_growth(index_pages_wanted());
    if (index_.resizing()) resize_index_step(now);
    while (index_.overflowed() == Index::kOverflowSlots) {
        if (index_.resizing() && resize_index_step(now)) continue;
        if (!make_room(kNoSegment, now)) return false;
    }
    return true;
}

std::uint32_t Shard::index_pages_wanted() const noexcept {
    const std::uint32_t pages = index_.pages();
    const std::uint64_t step = pages < 64 ? 2ull * pages : pages + pages / 4;
    // Once a little memory is filled the mean item tells how many there will be: grow towards that
    // in larger steps.
    std::uint64_t projected = 0;
    if (index_.count() != 0 && stats_.item_bytes > share_bytes() / 50) {
        const std::uint64_t mean = stats_.item_bytes / index_.count();
        projected = share_bytes() / (mean + 9) * 5 / 4 / Index::kSlotsPerPage;
    }
    const std::uint64_t wanted = std::max(step, std::min<std::uint64_t>(projected, 4ull * pages));
    return static_cast<std::uint32_t>(std::min<std::uint64_t>(wanted, index_.pages_max()));
}

std::expected<Handle, StoreError> Shard::rewrite(const Handle& handle, std::uint32_t exptime,
                                                 std::uint32_t bits, std::uint64_t cas,
                                                 std::uint32_t now) noexcept {
    const std::uint64_t slot_before = *handle.slot;
    const NewItem copy{.key = {handle.view.key, 0},
                       .value_head = handle.view.value,
                       .value_tail = {},
                       .value_blanks = 0,
                       .client_flags = handle.view.client_flags,
                       .exptime = exptime,
                       .cas = cas,
                       .header_bits = bits};
    auto moved = append(copy, &handle, now);
    if (!moved) return moved;
    --stats_.total_items;
    Index::store(moved->slot, Slot::make(Slot::tag(slot_before), Slot::frequency(slot_before),
                                         Slot::stamp(slot_before), Slot::location(*moved->slot)));
    return handle_for(moved->slot, now);
}

bool Shard::overwrite_value(const Handle& handle, std::string_view value) noexcept {
    const std::size_t present = handle.view.value.size();
    if (value.size() > present || meta(handle.segment).pinned() ||
        current_header(handle).has(ItemHeader::kCasSeen) ||
        handle.view.header.has(ItemHeader::kHasCas)) {
        return false;
    }
    char* at = const_cast<char*>(handle.view.value.data());
    std::memcpy(at, value.data(), value.size());
    std::memset(at + value.size(), ' ', present - value.size());
    return true;
}

ItemHeader Shard::current_header(const Handle& handle) const noexcept {
    return decode_item(handle.item, 0).header;
}

std::expected<Handle, StoreError> Shard::set_exptime(const Handle& handle, std::uint32_t exptime,
                                                     std::uint32_t now) noexcept {
    const ItemHeader header = current_header(handle);
    if (exptime == handle.view.exptime) return handle;
    if (exptime != 0 && header.has(ItemHeader::kHasExptime) && !meta(handle.segment).pinned()) {
        const std::uint32_t at = header.short_value_bytes() == ItemHeader::kLongValue ? 8 : 4;
        std::memcpy(handle.item + at, &exptime, sizeof(exptime));
        note_exptime(handle.segment, exptime, now);
        return handle_for(handle.slot, now);
    }
    const std::uint64_t cas =
        header.has(ItemHeader::kCasSeen) || header.has(ItemHeader::kHasCas) ? handle.view.cas : 0;
    return rewrite(handle, exptime, header.word & kStoredBits, cas, now);
}

std::expected<Handle, StoreError> Shard::set_bits(const Handle& handle, std::uint32_t set,
                                                  std::uint32_t clear, std::uint32_t now,
                                                  std::uint64_t new_cas) noexcept {
    const ItemHeader header = current_header(handle);
    const std::uint32_t bits = ((header.word & kStoredBits) | set) & ~clear;
    if (bits == (header.word & kStoredBits) && new_cas == 0) return handle;
    if (new_cas == 0 && !meta(handle.segment).pinned()) {
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(handle.item))
            .store((header.word & ~kStoredBits) | bits, std::memory_order_relaxed);
        return handle_for(handle.slot, now);
    }
    const std::uint64_t kept =
        header.has(ItemHeader::kCasSeen) || header.has(ItemHeader::kHasCas) ? handle.view.cas : 0;
    return rewrite(handle, handle.view.exptime, bits, new_cas != 0 ? new_cas : kept, now);
}

std::uint64_t Shard::show_cas(const Handle& handle) noexcept {
    if (!handle.view.header.has(ItemHeader::kCasSeen)) {
        std::atomic_ref(*reinterpret_cast<std::uint32_t*>(handle.item))
            .fetch_or(ItemHeader::kCasSeen, std::memory_order_relaxed);
    }
    return handle.view.cas;
}

std::expected<Reservation, StoreError> Shard::reserve(std::uint32_t key_bytes,
                                                      std::uint32_t value_bytes,
                                                      std::uint32_t now) noexcept {
    check_flush(now);
    const std::uint64_t bytes = std::uint64_t{kPrefixMax} + key_bytes + value_bytes + kItemAlign;
    if (bytes > pool_.memory_limit() / 2) return std::unexpected(StoreError::TooLarge);
    const bool allowed = pool_.begin_upload(bytes);
    const auto place =
        allowed ? allocate_jumbo(static_cast<std::uint32_t>(bytes), kNoSegment, now)
                : std::expected<Place, StoreError>(std::unexpected(StoreError::NoMemory));
    if (!place) {
        if (allowed) pool_.end_upload(bytes);
        ++stats_.out_of_memory;
        return std::unexpected(place.error());
    }
    meta(place->segment).state = SegmentState::Reserved;
    return Reservation{place->segment, value_bytes,
                       pool_.data(place->segment) + kPrefixMax + key_bytes, bytes};
}

std::expected<Handle, StoreError> Shard::commit(const Reservation& reservation, const NewItem& item,
                                                const Handle* existing,
                                                std::uint32_t now) noexcept {
    if (existing == nullptr && !make_index_room(now)) {
        abandon(reservation);
        return std::unexpected(StoreError::NoMemory);
    }
    const std::uint32_t word = header_word(item, reservation.value_bytes);
    const std::uint32_t start = kPrefixMax - ItemHeader{word}.prefix_bytes();
    pool_.end_upload(reservation.upload_bytes);
    char* data = pool_.data(reservation.segment);
    if (start != 0) {
        // The item ends where the value is; what is left in front of it is a dead item without a
        // key.
        write_filler(data, start);
    }
    write_prefix(data + start, word, item, reservation.value_bytes);
    Segment& segment = meta(reservation.segment);
    segment.sequence = pool_.next_sequence();
    segment.fill = start + decode_item(data + start, 0).bytes;
    segment.state = SegmentState::Sealed;
    push_young(reservation.segment, new_queue(item, segment.fill, existing));
    return link(item.key.hash, existing, {reservation.segment, start}, now);
}

void Shard::abandon(const Reservation& reservation) noexcept {
    pool_.end_upload(reservation.upload_bytes);
    free_segment(reservation.segment);
}

}  // namespace shardmill::store
