#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/group_table.h"
#include "compute/tallies.h"

namespace shardmill::compute {

/// prefixes[:<delimiter>[,<depth>]]: what lies under each prefix of the keys. A key's prefix ends
/// with its `depth`-th delimiter (by default the first ':'), or with its last one if it has fewer;
/// keys without any are together in the row `*`. `bytes` are those of keys and values, `expiring`
/// counts the items with a deadline, of whose seconds left `ttl_min`, `ttl_avg` and `ttl_max` tell.
class PrefixesKernel {
 public:
    static constexpr kernel::Description description{
        "prefixes", "[:<delimiter>[,<depth>]]",
        "count, bytes and time to live under each key prefix", SHARDMILL_KERNEL_NO_VALUES};

    explicit PrefixesKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const {
        return {"count", "bytes", "expiring", "ttl_min", "ttl_avg", "ttl_max"};
    }
    std::string_view prefix_of(std::string_view key) const noexcept;

    class Partial {
     public:
        Partial(const PrefixesKernel& kernel, kernel::Host host) noexcept
            : kernel_(kernel), table_(host, sizeof(Record)) {}
        void map(const kernel::Block& block);
        void merge(Partial& other);
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        /// All zero when new.
        struct Record {
            Tally items;
            std::uint64_t expiring;
            std::uint64_t ttl_sum;
            std::uint32_t ttl_min;
            std::uint32_t ttl_max;

            void add(const Record& other) noexcept;
        };
        Record& record_of(std::string_view prefix);
        static const Record& record_at(const char* record) noexcept {
            return *reinterpret_cast<const Record*>(record);  // aligned to 16 by the table
        }

        const PrefixesKernel& kernel_;
        GroupTable table_;
    };

 private:
    std::string delimiter_;
    std::uint64_t depth_ = 1;
};

}  // namespace shardmill::compute
