#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/group_table.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// export: the items themselves. A row's key and value are the item's, byte for byte; client flags
/// and the deadline go with it. `size` and `ttl` (seconds, null: never expires) are there to sort
/// by. All of it is held in memory until the result is written: see `memory=`, `groups=`.
class ExportKernel {
 public:
    static constexpr kernel::Description description{"export", "", "the matching items themselves"};

    explicit ExportKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {"size", "ttl"}; }

    class Partial {
     public:
        Partial(const ExportKernel&, kernel::Host host) noexcept : host_(host), arena_(host) {}
        ~Partial();
        void map(const kernel::Block& block);
        void merge(Partial& other);
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        struct Entry {
            std::string_view key;
            std::string_view value;
            std::uint32_t client_flags;
            std::uint32_t exptime;
            std::int64_t ttl;  // as of the job; kNever
        };
        static constexpr std::int64_t kNever = -1;
        /// What it points to is copied.
        void add(Entry entry);
        std::string_view copy(std::string_view bytes);

        kernel::Host host_;
        Arena arena_;
        std::vector<Entry> entries_;
        std::int64_t held_ = 0;
    };
};

}  // namespace shardmill::compute
