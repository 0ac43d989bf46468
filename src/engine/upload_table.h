#pragma once

#include <cstdint>
#include <vector>

#include "store/shard.h"

namespace shardmill::engine {

/// The reservations a reactor's connections are receiving values into. A token names one until it
/// is taken out; the table grows to the largest number of simultaneous uploads and is reused from
/// then on.
class UploadTable {
 public:
    struct Entry {
        std::uint32_t shard = 0;
        store::Reservation reservation;
    };

    std::uint64_t add(const Entry& entry) {
        if (free_.empty()) {
            free_.push_back(static_cast<std::uint32_t>(entries_.size()));
            entries_.emplace_back();
        }
        const std::uint32_t token = free_.back();
        free_.pop_back();
        entries_[token] = entry;
        return token;
    }
    Entry take(std::uint64_t token) {
        free_.push_back(static_cast<std::uint32_t>(token));
        return entries_[token];
    }

 private:
    std::vector<Entry> entries_;
    std::vector<std::uint32_t> free_;
};

}  // namespace shardmill::engine
