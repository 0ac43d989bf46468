#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "net/connection.h"

namespace shardmill::net {

/// The connections of one reactor. Slots are re-used, generations never; objects do not move. One
/// thread.
class ConnectionTable {
 public:
    /// Slots are numbered from `first_slot` on.
    explicit ConnectionTable(std::uint32_t reactor, std::uint32_t first_slot = 0) noexcept
        : reactor_(reactor), first_slot_(first_slot) {}

    /// A fresh connection with an id of its own.
    Connection& open(int socket);
    /// Nothing of it may be under way any more.
    void close(Connection& connection) noexcept;
    /// nullptr if that one is gone.
    Connection* find(ConnectionId id) noexcept;

    std::size_t size() const noexcept { return open_; }
    /// Slots there are, used or not.
    std::size_t capacity() const noexcept { return chunks_.size() * kChunk; }

    template <typename Function>
    void for_each(Function&& function) {
        for_each_from(0, capacity(), function);
    }
    /// The connections of `slots` slots from `first` on.
    template <typename Function>
    void for_each_from(std::size_t first, std::size_t slots, Function&& function) {
        const std::size_t end = std::min(first + slots, capacity());
        for (std::size_t slot = first; slot < end; ++slot) {
            Connection& connection = at(static_cast<std::uint32_t>(slot));
            if (connection.in_use) function(connection);
        }
    }

 private:
    static constexpr std::size_t kChunk = 32;

    /// `index`: of the slot, from 0 on.
    Connection& at(std::uint32_t index) noexcept { return chunks_[index / kChunk][index % kChunk]; }
    void grow();

    std::uint32_t reactor_;
    std::uint32_t first_slot_;
    std::uint64_t generation_ = 0;
    std::size_t open_ = 0;
    std::vector<std::unique_ptr<Connection[]>> chunks_;
    std::vector<std::uint32_t> free_;
};

}  // namespace shardmill::net
