#include "fuzz/store_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "store/shard.h"

namespace shardmill::fuzz {
namespace {

using store::HashedKey;

constexpr std::uint64_t kMemory = 2u << 20;
constexpr std::uint32_t kSegmentBytes = 64u << 10;
constexpr std::uint32_t kStart = 1'700'000'000;  // unix seconds
constexpr std::size_t kOperationCount = 25;
constexpr std::uint32_t kExactFor = 4 * 3600;  // of a last access
constexpr std::size_t kOperationsMax = 4000;   // a longer program goes on for nothing
constexpr std::uint32_t kStoredBits = store::ItemHeader::kStale | store::ItemHeader::kWin;

struct Expected {
    std::string value;
    std::uint32_t exptime = 0;
    std::uint32_t flags = 0;
    std::uint32_t bits = 0;
    std::uint64_t cas = 0;  // what a client was shown; 0: nothing
    std::uint32_t accessed = 0;
    bool doubtful = false;  // flushed as unused, by a last access that is not exact any more
};

struct LiveCut {
    store::ShardCut cut;
    std::map<std::string, std::string> expected;
    bool complete;   // nothing may be missing
    bool leftovers;  // what was flushed as unused may still be there
};

struct LivePin {
    std::uint32_t segment;
    std::string_view pinned;
    std::string value;
};

struct Upload {
    store::Reservation reservation;
    std::string key;
    std::string value;
};

HashedKey hashed(std::string_view key) { return {key, base::hash_key(key)}; }

class StoreCheck {
 public:
    explicit StoreCheck(std::string_view program)
        : program_(program),
          pool_(
              {.memory_limit = kMemory, .segment_bytes = kSegmentBytes, .item_bytes_max = kMemory}),
          shard_(0, pool_, configured(program)) {}

    void run() {
        for (std::size_t i = 0; !program_.empty() && i < kOperationsMax; ++i) step();
        finish();
    }

 private:
    using Operation = void (StoreCheck::*)();
    static const Operation kOperations[kOperationCount];

    static store::ShardConfig configured(std::string_view program) {
        const auto choice = static_cast<unsigned char>(program.empty() ? 0 : program.front());
        return {.share_bytes = kMemory,
                .evict = choice % 8 != 7,
                .hit_weight = choice % 8 == 6 ? 0.5 : 0,
                .small_share = choice % 8 == 5 ? 10u : 0u};
    }

    std::uint32_t byte() {
        if (program_.empty()) return 0;
        const auto next = static_cast<unsigned char>(program_.front());
        program_.remove_prefix(1);
        return next;
    }
    std::string key() {
        const std::uint32_t number = byte() % 24;  // few, so that one is met again
        // A few of them are long.
        return fmt::format("{}{}", std::string(number % 16 == 0 ? 200 : 3, 'k'), number);
    }
    std::string value() {
        const std::uint32_t size = byte();
        // From nothing over several lanes to what gets segments of its own.
        const std::uint32_t bytes = size < 160 ? size : (size - 159) * (size - 159) * 15;
        return std::string(bytes, static_cast<char>('a' + bytes_written_++ % 26));
    }
    std::uint32_t exptime() {
        const std::uint32_t choice = byte();
        return choice % 3 != 0 ? 0 : now_ + 1 + (choice < 128 ? choice : choice * 3600);
    }

    void step() {
        const std::size_t operation = byte() % kOperationCount;
        (this->*kOperations[operation])();
        if (!pool_.over_limit()) over_limit_ = false;
        if (!over_limit_) SHARDMILL_ASSERT(pool_.charged_bytes() <= pool_.memory_limit());
    }

    /// Nothing may be missing: nothing was evicted, nor dropped for lack of memory.
    bool complete() const { return shard_.stats().evictions == 0; }

    /// The item of a key, compared with what it must be.
    std::optional<store::Handle> look_up(const std::string& key) {
        const auto found = shard_.find(hashed(key), now_);
        const auto expected = model_.find(key);
        if (expected == model_.end()) {
            SHARDMILL_ASSERT(!found);
        } else if (!found) {
            SHARDMILL_ASSERT(!complete() || expected->second.doubtful);
            model_.erase(expected);
        } else {
            compare(*found, expected->second);
        }
        return found;
    }
    void compare(const store::Handle& found, const Expected& expected) const {
        SHARDMILL_ASSERT(found.view.value == expected.value);
        SHARDMILL_ASSERT(found.view.exptime == expected.exptime);
        SHARDMILL_ASSERT(found.view.client_flags == expected.flags);
        SHARDMILL_ASSERT((found.view.header.word & kStoredBits) == expected.bits);
        SHARDMILL_ASSERT(expected.cas == 0 || found.view.cas == expected.cas);
        if (now_ - expected.accessed < kExactFor) {
            SHARDMILL_ASSERT(found.last_access == expected.accessed);
        }
    }

