#include "engine/item_changes.h"

#include <map>
#include <utility>

#include "base/hash.h"
#include "engine/exptime.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace shardmill::engine {
namespace {

using compute::Action;

constexpr std::uint64_t kChangeBytes = 64;  // counted for one beside its key and value

std::uint32_t binary_key_bit(std::string_view key) noexcept {
    const bool plain = protocol::is_plain_key(key) && key.find('\t') == std::string_view::npos;
    return plain ? 0 : store::ItemHeader::kBinaryKey;
}

}  // namespace

/// One item, with all that is needed of it.
struct ItemChanges::Change {
    std::string key;
    std::string value;  // of what is stored
    std::uint64_t hash = 0;
    std::uint64_t cas = 0;
    std::uint32_t exptime = 0;
    std::uint32_t client_flags = 0;

    std::uint64_t bytes() const noexcept { return kChangeBytes + key.size() + value.size(); }
};

ItemChanges::ItemChanges(const ChangeParts& parts, Action action)
    : parts_(parts), action_(std::move(action)) {}

ChangeCounts ItemChanges::counts() const noexcept {
    return {.acted = acted_.load(std::memory_order_relaxed),
            .gone = gone_.load(std::memory_order_relaxed),
            .changed = changed_.load(std::memory_order_relaxed),
            .refused = refused_.load(std::memory_order_relaxed)};
}

bool ItemChanges::can(const Action& action, const kernel::Item& item) noexcept {
    if (action.kind != Action::Kind::Copy) return true;
    return action.prefix.size() + kernel::key_of(item).size() <= protocol::kMaxKeyBytes &&
           item.value_bytes <= kValueBytesMax;
}

void ItemChanges::act(std::uint32_t shard, std::vector<kernel::Item> items,
                      const Outstanding& outstanding) {
    const bool copies = action_.kind == Action::Kind::Copy;
    std::map<std::uint32_t, Batch> batches;  // by the shard of what is changed
    std::map<std::uint32_t, std::uint64_t> bytes;
    for (const kernel::Item& item : items) {
        if (!can(action_, item)) {
            count(refused_);
            continue;
        }
        Change change{.key = {},
                      .value = {},
                      .hash = 0,
                      .cas = item.cas,
                      .exptime = item.exptime,
                      .client_flags = item.client_flags};
        if (copies) change.key = action_.prefix;
        change.key += kernel::key_of(item);
        if (copies) change.value = kernel::value_of(item);
        change.hash = base::hash_key(change.key);
        const std::uint32_t target = copies ? parts_.shards->shard_of(change.hash) : shard;
        bytes[target] += change.bytes();
        Batch& batch = batches[target];
        batch.push_back(std::move(change));
        if (batch.size() < kItemsPerTask && bytes[target] < kBytesPerTask) continue;
        hand_out(target, std::exchange(batch, {}), outstanding);
        bytes[target] = 0;
    }
    for (auto& [target, batch] : batches) {
        if (!batch.empty()) hand_out(target, std::move(batch), outstanding);
    }
}

void ItemChanges::hand_out(std::uint32_t shard, Batch batch, const Outstanding& outstanding) {
    std::uint64_t bytes = 0;
    for (const Change& change : batch) bytes += change.bytes();
    flow_.hand_out(bytes);
    outstanding->fetch_add(1, std::memory_order_relaxed);
    parts_.reactors[shard % parts_.reactors.size()]->post(
        [self = shared_from_this(), shard, bytes, outstanding, batch = std::move(batch)] {
            self->make(shard, batch);
            self->flow_.dealt_with(bytes);
            // The lane may wait for the last one of its own.
            if (outstanding->fetch_sub(1, std::memory_order_acq_rel) == 1) {
                self->flow_.remote().resume();
            }
        });
}

void ItemChanges::make(std::uint32_t shard, const Batch& batch) {
    const auto guard = parts_.shards->lock(shard);
    // Looked at under the lock: whoever ends the scan says so before its pins are given up, which
    // takes the same lock.
    if (flow_.remote().stopping()) return;
    const base::UnixSeconds now = parts_.clock();
    for (const Change& change : batch) make_one(*guard, change, now);
}

void ItemChanges::make_one(store::Shard& shard, const Change& change, base::UnixSeconds now) {
    const auto found = shard.find({change.key, change.hash}, now);
    if (action_.kind == Action::Kind::Copy) {
        if (found) return count(changed_);
        return count(store(shard, change, false, now) ? acted_ : refused_);
    }
    if (!found) return count(gone_);
    if (found->view.cas != change.cas || found->view.exptime != change.exptime) {
        return count(changed_);
    }
    if (action_.kind == Action::Kind::Delete) {
        shard.erase(*found);
        return count(acted_);
    }
    const auto deadline = deadline_of(*action_.ttl, now, parts_.started_at);
    count(shard.set_exptime(*found, deadline, now) ? acted_ : refused_);
}

bool ItemChanges::store(store::Shard& shard, const Change& change, bool replace,
                        base::UnixSeconds now) {
    store::NewItem item;
    item.key = {change.key, change.hash};
    item.value_head = change.value;
    item.client_flags = change.client_flags;
    item.exptime = action_.ttl ? deadline_of(*action_.ttl, now, parts_.started_at) : change.exptime;
    item.header_bits = binary_key_bit(change.key);
    const auto existing = replace ? shard.find(item.key, now) : std::nullopt;
    return shard.put(item, existing ? &*existing : nullptr, now).has_value();
}

void ItemChanges::put(std::shared_ptr<const Rows> rows, std::size_t from,
                      std::move_only_function<void(std::size_t taken)> then) {
    const std::size_t reactor = from / kItemsPerTask % parts_.reactors.size();
    parts_.reactors[reactor]->post([self = shared_from_this(), rows = std::move(rows), from,
                                    then = std::move(then)]() mutable {
        const base::UnixSeconds now = self->parts_.clock();
        std::size_t taken = 0;
        std::uint64_t bytes = 0;
        while (from + taken < rows->rows.size() && taken < kItemsPerTask && bytes < kBytesPerTask) {
            const compute::Row& row = rows->rows[from + taken++];
            Change change{.key = rows->prefix + row.key,
                          .value = row.value,
                          .hash = 0,
                          .cas = 0,
                          .exptime = row.exptime != 0 ? row.exptime : rows->exptime,
                          .client_flags = row.client_flags};
            bytes += change.bytes();
            change.hash = base::hash_key(change.key);
            if (change.key.size() > protocol::kMaxKeyBytes || row.value.size() > kValueBytesMax) {
                self->count(self->refused_);
                continue;
            }
            const auto guard =
                self->parts_.shards->lock(self->parts_.shards->shard_of(change.hash));
            self->count(self->store(*guard, change, true, now) ? self->acted_ : self->refused_);
        }
        then(taken);
    });
}

}  // namespace shardmill::engine
