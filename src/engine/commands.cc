#include "engine/commands.h"

namespace shardmill::engine {

namespace {

using protocol::Verb;

constexpr std::array<KeyCommand, kKeyVerbs> make_table() {
    std::array<KeyCommand, kKeyVerbs> table{};
    const auto set = [&table](Verb verb, KeyCommand command) {
        table[static_cast<std::size_t>(verb)] = command;
    };
    set(Verb::Get, run_get);
    set(Verb::Gets, run_gets);
    set(Verb::Gat, run_gat);
    set(Verb::Gats, run_gats);
    set(Verb::Set, run_store);
    set(Verb::Add, run_store);
    set(Verb::Replace, run_store);
    set(Verb::Append, run_store);
    set(Verb::Prepend, run_store);
    set(Verb::Cas, run_store);
    set(Verb::Delete, run_delete);
    set(Verb::Incr, run_delta);
    set(Verb::Decr, run_delta);
    set(Verb::Touch, run_touch);
    set(Verb::MetaGet, run_meta_get);
    set(Verb::MetaSet, run_meta_set);
    set(Verb::MetaDelete, run_meta_delete);
    set(Verb::MetaArithmetic, run_meta_arithmetic);
    set(Verb::MetaDebug, run_meta_debug);
    set(Verb::BinaryGet, run_binary_get);
    set(Verb::BinarySet, run_binary_store);
    set(Verb::BinaryAdd, run_binary_store);
    set(Verb::BinaryReplace, run_binary_store);
    set(Verb::BinaryAppend, run_binary_store);
    set(Verb::BinaryPrepend, run_binary_store);
    set(Verb::BinaryDelete, run_binary_delete);
    set(Verb::BinaryIncrement, run_binary_delta);
    set(Verb::BinaryDecrement, run_binary_delta);
    set(Verb::BinaryTouch, run_binary_touch);
    set(Verb::BinaryGat, run_binary_gat);
    return table;
}

}  // namespace

constinit const std::array<KeyCommand, kKeyVerbs> kKeyCommands = make_table();

[[gnu::cold]] void log_fetch(const CommandContext& context, const net::Operation& operation,
                             bool hit, store::Shard::Miss why) noexcept {
    if (!hit) return context.log.item_get(operation, nullptr, why);
    const auto found = context.shard.find(hashed_key(operation), context.now);
    context.log.item_get(operation, &*found, why);
}

void pin_value(CommandContext& context, net::Operation& operation, std::uint32_t segment,
               std::string_view value) {
    context.shard.pin(segment);
    operation.pinned = static_cast<std::int32_t>(context.replies.pinned.size());
    operation.pinned_at = static_cast<std::uint32_t>(context.replies.text.size());
    context.replies.pinned.push_back({value, std::uint64_t{context.shard.id()} << 32 | segment});
}

}  // namespace shardmill::engine