    /// What was just stored, or why it was not.
    void stored(const std::string& key, const std::expected<store::Handle, store::StoreError>& done,
                Expected expected) {
        if (!done) {
            look_up(key);  // Nothing has changed.
            return;
        }
        const auto before = model_.find(key);
        if (before != model_.end() && before->second.cas != 0 && expected.cas == 0) {
            SHARDMILL_ASSERT(done->view.cas != before->second.cas);
        }
        model_[key] = std::move(expected);
        compare(*done, model_[key]);
    }
    void put(const std::string& key, std::uint64_t cas) {
        const auto existing = look_up(key);
        Expected item{.value = value(), .exptime = exptime(), .cas = cas, .accessed = now_};
        item.flags = byte() % 2 == 0 ? 0 : byte();
        stored(key,
               shard_.put({.key = hashed(key),
                           .value_head = item.value,
                           .client_flags = item.flags,
                           .exptime = item.exptime,
                           .cas = item.cas},
                          existing ? &*existing : nullptr, now_),
               item);
    }

    void put_one() { put(key(), 0); }
    void put_with_cas() {
        const std::string name = key();
        put(name, shard_.fresh_cas());
    }
    /// Many new items at once: what fills a shard.
    void put_many() {
        const std::uint32_t count = 1 + byte() * 4;
        const std::uint32_t bytes = byte() * 8;
        const std::string filling(bytes, 'f');
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::string name = fmt::format("many{}", many_++ % 5000);
            const auto existing = look_up(name);
            stored(name,
                   shard_.put({.key = hashed(name), .value_head = filling},
                              existing ? &*existing : nullptr, now_),
                   {.value = filling, .accessed = now_});
        }
    }
    void get() {
        const std::string name = key();
        if (const auto found = look_up(name)) {
            shard_.bump(*found, now_);
            model_[name].accessed = now_;
        }
    }
    void erase() {
        const std::string name = key();
        if (const auto found = look_up(name)) {
            shard_.erase(*found);
            model_.erase(name);
        }
    }
    void touch() {
        const std::string name = key();
        const std::uint32_t when = exptime();
        if (const auto found = look_up(name)) {
            if (shard_.set_exptime(*found, when, now_)) model_[name].exptime = when;
            look_up(name);
        }
    }
    void append() {
        const std::string name = key();
        const std::string tail = value();
        const auto found = look_up(name);
        if (!found) return;
        const Expected old = model_[name];
        stored(name,
               shard_.put({.key = hashed(name),
                           .value_head = found->view.value,
                           .value_tail = tail,
                           .client_flags = old.flags,
                           .exptime = old.exptime},
                          &*found, now_),
               {.value = old.value + tail,
                .exptime = old.exptime,
                .flags = old.flags,
                .accessed = now_});
    }
    void show_cas() {
        const std::string name = key();
        if (const auto found = look_up(name)) model_[name].cas = shard_.show_cas(*found);
    }
    void overwrite() {
        const std::string name = key();
        if (const auto found = look_up(name)) {
            const std::string digits(found->view.value.size() / 2, '7');
            if (shard_.overwrite_value(*found, digits)) {
                std::string& now = model_[name].value;
                now = digits + std::string(now.size() - digits.size(), ' ');
            }
            look_up(name);
        }
    }
    void set_bits() {
        const std::string name = key();
        const std::uint32_t choice = byte();
        const std::uint32_t set = choice % 2 != 0 ? store::ItemHeader::kStale : 0;
        const std::uint32_t clear = choice % 3 == 0 ? store::ItemHeader::kWin : 0;
        const std::uint64_t cas = choice % 5 == 0 ? shard_.fresh_cas() : 0;
        const auto found = look_up(name);
        if (found && shard_.set_bits(*found, set, clear, now_, cas)) {
            Expected& expected = model_[name];
            expected.bits = (expected.bits | set) & ~clear;
            if (cas != 0) expected.cas = cas;
        }
        look_up(name);
    }
    void reserve() {
        if (uploads_.size() == 3) return;
        Upload upload{.reservation = {}, .key = key(), .value = value()};
        look_up(upload.key);
        const auto reserved = shard_.reserve(static_cast<std::uint32_t>(upload.key.size()),
                                             static_cast<std::uint32_t>(upload.value.size()), now_);
        if (!reserved) return;
        upload.reservation = *reserved;
        std::memcpy(reserved->value, upload.value.data(), upload.value.size());
        uploads_.push_back(std::move(upload));
    }
    void commit() {
        if (uploads_.empty()) return;
        const Upload upload = std::move(uploads_.front());
        uploads_.erase(uploads_.begin());
        const auto existing = look_up(upload.key);
        stored(upload.key,
               shard_.commit(upload.reservation, {.key = hashed(upload.key)},
                             existing ? &*existing : nullptr, now_),
               {.value = upload.value, .accessed = now_});
    }
    void abandon() {
        if (uploads_.empty()) return;
        shard_.abandon(uploads_.back().reservation);
        uploads_.pop_back();
    }
    void pin() {
        const auto found = look_up(key());
        if (!found || pins_.size() == 8) return;
        shard_.pin(found->segment);
        pins_.push_back({found->segment, found->view.value, std::string(found->view.value)});
    }
    void unpin() {
        if (pins_.empty()) return;
        SHARDMILL_ASSERT(pins_.front().pinned == pins_.front().value);
        shard_.unpin(pins_.front().segment);
        pins_.erase(pins_.begin());
    }
    void begin_cut() {
        if (cuts_.size() == 3) return;
        LiveCut live{.cut = shard_.take_cut(now_, std::make_shared<store::CutState>()),
                     .expected = {},
                     .complete = complete(),
                     .leftovers = flushed_unused_};
        for (const auto& [name, expected] : model_) {
            live.expected[name] = expected.value;
            live.complete &= !expected.doubtful;
        }
        cuts_.push_back(std::move(live));
    }
    void end_cut() {
        if (cuts_.empty()) return;
        const LiveCut live = std::move(cuts_.front());
        cuts_.erase(cuts_.begin());
        std::size_t seen = 0;
        std::map<std::string, int> times;
        for (const store::PinnedSegment& segment : live.cut.segments) {
            if (!segment.claim()) continue;
            visit_items(segment, live.cut.now, [&](const store::ItemView& item) {
                const auto expected = live.expected.find(std::string(item.key));
                if (live.leftovers && expected == live.expected.end()) return;
                SHARDMILL_ASSERT(expected != live.expected.end());
                SHARDMILL_ASSERT(expected->second == item.value || live.leftovers);
                SHARDMILL_ASSERT(++times[expected->first] == 1);
                ++seen;
            });
        }
        if (!live.cut.state->failed && live.complete)
            SHARDMILL_ASSERT(seen == live.expected.size());
        for (const store::PinnedSegment& segment : live.cut.segments) shard_.release_cut(segment);
    }
    void pass_time() { advance(byte()); }
    void pass_hours() {
        if (flushed_unused_) settle_down();  // Last accesses tell what was flushed only for hours.
        advance(byte() * 1800);
    }
    void advance(std::uint32_t seconds) {
        now_ += seconds;
        std::erase_if(model_, [&](const auto& entry) {
            const std::uint32_t when = entry.second.exptime;
            return when != 0 && when <= now_;
        });
        if (flush_at_ != 0 && flush_at_ <= now_) flushed();
    }
    void flushed() {
        flush_at_ = 0;
        model_.clear();
        shard_.find(hashed("any"), now_);  // A flush takes what was there by then.
    }
    void flush() {
        const std::uint32_t delay = byte() % 4 == 0 ? byte() : 0;
        shard_.flush_all(now_ + delay, now_);
        flush_at_ = now_ + delay;
        if (delay == 0) flushed();
    }
    void flush_unused() {
        const std::uint32_t before = now_ - byte() % 64;
        flush_at_ = 0;
        shard_.flush_unused(before);
        flushed_unused_ = true;
        for (auto entry = model_.begin(); entry != model_.end();) {
            Expected& item = entry->second;
            item.doubtful |= item.accessed < before;
            const bool gone = item.accessed < before && now_ - item.accessed < kExactFor;
            entry = gone ? model_.erase(entry) : std::next(entry);
        }
    }
    void reclaim_expired() {
        const std::string name = key();
        const auto there = model_.contains(name);
        if (shard_.reclaim_expired(hashed(name), now_)) SHARDMILL_ASSERT(!there);
    }
    void set_limit() {
        const std::uint64_t bytes = kMemory / 8 * (2 + byte() % 7);
        SHARDMILL_ASSERT(pool_.set_limit(bytes));
        over_limit_ = pool_.over_limit();
    }
    void housekeep() {
        for (std::uint32_t slices = 1 + byte() % 32; slices != 0; --slices) shard_.housekeep(now_);
        pool_.release_freed_memory();
    }
    void walk() {
        const bool resizing = shard_.stats().index_growing;
        std::size_t seen = 0;
        for (std::uint64_t cursor = 0;;) {
            cursor = shard_.walk(cursor, 1000, now_, [&](const store::ItemView& item) {
                const auto expected = model_.find(std::string(item.key));
                // (What was flushed as unused is dropped where it is met.)
                if (flushed_unused_ && expected == model_.end()) return;
                SHARDMILL_ASSERT(expected != model_.end());
                SHARDMILL_ASSERT(expected->second.value == item.value);
                ++seen;
            });
            if (cursor == 0) break;
        }
        if (complete() && !resizing &&
            std::ranges::none_of(model_, [](const auto& entry) { return entry.second.doubtful; })) {
            SHARDMILL_ASSERT(seen == model_.size());
        }
    }

