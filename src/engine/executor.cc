#include "engine/executor.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/assert.h"
#include "base/hash.h"
#include "engine/command_context.h"
#include "engine/commands.h"
#include "engine/commands_admin.h"
#include "engine/commands_loading.h"
#include "engine/upload_table.h"

namespace shardmill::engine {

namespace {

using net::Operation;

// Bounds of one stay under a shard's lock.
constexpr std::size_t kOperationsPerLock = 64;
constexpr std::size_t kBytesPerLock = 64 * 1024;

// How far ahead of execution the index lines and then the items are asked for, in operations:
// enough to cover a memory access, and few enough to be still in the first-level cache when their
// turn comes.
constexpr std::size_t kIndexAhead = 64;
constexpr std::size_t kItemsAhead = 32;

std::uint32_t client_flags_of(const protocol::Request& request) noexcept {
    if (request.verb != protocol::Verb::MetaSet) return request.client_flags;
    return request.meta.has('F') ? request.meta.client_flags : 0;
}

/// What `stats detail` counts a command as. As in memcached these are the commands of the classic
/// and the binary protocol, whatever their outcome; meta commands are none.
std::optional<PrefixStats::Kind> prefix_kind(protocol::Verb verb) noexcept {
    using protocol::Verb;
    switch (verb) {
        case Verb::Get:
        case Verb::Gets:
        case Verb::Gat:
        case Verb::Gats:
        case Verb::BinaryGet:
        case Verb::BinaryTouch:
        case Verb::BinaryGat:
            return PrefixStats::Kind::Get;
        case Verb::Delete:
        case Verb::BinaryDelete:
            return PrefixStats::Kind::Delete;
        default:
            if (!protocol::has_value(verb) || verb == Verb::MetaSet) return std::nullopt;
            return PrefixStats::Kind::Set;
    }
}

constexpr std::uint32_t shard_of_pin(std::uint64_t pin) noexcept {
    return static_cast<std::uint32_t>(pin >> 32);
}
constexpr std::uint32_t segment_of_pin(std::uint64_t pin) noexcept {
    return static_cast<std::uint32_t>(pin);
}

}  // namespace

struct RequestExecutor::Impl {
    Impl(const ExecutorConfig& executor_config, const ExecutorParts& executor_parts)
        : config(executor_config),
          parts(executor_parts),
          limits{config.item_bytes_max, config.started_at, config.cas_enabled},
          shards(*parts.shards),
          log(parts.log != nullptr ? *parts.log : silent),
          ends(shards.size()),
          pending(shards.size()) {
        touched.reserve(shards.size());
    }

    void tick() noexcept;
    void run_keyed(std::span<Operation> operations, net::ReplyArena& replies) noexcept;
    void group_by_shard(std::span<Operation> operations) noexcept;
    std::size_t run_on_shard(std::span<Operation> operations, std::size_t begin, std::size_t end,
                             net::ReplyArena& replies) noexcept;
    void run_without_key(Operation& operation, net::ReplyArena& replies) noexcept;
    void run_observed(CommandContext& context, Operation& operation, bool detailed,
                      bool sampled) noexcept;
    void mark_pending(std::uint32_t shard) noexcept;
    bool keep_house() noexcept;

    const ExecutorConfig config;
    const ExecutorParts parts;
    const CommandLimits limits;
    store::ShardSet& shards;
    EventLogShared nobody;
    EventLog silent{nobody};
    EventLog& log;
    UploadTable uploads;
    base::UnixSeconds now = 0;

    // Scratch of a turn, kept to stop growing.
    std::vector<std::uint32_t>
        order;  // operations with a key, by shard; of one shard in the order given
    std::vector<std::uint32_t> ends;  // by shard: where its operations end in `order`; 0: has none
    std::vector<std::uint32_t> touched;  // shards that have operations in `order`

