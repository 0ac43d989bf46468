#pragma once

#include <cstdint>
#include <expected>

#include "engine/command_context.h"
#include "net/executor.h"
#include "store/shard.h"

namespace shardmill::engine {

/// What incr, decr, ma and their binary counterparts ask for.
struct DeltaOrder {
    bool decrement = false;
    std::uint64_t delta = 1;
    bool compare = false;  // only over the item whose CAS is compare_cas; 0 compares with nothing
    std::uint64_t compare_cas = 0;
    std::uint64_t new_cas = 0;  // 0: the store's own
};

enum class DeltaOutcome : std::uint8_t { Done, NotFound, Exists, NotNumeric, NoMemory };

struct DeltaResult {
    DeltaOutcome outcome = DeltaOutcome::NotFound;
    std::uint64_t number = 0;  // Done only, as the item
    store::Handle item;
};

/// Changes the number that the item holds, keeping its flags and deadline, and counts. A missing
/// item is for the caller: who does not make one counts it as a miss (`count_delta`).
DeltaResult change_number(CommandContext& context, const net::Operation& operation,
                          const DeltaOrder& order) noexcept;

/// Makes the missing item, with `number` as its value. `cas` 0: the store's own.
std::expected<store::Handle, store::StoreError> make_number(CommandContext& context,
                                                            const net::Operation& operation,
                                                            std::uint64_t number,
                                                            base::UnixSeconds exptime,
                                                            std::uint64_t cas) noexcept;

void count_delta(const CommandContext& context, bool decrement, bool hit) noexcept;

}  // namespace shardmill::engine