    void settle_down() {
        std::uint32_t slices = 0;
        while (shard_.housekeep(now_)) {
            pool_.release_freed_memory();
            SHARDMILL_ASSERT(++slices < 100'000);
        }
    }
    void finish() {
        while (!cuts_.empty()) end_cut();
        while (!pins_.empty()) unpin();
        while (!uploads_.empty()) abandon();
        settle_down();
        SHARDMILL_ASSERT(shard_.stats().pinned_bytes == 0);
        SHARDMILL_ASSERT(pool_.upload_bytes() == 0);
        std::vector<std::string> names;
        for (const auto& entry : model_) names.push_back(entry.first);
        for (const std::string& name : names) look_up(name);
        SHARDMILL_ASSERT(pool_.set_limit(kMemory));
        shard_.flush_all(0, now_);
        settle_down();
        SHARDMILL_ASSERT(shard_.stats().items == 0 && shard_.stats().item_bytes == 0);
        SHARDMILL_ASSERT(pool_.charged_bytes() <= kMemory);
    }

    std::string_view program_;
    std::uint32_t now_ = kStart;
    store::SegmentPool pool_;
    store::Shard shard_;
    std::map<std::string, Expected> model_;
    std::vector<LiveCut> cuts_;
    std::vector<LivePin> pins_;
    std::vector<Upload> uploads_;
    std::uint32_t flush_at_ = 0;
    std::uint32_t bytes_written_ = 0;
    std::uint32_t many_ = 0;
    bool over_limit_ = false;
    bool flushed_unused_ = false;
};

const StoreCheck::Operation StoreCheck::kOperations[kOperationCount] = {
    &StoreCheck::put_one,      &StoreCheck::put_many,     &StoreCheck::get,
    &StoreCheck::erase,        &StoreCheck::touch,        &StoreCheck::append,
    &StoreCheck::show_cas,     &StoreCheck::overwrite,    &StoreCheck::set_bits,
    &StoreCheck::reserve,      &StoreCheck::commit,       &StoreCheck::abandon,
    &StoreCheck::pin,          &StoreCheck::unpin,        &StoreCheck::begin_cut,
    &StoreCheck::end_cut,      &StoreCheck::pass_time,    &StoreCheck::pass_hours,
    &StoreCheck::flush,        &StoreCheck::flush_unused, &StoreCheck::reclaim_expired,
    &StoreCheck::set_limit,    &StoreCheck::housekeep,    &StoreCheck::walk,
    &StoreCheck::put_with_cas,
};

}  // namespace

void check_store(std::string_view program) { StoreCheck(program).run(); }

unsigned store_operations() noexcept { return kOperationCount; }

}  // namespace shardmill::fuzz
