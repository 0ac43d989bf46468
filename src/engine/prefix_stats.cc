#include "engine/prefix_stats.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <new>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/hash.h"

namespace shardmill::engine {

namespace {

constexpr std::size_t kSlots = 2 * PrefixStats::kPrefixesMax;

enum Figure : std::uint8_t { Gets, Hits, Sets, Deletes };
constexpr std::size_t kFigures = 4;

struct Entry {
    std::string prefix;
    std::array<std::atomic<std::uint64_t>, kFigures> figures{};

    void add(Figure figure) noexcept {
        // There is one writer.
        figures[figure].store(get(figure) + 1, std::memory_order_relaxed);
    }
    std::uint64_t get(Figure figure) const noexcept {
        return figures[figure].load(std::memory_order_relaxed);
    }
};

/// The binary protocol allows every byte in a key.
bool is_showable(std::string_view prefix) noexcept {
    return prefix.find_first_of(std::string_view("\r\n\0", 3)) == std::string_view::npos;
}

}  // namespace

/// Open addressing, never more than half full. Entries appear once and stay, so that others can
/// read while the owner goes on.
struct PrefixStats::Table {
    explicit Table(std::uint64_t made_in) : generation(made_in), slots(new Slots()) {}
    ~Table() {
        for (const auto& slot : *slots) delete slot.load(std::memory_order_relaxed);
    }
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    /// nullptr: no more room for another prefix.
    Entry* find_or_add(std::string_view prefix) noexcept {
        std::size_t at = base::hash_key(prefix) % kSlots;
        for (;; at = (at + 1) % kSlots) {
            Entry* entry = (*slots)[at].load(std::memory_order_relaxed);
            if (entry == nullptr) break;
            if (entry->prefix == prefix) return entry;
        }
        if (count == kPrefixesMax || !is_showable(prefix)) return nullptr;
        Entry* entry = nullptr;
        try {
            entry = new Entry{.prefix = std::string(prefix)};
        } catch (const std::bad_alloc&) {
            return nullptr;
        }
        (*slots)[at].store(entry, std::memory_order_release);
        ++count;
        return entry;
    }

    using Slots = std::array<std::atomic<Entry*>, kSlots>;
    const std::uint64_t generation;
    const std::unique_ptr<Slots> slots;
    std::uint32_t count = 0;  // the owner's
};

PrefixStats::PrefixStats(char delimiter, std::uint32_t executors) : delimiter_(delimiter) {
    for (std::uint32_t i = 0; i < executors; ++i) recorders_.emplace_back(*this);
}

PrefixStats::~PrefixStats() = default;

void PrefixStats::Recorder::count(std::string_view key, Kind kind, bool hit) noexcept {
    const std::size_t end = key.find(stats_.delimiter_);
    if (end == std::string_view::npos) return;
    const std::uint64_t generation = stats_.generation_.load(std::memory_order_relaxed);
    if (generation != generation_) start_over(generation);
    if (own_ == nullptr) return;
    Entry* entry = own_->find_or_add(key.substr(0, end));
    if (entry == nullptr) return;
    switch (kind) {
        case Kind::Get:
            entry->add(Gets);
            if (hit) entry->add(Hits);
            break;
        case Kind::Set:
            entry->add(Sets);
            break;
        case Kind::Delete:
            entry->add(Deletes);
            break;
    }
}

void PrefixStats::Recorder::start_over(std::uint64_t generation) noexcept {
    generation_ = generation;
    std::shared_ptr<Table> fresh;
    try {
        fresh = std::make_shared<Table>(generation);
    } catch (const std::bad_alloc&) {
        // Nothing is counted until the next time.
    }
    own_ = fresh.get();
    const std::lock_guard lock(mutex_);
    shared_.swap(fresh);
}

std::shared_ptr<const PrefixStats::Table> PrefixStats::Recorder::table() const {
    const std::lock_guard lock(mutex_);
    return shared_;
}

void PrefixStats::dump(std::string& out) const {
    using Figures = std::array<std::uint64_t, kFigures>;
    std::vector<std::shared_ptr<const Table>> tables;  // keep the prefixes alive
    std::unordered_map<std::string_view, Figures> sums;
    const std::uint64_t generation = generation_.load(std::memory_order_relaxed);
    for (const Recorder& recorder : recorders_) {
        const auto table = recorder.table();
        if (!table || table->generation != generation) continue;
        tables.push_back(table);
        for (const auto& slot : *table->slots) {
            const Entry* entry = slot.load(std::memory_order_acquire);
            if (entry == nullptr) continue;
            if (sums.size() == kPrefixesMax && !sums.contains(entry->prefix)) continue;
            Figures& sum = sums[entry->prefix];
            for (std::size_t i = 0; i < kFigures; ++i) sum[i] += entry->get(static_cast<Figure>(i));
        }
    }
    std::vector<std::pair<std::string_view, Figures>> lines(sums.begin(), sums.end());
    std::ranges::sort(lines);
    for (const auto& [prefix, sum] : lines) {
        fmt::format_to(std::back_inserter(out), "PREFIX {} get {} hit {} set {} del {}\r\n", prefix,
                       sum[Gets], sum[Hits], sum[Sets], sum[Deletes]);
    }
    out.append("END\r\n");
}

}  // namespace shardmill::engine
