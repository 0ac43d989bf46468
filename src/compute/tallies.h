#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// How many items, and the bytes of their keys and values.
struct Tally {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;

    void add(const kernel::Item& item) noexcept {
        ++count;
        bytes += std::uint64_t{item.key_bytes} + item.value_bytes;
    }
    void add(const Tally& other) noexcept {
        count += other.count;
        bytes += other.bytes;
    }
};

/// A fixed number of buckets: the partial of the kernels that make histograms.
class Tallies {
 public:
    Tallies(kernel::Host host, std::size_t buckets) {
        host.take(static_cast<std::int64_t>(buckets * sizeof(Tally)));
        tallies_.resize(buckets);
    }

    Tally& operator[](std::size_t bucket) noexcept { return tallies_[bucket]; }
    std::size_t size() const noexcept { return tallies_.size(); }
    Tally total() const noexcept {
        Tally total;
        for (const Tally& tally : tallies_) total.add(tally);
        return total;
    }

    void merge(const Tallies& other) noexcept {
        for (std::size_t bucket = 0; bucket < tallies_.size(); ++bucket)
            tallies_[bucket].add(other.tallies_[bucket]);
    }
    void save(kernel::Writer& writer) const {
        for (const Tally& tally : tallies_) {
            writer.number(tally.count);
            writer.number(tally.bytes);
        }
    }
    void load(kernel::Reader& reader) {
        for (Tally& tally : tallies_) {
            const auto count = reader.number<std::uint64_t>();
            tally.add(Tally{.count = count, .bytes = reader.number<std::uint64_t>()});
        }
    }

 private:
    std::vector<Tally> tallies_;
};

}  // namespace shardmill::compute
