#include "engine/commands.h"

#include <array>
#include <cstddef>

namespace shardmill::engine {

namespace {

using protocol::Verb;

constexpr std::size_t kKeyVerbs = static_cast<std::size_t>(Verb::BinaryGat) + 1;

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

constexpr auto kTable = make_table();

}  // namespace

KeyCommand key_command(Verb verb) noexcept { return kTable[static_cast<std::size_t>(verb)]; }

void pin_value(CommandContext& context, net::Operation& operation, const store::Handle& handle) {
    context.shard.pin(handle.segment);
    operation.pinned = static_cast<std::int32_t>(context.replies.pinned.size());
    operation.pinned_at = static_cast<std::uint32_t>(context.replies.text.size());
    context.replies.pinned.push_back(
        {handle.view.value, std::uint64_t{context.shard.id()} << 32 | handle.segment});
}

}  // namespace shardmill::engine
