#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

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
        SHARDMILL_KERNEL_ORDERED};
    static constexpr std::uint64_t kMaxRows = 1'000'000;

    explicit TopkKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {column_}; }

    class Partial {
     public:
        Partial(const TopkKernel& kernel, kernel::Host host) noexcept
            : limit_(kernel.limit_), host_(host) {}
        ~Partial();
        void map(const kernel::Block& block);
        void merge(Partial& other);
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        struct Entry {
            Value number;
            std::string key;
        };
        /// Whether the first is to be shown before the second.
        static bool before(const Value& number, std::string_view key, const Entry& other) noexcept;
        static bool entry_before(const Entry& left, const Entry& right) noexcept {
            return before(left.number, left.key, right);
        }
        void offer(const Value& number, std::string_view key);

        const std::uint64_t limit_;
        kernel::Host host_;
        std::vector<Entry> heap_;  // the one to be dropped next on top
        std::int64_t held_ = 0;
    };

 private:
    std::uint64_t limit_ = 0;
    std::string column_;
};

}  // namespace shardmill::compute
