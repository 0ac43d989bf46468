#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "base/clock.h"

namespace shardmill::engine {

/// Stands between clients and a snapshot that is being loaded beside them: keeps them out, or
/// remembers what they have changed so that the snapshot does not bring back what they have
/// replaced.
///
/// What has been changed is kept as two bits a key of a table with 16 bits an item, allocated ahead
/// (a Bloom filter: nothing changed is missed; when as many keys have been changed as the snapshot
/// has items, about one item in fifty is left out for nothing). Changes are noted, and looked up,
/// under the lock of the key's shard.
class LoadGate {
 public:
    enum class Mode : std::uint8_t {
        Open,    // nothing is being loaded, or only before anything is served
        Refuse,  // commands on keys are answered `SERVER_ERROR loading`
        Watch,   // clients are served; changes must be noted
    };
    /// Reactors; a load on the way.
    Mode mode() const noexcept { return mode_.load(std::memory_order_acquire); }

    // Control thread, or before there are others.
    void refuse() noexcept { mode_.store(Mode::Refuse, std::memory_order_release); }
    /// Throws std::bad_alloc. `items`: of the snapshot. Not while reactors may be using the table
    /// of an earlier load.
    void watch(std::uint64_t items);
    void open() noexcept { mode_.store(Mode::Open, std::memory_order_release); }
    /// Gives the table's memory back, once all reactors have been told that the gate is open.
    void release() noexcept { table_.reset(); }
    std::uint64_t memory_bytes() const noexcept;

    // Reactors, in Mode::Watch, under the shard's lock.
    /// A command that may store or remove the key.
    void note_change(std::uint64_t hash) noexcept;
    /// Before flush_all goes through the shards: what the snapshot has is gone at `when`.
    void note_flush(base::UnixSeconds when, base::UnixSeconds now) noexcept;

    // The thread that loads, under the shard's lock.
    bool changed(std::uint64_t hash) const noexcept;
    bool flushed(base::UnixSeconds now) const noexcept {
        const base::UnixSeconds when = flush_at_.load(std::memory_order_relaxed);
        return when != 0 && when <= now;
    }

 private:
    /// The two bits of a key: in one word, so that both are one access.
    struct Place {
        std::atomic<std::uint64_t>* word;
        std::uint64_t bits;
    };
    Place place_of(std::uint64_t hash) const noexcept;

    std::atomic<Mode> mode_{Mode::Open};
    std::atomic<base::UnixSeconds> flush_at_{0};  // 0: none
    std::unique_ptr<std::atomic<std::uint64_t>[]> table_;
    std::uint64_t mask_ = 0;  // words of the table, a power of two, less one
};

}  // namespace shardmill::engine
