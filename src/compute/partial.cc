#include "compute/program.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "base/hash.h"
#include "compute/json_reader.h"
#include "compute/program_impl.h"

namespace shardmill::compute {

namespace {

constexpr std::uint64_t kLongBlockNs = 10'000'000;
constexpr std::uint32_t kPartialMagic = 0x32504d53;  // "SMP2"

struct SaveTarget {
    PartialAccount& account;
    std::string bytes;
};

int append_saved(void* context, const char* bytes, std::size_t count) {
    auto& target = *static_cast<SaveTarget*>(context);
    if (!target.account.take(count)) return 1;
    target.bytes.append(bytes, count);
    return 0;
}

/// Three bits of the header that stand side by side in both.
constexpr std::uint16_t marks_of(store::ItemHeader header) noexcept {
    return static_cast<std::uint16_t>(header.word >> 28 & 7);
}
static_assert(marks_of({store::ItemHeader::kHit}) == SHARDMILL_ITEM_FETCHED &&
              marks_of({store::ItemHeader::kStale}) == SHARDMILL_ITEM_STALE &&
              marks_of({store::ItemHeader::kWin}) == SHARDMILL_ITEM_WON);

}  // namespace

struct Partial::Impl {
    Impl(std::shared_ptr<const Program> shared, std::shared_ptr<JobBudget> budget,
         AccessSource source)
        : program(std::move(shared)),
          plan(program->impl()),
          access(source),
          account(std::move(budget)),
          block(std::make_unique<Block>(kernel::Host(account.host()), plan.paths.size())) {}

    Status add(const store::ItemView& item, std::uint32_t now, const std::atomic<bool>& stop);
    Status flush(std::uint32_t now, const std::atomic<bool>& stop);
    void read_access();
    void read_fields() noexcept;
    Status pick();
    void pace(std::uint64_t block_ns) noexcept;
    void filter(const std::vector<Condition>& conditions, bool with_fields);
    std::unexpected<JobError> bound() const {
        return std::unexpected(
            account.error().value_or(JobError{JobErrorKind::Memory, "needs more memory"}));
    }

