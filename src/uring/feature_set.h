#pragma once

#include <cstdint>

namespace shardmill::uring {

/// What newer kernels offer on top of what is required; each has a plainer path that is taken where
/// it is missing.
enum class Feature : std::uint8_t {
    DeferTaskrun,  // SINGLE_ISSUER | DEFER_TASKRUN: completions are produced when the thread asks
                   // for them
    MultishotAccept,          // one accept request, many connections
    MultishotReceive,         // one receive request per connection for as long as it lives
    MultishotReceiveMessage,  // one receive request per datagram socket
    RegisteredRing,           // the ring's descriptor is registered with the thread
};

/// A set of features.
struct FeatureSet {
    std::uint32_t bits = 0;

    static constexpr std::uint32_t bit(Feature feature) noexcept {
        return std::uint32_t{1} << static_cast<unsigned>(feature);
    }
    constexpr bool has(Feature feature) const noexcept { return (bits & bit(feature)) != 0; }
    constexpr FeatureSet with(Feature feature) const noexcept { return {bits | bit(feature)}; }
    constexpr FeatureSet without(FeatureSet other) const noexcept { return {bits & ~other.bits}; }
    static constexpr FeatureSet all() noexcept {
        return FeatureSet{}
            .with(Feature::DeferTaskrun)
            .with(Feature::MultishotAccept)
            .with(Feature::MultishotReceive)
            .with(Feature::MultishotReceiveMessage)
            .with(Feature::RegisteredRing);
    }
};

}  // namespace shardmill::uring
