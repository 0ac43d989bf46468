#pragma once

#include <cstdint>
#include <string_view>

#include "base/clock.h"
#include "engine/command_context.h"
#include "net/executor.h"
#include "protocol/request.h"
#include "store/shard.h"

namespace shardmill::engine {

/// What a storage command asks for, classic or meta. The value is the operation's.
struct StoreOrder {
    protocol::StoreMode mode = protocol::StoreMode::Set;
    bool compare = false;       // only over the item whose CAS is compare_cas
    bool accept_older = false;  // with compare: an older CAS stores too, but as stale
    std::uint64_t compare_cas = 0;
    std::uint64_t new_cas = 0;       // 0: the store's own
    std::uint32_t client_flags = 0;  // append and prepend keep the item's
    base::UnixSeconds exptime = 0;   // the same
    bool vivify = false;             // append and prepend make a missing item, with this deadline
    base::UnixSeconds vivify_exptime = 0;
    std::uint32_t header_bits = 0;   // kBinaryKey or 0
    bool unlink_on_refusal = false;  // a value that cannot be stored takes the old one with it
};

enum class StoreOutcome : std::uint8_t {
    Stored,
    NotStored,
    Exists,
    NotFound,
    BadData,  // the data block did not end in CR LF
    TooLarge,
    NoMemory,
};

struct StoreResult {
    StoreOutcome outcome = StoreOutcome::NotStored;
    store::Handle item;  // Stored only; valid until the shard changes
};

/// Carries out a storage command and counts it. An upload of the operation is linked or given up in
/// any case.
StoreResult store_item(CommandContext& context, net::Operation& operation,
                       const StoreOrder& order) noexcept;

/// Logs a storage command for those who watch mutations.
void log_store(const CommandContext& context, const net::Operation& operation,
               std::string_view status, std::string_view command, base::UnixSeconds exptime,
               std::uint64_t value_bytes) noexcept;

}  // namespace shardmill::engine