    // Housekeeping: shards that have something to do.
    std::vector<bool> pending;
    std::uint32_t pending_count = 0;
    std::uint32_t next_shard = 0;
    base::UnixSeconds housekept_at = 0;
};

void RequestExecutor::Impl::tick() noexcept { now = std::max(now, config.clock()); }

void RequestExecutor::Impl::mark_pending(std::uint32_t shard) noexcept {
    pending_count += pending[shard] ? 0 : 1;
    pending[shard] = true;
}

/// Stable counting sort of the operations with a key into `order`; hashes on the way.
void RequestExecutor::Impl::group_by_shard(std::span<Operation> operations) noexcept {
    // Only what the last turn has touched: with many cores there are hundreds of shards, and most
    // turns are short.
    for (const std::uint32_t shard : touched) ends[shard] = 0;
    touched.clear();
    std::uint32_t keyed = 0;
    for (Operation& operation : operations) {
        if (!protocol::has_key(operation.request->verb)) continue;
        operation.hash = base::hash_key(operation.key);
        operation.shard = shards.shard_of(operation.hash);
        operation.slot = nullptr;
        if (ends[operation.shard]++ == 0) touched.push_back(operation.shard);
        ++keyed;
    }
    order.resize(keyed);
    std::uint32_t begin = 0;
    for (const std::uint32_t shard : touched) {
        const std::uint32_t count = ends[shard];
        ends[shard] = begin;  // grows to the real end below
        begin += count;
    }
    for (std::size_t i = 0; i < operations.size(); ++i) {
        if (!protocol::has_key(operations[i].request->verb)) continue;
        order[ends[operations[i].shard]++] = static_cast<std::uint32_t>(i);
    }
}

void RequestExecutor::Impl::run_keyed(std::span<Operation> operations,
                                      net::ReplyArena& replies) noexcept {
    group_by_shard(operations);
    std::size_t index_asked = 0;
    std::size_t items_asked = 0;
    for (std::size_t begin = 0; begin < order.size();) {
        const std::uint32_t shard = operations[order[begin]].shard;
        const std::size_t end = std::min<std::size_t>(ends[shard], begin + kOperationsPerLock);
        for (; index_asked < std::min(end + kIndexAhead, order.size()); ++index_asked) {
            const Operation& operation = operations[order[index_asked]];
            shards.peek(operation.shard).prefetch_index(operation.hash);
        }
        // A lone operation would look at its index lines here only to look at them again at once.
        const std::size_t items_end =
            order.size() == 1 ? 0 : std::min(end + kItemsAhead, order.size());
        for (; items_asked < items_end; ++items_asked) {
            Operation& operation = operations[order[items_asked]];
            operation.slot = shards.peek(operation.shard).prefetch_item(operation.hash);
        }
        begin = run_on_shard(operations, begin, end, replies);
    }
}

/// Executes operations [begin, end) of `order`, all of one shard, under its lock, until the bound
/// on bytes is reached. Returns where it stopped.
std::size_t RequestExecutor::Impl::run_on_shard(std::span<Operation> operations, std::size_t begin,
                                                std::size_t end,
                                                net::ReplyArena& replies) noexcept {
    const std::uint32_t shard = operations[order[begin]].shard;
    const auto guard = shards.lock(shard);
    const ObservedEvictions observed(*guard, log);
    CommandContext context{*guard, now, *parts.counters, uploads, replies, limits, log};
    const bool detailed =
        parts.prefixes != nullptr && parts.settings->prefix_stats.load(std::memory_order_relaxed);
    const bool loading = parts.loading != nullptr && parts.loading->mode() != LoadGate::Mode::Open;
    HotSample* const hot = parts.hot;
    const std::size_t text_before = replies.text.size();
    std::size_t value_bytes = 0;
    while (begin != end && replies.text.size() - text_before + value_bytes < kBytesPerLock) {
        Operation& operation = operations[order[begin++]];
        const protocol::Verb verb = operation.request->verb;
        operation.reply_begin = static_cast<std::uint32_t>(replies.text.size());
        const bool sampled = hot != nullptr && hot->due();
        if (loading && !pass_load_gate(*parts.loading, context, operation)) [[unlikely]] {
            // It has been answered.
        } else if (detailed || sampled) [[unlikely]] {
            run_observed(context, operation, detailed, sampled);
        } else {
            key_command(verb)(context, operation);
        }
        operation.reply_end = static_cast<std::uint32_t>(replies.text.size());
        if (protocol::has_value(verb)) {
            value_bytes += operation.request->value.size();
            mark_pending(shard);
        }
    }
    return begin;
}

/// Runs a command and counts it for its key's prefix, or notes the key as one of the sample.
void RequestExecutor::Impl::run_observed(CommandContext& context, Operation& operation,
                                         bool detailed, bool sampled) noexcept {
    const auto sum = [this](Counter one, Counter other) {
        return parts.counters->get(one) + parts.counters->get(other);
    };
    const protocol::Verb verb = operation.request->verb;
    const std::uint64_t hits = sum(Counter::GetHits, Counter::TouchHits);
    const std::uint64_t misses = sum(Counter::GetMisses, Counter::TouchMisses);
    key_command(verb)(context, operation);
    const bool hit = sum(Counter::GetHits, Counter::TouchHits) != hits;
    if (detailed) {
        if (const auto kind = prefix_kind(verb)) {
            parts.prefixes->count(operation.key, *kind, hit);
        }
    }
    if (!sampled) return;
    const bool miss = !hit && sum(Counter::GetMisses, Counter::TouchMisses) != misses;
    if (hit) parts.hot->hits.add(operation.key, operation.hash, now);
    if (miss) parts.hot->misses.add(operation.key, operation.hash, now);
}

void RequestExecutor::Impl::run_without_key(Operation& operation,
                                            net::ReplyArena& replies) noexcept {
    AdminContext context{config, parts, now, replies};
    operation.reply_begin = static_cast<std::uint32_t>(replies.text.size());
    admin_command(operation.request->verb)(context, operation);
    operation.reply_end = static_cast<std::uint32_t>(replies.text.size());
}

RequestExecutor::RequestExecutor(const ExecutorConfig& config, const ExecutorParts& parts)
    : impl_(std::make_unique<Impl>(config, parts)) {
    SHARDMILL_ASSERT(parts.counters != nullptr && parts.statistics != nullptr);
    SHARDMILL_ASSERT(parts.settings != nullptr);
    SHARDMILL_ASSERT(config.reactor < config.reactors);
}

RequestExecutor::~RequestExecutor() = default;

void RequestExecutor::execute(std::span<Operation> operations, net::ReplyArena& replies) noexcept {
    impl_->tick();
    for (Operation& operation : operations) {
        operation.deferred = false;
        operation.pinned = -1;
    }
    // Commands without a key that care about the keys are barriers; the others can be answered at
    // any time.
    for (std::size_t begin = 0; begin < operations.size();) {
        std::size_t end = begin;
        for (; end < operations.size(); ++end) {
            const protocol::Verb verb = operations[end].request->verb;
            if (protocol::has_key(verb)) continue;
            if (is_barrier(verb)) break;
            impl_->run_without_key(operations[end], replies);
        }
        if (begin != end) impl_->run_keyed(operations.subspan(begin, end - begin), replies);
        if (end < operations.size()) impl_->run_without_key(operations[end++], replies);
        begin = end;
    }
    impl_->log.flush();
}

net::Upload RequestExecutor::reserve(const protocol::Request& request) noexcept {
    const auto refuse = [](store::StoreError error) {
        return net::Upload{nullptr, static_cast<std::uint64_t>(error)};
    };
    const auto bytes =
        impl_->limits.item_bytes(request.key.size(), request.value_bytes, client_flags_of(request));
    if (bytes > impl_->limits.item_bytes_max) return refuse(store::StoreError::TooLarge);
    impl_->tick();
    const std::uint32_t shard = impl_->shards.shard_of(base::hash_key(request.key));
    const auto guard = impl_->shards.lock(shard);
    const ObservedEvictions observed(*guard, impl_->log);
    const auto reservation = guard->reserve(static_cast<std::uint32_t>(request.key.size()),
                                            request.value_bytes, impl_->now);
    if (!reservation) return refuse(reservation.error());
    return {reservation->value, impl_->uploads.add({shard, *reservation})};
}

void RequestExecutor::abandon(net::Upload upload) noexcept {
    if (upload.value == nullptr) return;
    const UploadTable::Entry entry = impl_->uploads.take(upload.token);
    impl_->shards.lock(entry.shard)->abandon(entry.reservation);
}

void RequestExecutor::release(const net::PinnedValue& value) noexcept {
    impl_->shards.lock(shard_of_pin(value.pin))->unpin(segment_of_pin(value.pin));
}

bool RequestExecutor::authenticate(std::string_view user, std::string_view password) noexcept {
    const ExecutorParts& parts = impl_->parts;
    const bool accepted = parts.auth_file != nullptr && parts.auth_file->accepts(user, password);
    parts.counters->add(Counter::AuthCmds);
    if (!accepted) parts.counters->add(Counter::AuthErrors);
    return accepted;
}

void RequestExecutor::connection_opened(const net::ConnectionFacts& connection) noexcept {
    if (impl_->log.wants(Stream::Connections)) impl_->log.connection_opened(connection);
}

void RequestExecutor::tls_failed(const net::ConnectionFacts& connection,
                                 std::string_view reason) noexcept {
    if (impl_->log.wants(Stream::Connections)) impl_->log.tls_failed(connection, reason);
}

void RequestExecutor::connection_closed(const net::ConnectionFacts& connection,
                                        net::CloseReason reason) noexcept {
    if (impl_->log.wants(Stream::Connections)) impl_->log.connection_closed(connection, reason);
    if (impl_->log.active()) impl_->parts.watchers->connection_closed(connection.id, impl_->log);
    if (impl_->parts.control != nullptr) impl_->parts.control->connection_closed(connection.id);
}

void RequestExecutor::buffers_changed(std::uint64_t before, std::uint64_t now) noexcept {
    impl_->shards.charge_buffers(before, now);
}

bool RequestExecutor::housekeep() noexcept {
    const bool more = impl_->keep_house();
    impl_->log.flush();
    return more;
}

bool RequestExecutor::Impl::keep_house() noexcept {
    tick();
    const bool more_freed = shards.release_freed_memory();
    if (now != housekept_at) {
        // Deadlines pass with the clock alone. Every shard has one reactor that looks after it.
        housekept_at = now;
        for (std::uint32_t shard = config.reactor; shard < shards.size();
             shard += config.reactors) {
            mark_pending(shard);
        }
    }
    if (pending_count == 0) return more_freed;
    while (!pending[next_shard]) next_shard = (next_shard + 1) % shards.size();
    const std::uint32_t shard = next_shard;
    next_shard = (shard + 1) % shards.size();
    const auto guard = shards.lock(shard);
    const ObservedEvictions observed(*guard, log);
    if (!guard->housekeep(now)) {
        pending[shard] = false;
        --pending_count;
    }
    return more_freed || pending_count != 0;
}

}  // namespace shardmill::engine
