#include "bench/workload.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

namespace shardmill::bench {

namespace {

constexpr std::size_t kPoolSlack = 64 * 1024;
constexpr std::size_t kLognormalSamples = 65536;
constexpr std::uint64_t kSizeSalt = 0x51e5;
// A prime above every allowed number of keys: multiplying by it (modulo their number) spreads the
// ranks of a zipf distribution over the keys, each rank to a key of its own.
constexpr std::uint64_t kSpread = 0x1e3779b97f4a7c33ULL;

std::vector<std::uint32_t> draw_lognormal(const ValueSize& size, std::uint64_t seed) {
    Random random(seed ^ kSizeSalt);
    std::vector<std::uint32_t> lengths(kLognormalSamples);
    for (auto& length : lengths) {
        const double radius = std::sqrt(-2.0 * std::log(1.0 - random.unit()));
        const double normal = radius * std::cos(2.0 * std::numbers::pi * random.unit());
        const double drawn = size.median * std::exp(size.sigma * normal);
        length = static_cast<std::uint32_t>(
            std::clamp(drawn, double{1}, static_cast<double>(size.high)));
    }
    return lengths;
}

std::string make_pool(std::size_t bytes, std::uint64_t seed) {
    constexpr std::string_view kLetters =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 .";
    Random random(seed);
    std::string pool(bytes, ' ');
    for (auto& c : pool) c = kLetters[random.next() % kLetters.size()];
    return pool;
}

}  // namespace

Workload::Workload(const Options& options)
    : keys_(options.keys),
      key_bytes_(options.key_bytes),
      template_(options.key_prefix),
      digits_(options.key_bytes - options.key_prefix.size()),
      size_(options.value_size),
      pool_(make_pool(options.value_size.high + kPoolSlack, options.seed)) {
    template_.resize(key_bytes_, '0');
    if (size_.kind == ValueSize::Kind::Lognormal) lognormal_ = draw_lognormal(size_, options.seed);
}

char* Workload::write_key(char* out, std::uint64_t id) const noexcept {
    std::memcpy(out, template_.data(), key_bytes_);
    char* end = out + key_bytes_;
    for (char* at = end; id > 0; id /= 10) *--at = static_cast<char>('0' + id % 10);
    return end;
}

std::uint64_t Workload::id_of(std::string_view key) const noexcept {
    if (key.size() != key_bytes_) return keys_;
    const std::size_t prefix = key_bytes_ - digits_;
    if (std::memcmp(key.data(), template_.data(), prefix) != 0) return keys_;
    std::uint64_t id = 0;
    for (const char c : key.substr(prefix)) {
        if (c < '0' || c > '9') return keys_;
        id = id * 10 + static_cast<std::uint64_t>(c - '0');
    }
    return std::min(id, keys_);
}

std::size_t Workload::value_bytes(std::uint64_t id) const noexcept {
    switch (size_.kind) {
        case ValueSize::Kind::Fixed:
            return size_.low;
        case ValueSize::Kind::Range:
            return size_.low + mix(id ^ kSizeSalt) % (std::uint64_t{size_.high} - size_.low + 1);
        case ValueSize::Kind::Lognormal:
            return lognormal_[mix(id ^ kSizeSalt) % lognormal_.size()];
    }
    return 0;
}

std::string_view Workload::value(std::uint64_t id) const noexcept {
    return {pool_.data() + mix(id) % kPoolSlack, value_bytes(id)};
}

KeyPicker::KeyPicker(const Options& options, std::uint64_t lane, std::uint64_t lanes)
    : distribution_(options.distribution),
      keys_(options.keys),
      set_share_(options.ratio_set),
      ratio_total_(std::uint64_t{options.ratio_set} + options.ratio_get),
      position_(options.keys / lanes * lane),
      spread_(kSpread % options.keys),
      random_(mix(options.seed) + lane),
      zipf_(options.keys, options.zipf_theta) {}

std::uint64_t KeyPicker::next() noexcept {
    switch (distribution_) {
        case Distribution::Uniform:
            return random_.below(keys_);
        case Distribution::Sequential: {
            const std::uint64_t id = position_;
            position_ = position_ + 1 == keys_ ? 0 : position_ + 1;
            return id;
        }
        case Distribution::Zipf:
            return (zipf_.sample(random_) - 1) * spread_ % keys_;
    }
    return 0;
}

}  // namespace shardmill::bench
