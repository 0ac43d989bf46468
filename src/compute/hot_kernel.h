#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/best_rows.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// hot[:<n>]: the n (20) items that were read most, as far as the index knows: by how often since
/// they were stored or last moved (counted to 3), then by how lately, then by key. Items that were
/// never read are left out. `stats hot` counts further, over the keys of the last seconds.
class HotKernel {
 public:
    static constexpr kernel::Description description{
        "hot", "[:<n>]", "the items that were read most and last",
        SHARDMILL_KERNEL_ORDERED | SHARDMILL_KERNEL_NO_VALUES | SHARDMILL_KERNEL_USES_ACCESS};
    static constexpr std::uint64_t kMaxRows = 1'000'000;
    static constexpr std::uint64_t kDefaultRows = 20;

    explicit HotKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {"frequency", "idle", "size"}; }

    class Partial {
     public:
        Partial(const HotKernel& kernel, kernel::Host host) noexcept : best_(host, kernel.limit_) {}
        void map(const kernel::Block& block);
        void merge(Partial& other) { best_.merge(other.best_); }
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        struct Use {
            std::uint32_t frequency = 0;
            std::uint32_t idle = 0;  // seconds; kUnknown
            std::uint32_t size = 0;
        };
        static constexpr std::uint32_t kUnknown = UINT32_MAX;
        struct Entry {
            Use use;
            std::string key;

            static bool before(const Use& use, std::string_view key, const Entry& other) noexcept {
                if (use.frequency != other.use.frequency)
                    return use.frequency > other.use.frequency;
                return use.idle != other.use.idle ? use.idle < other.use.idle : key < other.key;
            }
            bool before(const Entry& other) const noexcept { return before(use, key, other); }
            std::size_t held_bytes() const noexcept { return key.size(); }
        };
        void offer(const Use& use, std::string_view key);

        BestRows<Entry> best_;
    };

 private:
    std::uint64_t limit_ = kDefaultRows;
};

}  // namespace shardmill::compute
