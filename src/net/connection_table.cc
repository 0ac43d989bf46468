#include "net/connection_table.h"

#include <new>

#include "base/assert.h"

namespace shardmill::net {

void ConnectionTable::grow() {
    const auto first = static_cast<std::uint32_t>(chunks_.size() * kChunk);
    chunks_.push_back(std::make_unique<Connection[]>(kChunk));
    free_.reserve(first + kChunk);
    for (std::uint32_t slot = first + kChunk; slot > first; --slot) free_.push_back(slot - 1);
}

Connection& ConnectionTable::open(int socket) {
    if (free_.empty()) grow();
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Connection& connection = at(index);
    connection.socket = socket;
    connection.id = {reactor_, first_slot_ + index, ++generation_};
    connection.in_use = true;
    ++open_;
    return connection;
}

void ConnectionTable::close(Connection& connection) noexcept {
    SHARDMILL_ASSERT(connection.in_use && !connection.receiving && !connection.sending);
    const std::uint32_t index = connection.id.slot - first_slot_;
    connection.~Connection();
    new (&connection) Connection;
    free_.push_back(index);
    --open_;
}

Connection* ConnectionTable::find(ConnectionId id) noexcept {
    const std::uint32_t index = id.slot - first_slot_;
    if (index >= chunks_.size() * kChunk) return nullptr;
    Connection& connection = at(index);
    return connection.in_use && connection.id.generation == id.generation ? &connection : nullptr;
}

}  // namespace shardmill::net
