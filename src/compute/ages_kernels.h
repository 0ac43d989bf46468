#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "compute/tallies.h"

namespace shardmill::compute {

/// What `ttls` and `idle` share: a histogram over seconds. Its bounds are the arguments, ascending
/// numbers of seconds, or by default a minute, 5 and 15 of them, an hour, 6 of them, a day, a week
/// and 30 days. Rows: `<first second of the bucket> {"to":<last, null:
/// open>,"count":..,"bytes":..}` and one for the items without such a time; empty buckets are left
/// out.
class AgesKernel {
 public:
    explicit AgesKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {"to", "count", "bytes"}; }

    class Partial {
     public:
        Partial(const AgesKernel& kernel, kernel::Host host, const char* without)
            : bounds_(kernel.bounds_), without_(without), tallies_(host, bounds_.size() + 2) {}
        void merge(Partial& other) { tallies_.merge(other.tallies_); }
        void save(kernel::Writer& writer) const { tallies_.save(writer); }
        void load(kernel::Reader& reader) { tallies_.load(reader); }
        void finish(kernel::Emitter& emitter);

     protected:
        void add(std::uint32_t seconds, const kernel::Item& item) noexcept;
        void add_without(const kernel::Item& item) noexcept {
            tallies_[bounds_.size() + 1].add(item);
        }

     private:
        const std::vector<std::uint32_t>& bounds_;  // the kernel's
        const char* without_;                       // the last row's key
        Tallies tallies_;                           // between the bounds; the last: without
    };

 private:
    std::vector<std::uint32_t> bounds_;
};

/// ttls[:<seconds>,...]: how long items have to live; `never` those without a deadline.
class TtlsKernel : public AgesKernel {
 public:
    static constexpr kernel::Description description{"ttls", "[:<seconds>,...]",
                                                     "histogram of the seconds left to live",
                                                     SHARDMILL_KERNEL_NO_VALUES};
    using AgesKernel::AgesKernel;

    class Partial : public AgesKernel::Partial {
     public:
        Partial(const TtlsKernel& kernel, kernel::Host host)
            : AgesKernel::Partial(kernel, host, "never") {}
        void map(const kernel::Block& block);
    };
};

/// idle[:<seconds>,...]: how long ago items were stored or last read; `unknown` those that were
/// replaced or moved while the job ran.
class IdleKernel : public AgesKernel {
 public:
    static constexpr kernel::Description description{
        "idle", "[:<seconds>,...]", "histogram of the seconds since the last access",
        SHARDMILL_KERNEL_NO_VALUES | SHARDMILL_KERNEL_USES_ACCESS};
    using AgesKernel::AgesKernel;

    class Partial : public AgesKernel::Partial {
     public:
        Partial(const IdleKernel& kernel, kernel::Host host)
            : AgesKernel::Partial(kernel, host, "unknown") {}
        void map(const kernel::Block& block);
    };
};

}  // namespace shardmill::compute