    std::shared_ptr<const Program> program;
    const Program::Impl& plan;
    const AccessSource access;
    const store::Shard* shard = nullptr;  // whose segment is mapped
    PartialAccount account;               // outlives everything below
    std::unique_ptr<Block> block;
    std::unique_ptr<Reducer> reducer;
    Counters counters;
    std::vector<kernel::Item> picked;  // by a program that acts, not taken yet
};

Status Partial::Impl::add(const store::ItemView& item, std::uint32_t now,
                          const std::atomic<bool>& stop) {
    ++counters.scanned;
    counters.bytes += item.bytes;
    if (!plan.key_passes(item.key)) return {};
    block->headers[block->count] = item.header;
    block->key_bytes += item.key.size();
    kernel::Item& place = block->items[block->count++];
    place.key = item.key.data();
    place.value = item.value.data();
    place.key_bytes = static_cast<std::uint32_t>(item.key.size());
    place.value_bytes = static_cast<std::uint32_t>(item.value.size());
    place.client_flags = item.client_flags;
    place.exptime = item.exptime;
    place.last_access = 0;
    place.marks = marks_of(item.header);
    place.frequency = 0;
    place.cas = item.cas;
    block->value_bytes += item.value.size();
    return block->full() ? flush(now, stop) : Status{};
}

void Partial::Impl::filter(const std::vector<Condition>& conditions, bool with_fields) {
    TruthColumn truth;
    for (const Condition& condition : conditions) {
        if (block->count == 0) return;
        if (has(condition.touches(), Touches::Access)) read_access();
        condition.evaluate(*block, truth);
        block->compact(with_fields,
                       [&truth](std::uint32_t index) { return truth[index] == Truth::True; });
    }
}

/// What the index knows of the block's items. Its lines are asked for all at once.
void Partial::Impl::read_access() {
    if (shard == nullptr || block->access_known) return;
    block->access_known = true;
    std::array<std::uint64_t, kBlockItems> hashes;
    for (std::uint32_t index = 0; index < block->count; ++index) {
        hashes[index] = base::hash_key(kernel::key_of(block->items[index]));
        shard->prefetch_index(hashes[index]);
    }
    // An access may be noted while we look, by a clock that is a little ahead of ours.
    const std::uint32_t now = access.clock() + 2;
    for (std::uint32_t index = 0; index < block->count; ++index) {
        kernel::Item& item = block->items[index];
        store::ItemView view;
        view.key = kernel::key_of(item);
        view.header = block->headers[index];
        const auto found = shard->peek_access(hashes[index], view, now);
        if (!found) continue;
        item.last_access = found->last_access;
        item.frequency = found->frequency;
        if (found->fetched) item.marks |= SHARDMILL_ITEM_FETCHED;
    }
}

/// Items whose value is not JSON are left out.
void Partial::Impl::read_fields() noexcept {
    std::array<bool, kBlockItems> failed{};
    read_json_fields(plan.paths, *block, failed);
    const std::uint32_t before = block->count;
    block->compact(true, [&failed](std::uint32_t index) { return !failed[index]; });
    counters.failed += before - block->count;
}

Status Partial::Impl::flush(std::uint32_t now, const std::atomic<bool>& stop) {
    if (stop.load(std::memory_order_relaxed)) {
        return std::unexpected(JobError{JobErrorKind::Cancelled, "stopped"});
    }
    block->now = now;
    counters.selected += block->count;
    counters.selected_bytes += block->key_bytes + block->value_bytes;
    const std::uint64_t begun_ns = base::monotonic_ns();
    filter(plan.plain_conditions, false);
    if (block->count > 0 && !plan.paths.empty()) {
        read_fields();
        filter(plan.field_conditions, true);
    }
    if (block->count > 0 && has(plan.touches, Touches::Access)) read_access();
    Status status;
    if (block->count > 0) {
        account.failures().begin_block(*block);
        status = plan.action ? pick() : reducer->map(*block);
        const std::uint32_t failed = account.failures().end_block();
        counters.matched += block->count - failed;
        counters.failed += failed;
    }
    // What could not be evaluated was taken for null.
    if (status && block->scratch->exhausted()) status = bound();
    pace(base::monotonic_ns() - begun_ns);
    block->clear();
    return status;
}

Status Partial::Impl::pick() {
    if (!account.take(block->count * sizeof(kernel::Item))) return bound();
    picked.insert(picked.end(), block->items.begin(), block->items.begin() + block->count);
    return {};
}

/// Blocks of items that take long get shorter: between two of them the job can be stopped.
void Partial::Impl::pace(std::uint64_t block_ns) noexcept {
    if (block_ns > kLongBlockNs) {
        block->items_max = std::max(block->items_max / 4, 1u);
    } else if (block_ns < kLongBlockNs / 8) {
        block->items_max = std::min(block->items_max * 2, kBlockItems);
    }
}

Partial::Partial(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
Partial::~Partial() = default;
Partial::Partial(Partial&&) noexcept = default;
Partial& Partial::operator=(Partial&&) noexcept = default;

std::expected<Partial, JobError> Partial::start(std::shared_ptr<const Program> program,
                                                std::shared_ptr<JobBudget> budget,
                                                AccessSource access) {
    auto impl = std::make_unique<Impl>(std::move(program), std::move(budget), access);
    const std::uint64_t fixed =
        sizeof(Impl) + sizeof(Block) + impl->plan.paths.size() * sizeof(Column);
    if (!impl->account.take(fixed)) return impl->bound();
    if (impl->plan.kernel) {
        auto reducer = KernelReducer::start(*impl->plan.kernel, impl->account);
        if (!reducer) return std::unexpected(reducer.error());
        impl->reducer = std::move(*reducer);
    } else {
        impl->reducer = std::make_unique<GroupReducer>(*impl->plan.groups, impl->account);
    }
    return Partial(std::move(impl));
}

std::expected<void, JobError> Partial::map(const store::PinnedSegment& segment, std::uint32_t now,
                                           const std::atomic<bool>& stop) {
    store::SegmentCursor cursor;
    const auto mapped = map_some(segment, now, stop, cursor, ~std::uint64_t{0});
    if (!mapped) return std::unexpected(mapped.error());
    return {};
}

std::expected<bool, JobError> Partial::map_some(const store::PinnedSegment& segment,
                                                std::uint32_t now, const std::atomic<bool>& stop,
                                                store::SegmentCursor& cursor, std::uint64_t items) {
    if (stop.load(std::memory_order_relaxed)) {
        return std::unexpected(JobError{JobErrorKind::Cancelled, "stopped"});
    }
    Status status;
    Impl& impl = *impl_;
    impl.shard = impl.access.shards == nullptr ? nullptr : &impl.access.shards->peek(segment.shard);
    const bool end =
        store::visit_items_from(segment, now, cursor, [&](const store::ItemView& item) {
            status = impl.add(item, now, stop);
            return status.has_value() && --items > 0;
        });
    if (status) status = impl.flush(now, stop);
    if (!status) return std::unexpected(std::move(status.error()));
    return end;
}

std::vector<kernel::Item> Partial::take_picked() noexcept {
    impl_->account.give(impl_->picked.size() * sizeof(kernel::Item));
    return std::exchange(impl_->picked, {});
}

std::expected<void, JobError> Partial::merge(Partial&& other) {
    SHARDMILL_ASSERT(impl_->plan.fingerprint == other.impl_->plan.fingerprint);
    const std::unique_ptr<Impl> from = std::move(other.impl_);
    if (auto merged = impl_->reducer->merge(*from->reducer); !merged) return merged;
    impl_->counters.scanned += from->counters.scanned;
    impl_->counters.matched += from->counters.matched;
    impl_->counters.failed += from->counters.failed;
    impl_->counters.bytes += from->counters.bytes;
    impl_->counters.selected += from->counters.selected;
    impl_->counters.selected_bytes += from->counters.selected_bytes;
    return {};
}

std::expected<std::string, JobError> Partial::save() {
    SaveTarget target{impl_->account, {}};
    kernel::Writer writer(&append_saved, &target);
    const Counters& counters = impl_->counters;
    try {
        writer.number(kPartialMagic);
        for (const std::uint64_t number :
             {impl_->plan.fingerprint, counters.scanned, counters.matched, counters.failed,
              counters.bytes, counters.selected, counters.selected_bytes}) {
            writer.number(number);
        }
    } catch (const kernel::Error&) {
        return impl_->bound();
    }
    const Status saved = impl_->reducer->save(&append_saved, &target);
    impl_->account.give(target.bytes.size());
    if (!saved) return std::unexpected(saved.error());
    return std::move(target.bytes);
}

std::expected<void, JobError> Partial::load(std::string_view bytes) {
    kernel::Reader reader(bytes);
    if (bytes.size() < kSavedHeadBytes || reader.number<std::uint32_t>() != kPartialMagic ||
        reader.number<std::uint64_t>() != impl_->plan.fingerprint) {
        return std::unexpected(
            JobError{JobErrorKind::BadPartial, "not a saved partial of this pipeline"});
    }
    Counters counters = impl_->counters;
    for (std::uint64_t* const counter :
         {&counters.scanned, &counters.matched, &counters.failed, &counters.bytes,
          &counters.selected, &counters.selected_bytes}) {
        *counter += reader.number<std::uint64_t>();
    }
    if (auto loaded = impl_->reducer->load(bytes.substr(kSavedHeadBytes)); !loaded) return loaded;
    impl_->counters = counters;
    return {};
}

std::expected<Result, JobError> Partial::finish() {
    RowTable table(impl_->account, impl_->plan.columns, impl_->plan.lists);
    if (auto finished = impl_->reducer->finish(table); !finished)
        return std::unexpected(finished.error());
    const Program::Impl& plan = impl_->plan;
    if (plan.having) {
        if (auto kept = table.filter(*plan.having, plan.row_parts); !kept)
            return std::unexpected(kept.error());
    }
    if (!plan.ordered_by_kernel) {
        if (auto sorted = table.sort(plan.order, plan.limit); !sorted)
            return std::unexpected(sorted.error());
    }
    auto rows = table.build(plan.limit);
    if (!rows) return std::unexpected(rows.error());
    return Result{std::move(*rows), impl_->counters};
}

const Counters& Partial::counters() const noexcept { return impl_->counters; }
const std::string& Partial::first_failure() const noexcept {
    return impl_->account.failures().first();
}

}  // namespace shardmill::compute
