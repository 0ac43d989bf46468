#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compute/tallies.h"

namespace shardmill::compute {

/// sizes[:<steps>]: a histogram of the values' sizes in bytes. Each doubling is cut into `steps`
/// buckets of equal width (a power of two up to 16; 1 by default). Rows: `<smallest size of the
/// bucket> {"to":<largest>,"count":..,"bytes":..,"percent":<of all items, up to this bucket>}`;
/// empty buckets are left out.
class SizesKernel {
 public:
    static constexpr kernel::Description description{"sizes", "[:<steps per doubling>]",
                                                     "histogram of the values' sizes",
                                                     SHARDMILL_KERNEL_NO_VALUES};

    explicit SizesKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {"to", "count", "bytes", "percent"}; }

    class Partial {
     public:
        Partial(const SizesKernel& kernel, kernel::Host host)
            : shift_(kernel.shift_), tallies_(host, bucket_of(UINT32_MAX) + 1) {}
        void map(const kernel::Block& block);
        void merge(Partial& other) { tallies_.merge(other.tallies_); }
        void save(kernel::Writer& writer) const { tallies_.save(writer); }
        void load(kernel::Reader& reader) { tallies_.load(reader); }
        void finish(kernel::Emitter& emitter);

     private:
        /// Sizes below 2 << shift_ have a bucket each; above, the leading shift_ + 1 bits decide.
        std::size_t bucket_of(std::uint32_t size) const noexcept {
            const unsigned width = std::bit_width(size);
            const unsigned cut = width > shift_ + 1 ? width - shift_ - 1 : 0;
            return (std::size_t{cut} << shift_) + (size >> cut);
        }
        std::uint64_t start_of(std::size_t bucket) const noexcept;

        const unsigned shift_;
        Tallies tallies_;
    };

 private:
    unsigned shift_ = 0;  // log2 of the steps
};

}  // namespace shardmill::compute
