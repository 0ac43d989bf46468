#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/best_rows.h"
#include "compute/value.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// topk:<n>,<expr>: the n items with the largest numbers, largest first; among equal ones those
/// with the smaller keys (bytewise), so that the answer does not depend on how the items were
/// spread. Items without a number are skipped.
class TopkKernel {
 public:
    static constexpr kernel::Description description{
        "topk", ":<n>,<expr>", "the n items for which the expression is largest",
        SHARDMILL_KERNEL_ORDERED | SHARDMILL_KERNEL_NO_VALUES};
    static constexpr std::uint64_t kMaxRows = 1'000'000;

    explicit TopkKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {column_}; }

    class Partial {
     public:
        Partial(const TopkKernel& kernel, kernel::Host host) noexcept
            : best_(host, kernel.limit_) {}
        void map(const kernel::Block& block);
        void merge(Partial& other) { best_.merge(other.best_); }
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        struct Entry {
            Value number;
            std::string key;

            static bool before(const Value& number, std::string_view key,
                               const Entry& other) noexcept {
                const int order = compare_numbers(number, other.number);
                return order != 0 ? order > 0 : key < other.key;
            }
            bool before(const Entry& other) const noexcept { return before(number, key, other); }
            std::size_t held_bytes() const noexcept { return key.size(); }
        };
        void offer(const Value& number, std::string_view key);

        BestRows<Entry> best_;
    };

 private:
    std::uint64_t limit_ = 0;
    std::string column_;
};

}  // namespace shardmill::compute
