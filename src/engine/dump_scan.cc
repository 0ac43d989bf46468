#include "engine/dump_scan.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "base/base64.h"
#include "base/hash.h"
#include "base/number.h"
#include "base/uri.h"
#include "protocol/reply.h"

namespace shardmill::engine {
namespace {

constexpr std::size_t kChunkBytes = 16u << 10;
constexpr std::uint64_t kUnreadBytesMax = 256u << 10;
constexpr std::size_t kStraysPerTask = 64;  // asked for under one lock

struct Line {
    std::string_view key;
    std::uint32_t exptime;
    store::ItemAccess access;
    std::uint64_t cas;
    std::uint64_t size;
    std::uint32_t client_flags;
};

void append_number(std::string& text, std::uint64_t number) {
    std::array<char, base::kMaxNumberText> digits;
    text.append(digits.data(), base::write_number(digits.data(), number));
}

void append_metadump(std::string& text, const Line& line) {
    text += "key=";
    base::append_uri_encoded(text, line.key);
    text += " exp=";
    if (line.exptime == 0) {
        text += "-1";
    } else {
        append_number(text, line.exptime);
    }
    text += " la=";
    append_number(text, line.access.last_access);
    text += " cas=";
    append_number(text, line.cas);
    text += line.access.fetched ? " fetch=yes cls=" : " fetch=no cls=";
    append_number(text, kItemClass);
    text += " size=";
    append_number(text, line.size);
    text += " flags=";
    append_number(text, line.client_flags);
    text += " \n";
}

void append_mgdump(std::string& text, const store::ItemView& item) {
    text += "mg ";
    if (item.header.has(store::ItemHeader::kBinaryKey)) {
        std::array<char, base::base64_text_bytes(256)> encoded;
        text.append(encoded.data(), base::base64_encode(item.key, encoded.data()));
        text += " b\r\n";
    } else {
        text.append(item.key).append("\r\n");
    }
}

}  // namespace

class DumpScan::Lane final : public ScanLane {
 public:
    explicit Lane(DumpScan& dump) : dump_(dump) {}

    ScanResult map(const store::PinnedSegment& segment, std::uint32_t now,
                   const std::atomic<bool>& stop) override {
        resting_ = dump_.flow_.full();
        if (resting_) return {};
        std::uint64_t items = 0;
        const bool end =
            store::visit_items_from(segment, now, cursor_, [&](const store::ItemView& item) {
                ++items;
                add(segment, now, item);
                if (text_.size() < kChunkBytes) return true;
                flush();
                return !dump_.flow_.full() && !stop.load(std::memory_order_relaxed);
            });
        dump_.parts_.counters->add(ServerCounter::CrawlerItemsChecked, items);
        resting_ = !end;
        if (!end) return {};
        cursor_ = {};
        ask(segment, now);
        return {};
    }
    bool resting() const noexcept override { return resting_; }

    ScanResult finish() override {
        flush();
        return {};
    }

 private:
    void add(const store::PinnedSegment& segment, std::uint32_t cut, const store::ItemView& item) {
        if (dump_.format_ == DumpFormat::Mgdump) return append_mgdump(text_, item);
        const std::uint64_t hash = base::hash_key(item.key);
        // An access may be noted while we look, by a clock that is a little ahead of ours.
        const auto access = dump_.parts_.shards->peek(segment.shard)
                                .peek_access(hash, item, dump_.parts_.clock() + 2);
        const CommandLimits& limits = dump_.parts_.limits;
        const std::uint64_t cas = limits.cas_enabled ? item.cas : 0;
        const std::uint64_t size =
            limits.item_bytes(item.key.size(), item.value.size(), item.client_flags);
        if (access) {
            append_metadump(text_, {.key = item.key,
                                    .exptime = item.exptime,
                                    .access = *access,
                                    .cas = cas,
                                    .size = size,
                                    .client_flags = item.client_flags});
            return;
        }
        strays_.push_back({.key = std::string(item.key),
                           .hash = hash,
                           .cas = cas,
                           .size = size,
                           .exptime = item.exptime,
                           .client_flags = item.client_flags,
                           .hit = item.header.has(store::ItemHeader::kHit)});
        if (strays_.size() >= kStraysPerTask) ask(segment, cut);
    }
    void flush() {
        if (!text_.empty()) dump_.push(std::exchange(text_, {}));
    }
    void ask(const store::PinnedSegment& segment, std::uint32_t cut) {
        if (!strays_.empty()) dump_.ask(segment.shard, std::exchange(strays_, {}), cut);
    }

    DumpScan& dump_;
    std::string text_;
    std::vector<Stray> strays_;  // of the present segment
    store::SegmentCursor cursor_;
    bool resting_ = false;
};

DumpScan::DumpScan(const CrawlerParts& parts, DumpFormat format, net::ConnectionId connection,
                   std::function<void(const ScanOutcome&)> on_done)
    : parts_(parts),
      format_(format),
      connection_(connection),
      on_done_(std::move(on_done)),
      flow_(kUnreadBytesMax) {}

std::expected<std::unique_ptr<ScanLane>, std::string> DumpScan::start_lane() {
    // In front of all lanes' lines, and a sign that the cut has been taken.
    std::call_once(begun_, [this] { push(std::string(protocol::replies::kOk)); });
    return std::make_unique<Lane>(*this);
}

void DumpScan::push(std::string text) {
    const std::uint64_t bytes = text.size();
    flow_.hand_out(bytes);
    parts_.replier->push(connection_, std::move(text),
                         [self = shared_from_this(), bytes](bool delivered) {
                             self->flow_.dealt_with(bytes);
                             if (!delivered) self->flow_.remote().cancel();
                         });
}

/// Has a reactor complete the lines of items that are not where they were at the cut.
void DumpScan::ask(std::uint32_t shard, std::vector<Stray> strays, base::UnixSeconds cut) {
    std::uint64_t bytes = 0;
    for (const Stray& stray : strays) bytes += sizeof(Stray) + stray.key.size();
    flow_.hand_out(bytes);
    open_.fetch_add(1, std::memory_order_relaxed);
    parts_.reactors[shard % parts_.reactors.size()]->post(
        [self = shared_from_this(), shard, cut, bytes, strays = std::move(strays)] {
            self->answer(shard, strays, cut);
            self->flow_.dealt_with(bytes);
            self->one_through();
        });
}

void DumpScan::answer(std::uint32_t shard, const std::vector<Stray>& strays,
                      base::UnixSeconds cut) {
    std::string text;
    {
        const auto guard = parts_.shards->lock(shard);
        for (const Stray& stray : strays) {
            // An item that was moved keeps its stamp. What has replaced one was stored after the
            // cut, and what is gone was there at the cut: then is the latest that is certain.
            const auto found = guard->find({stray.key, stray.hash}, parts_.clock());
            const bool moved = found && found->last_access <= cut;
            const store::ItemAccess access{
                .last_access = moved ? found->last_access : cut,
                .fetched = stray.hit || (moved && found->fetched_before)};
            append_metadump(text, {.key = stray.key,
                                   .exptime = stray.exptime,
                                   .access = access,
                                   .cas = stray.cas,
                                   .size = stray.size,
                                   .client_flags = stray.client_flags});
        }
    }
    push(std::move(text));
}

void DumpScan::done(const ScanOutcome& outcome) {
    outcome_ = outcome;
    one_through();
}

void DumpScan::one_through() {
    if (open_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    parts_.control->post([self = shared_from_this()] { self->on_done_(self->outcome_); });
}

}  // namespace shardmill::engine
