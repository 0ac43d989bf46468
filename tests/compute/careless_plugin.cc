// Kernels with one mistake each, for the checker to find.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shardmill/kernel.hpp"

namespace k = shardmill::kernel;

namespace {

struct Careless {
    explicit Careless(std::span<const k::Argument>) {}
    std::vector<std::string> columns() const { return {"n"}; }
};

struct CountPartial {
    void map(const k::Block& block) { count += block.count(); }
    void save(k::Writer& writer) const { writer.number(count); }
    void finish(k::Emitter& emitter) {
        const k::Value column = k::unsigned_value(count);
        emitter.row("*", {&column, 1});
    }
    std::uint64_t count = 0;
};

/// What comes out depends on who is merged into whom.
struct Lopsided : Careless {
    static constexpr k::Description description{"lopsided", "", "counts twice what comes second"};
    using Careless::Careless;
    struct Partial : CountPartial {
        Partial(const Lopsided&, k::Host) {}
        void merge(Partial& other) { count += 2 * other.count; }
        void load(k::Reader& reader) { count += 2 * reader.number<std::uint64_t>(); }
    };
};

/// Believes what it is given to load.
struct Trusting : Careless {
    static constexpr k::Description description{"trusting", "", "counts in a table of ten"};
    using Careless::Careless;
    struct Partial : CountPartial {
        Partial(const Trusting&, k::Host) {}
        void merge(Partial& other) { count += other.count; }
        void save(k::Writer& writer) const {
            writer.number(std::uint64_t{3});
            writer.number(count);
        }
        void load(k::Reader& reader) {
            std::vector<std::uint64_t> table(10);
            volatile std::uint64_t* const place = &table[0] + reader.number<std::uint64_t>();
            *place = reader.number<std::uint64_t>();
            count += *place;
        }
    };
};

/// Keeps every key and tells nobody.
struct Greedy : Careless {
    static constexpr k::Description description{"greedy", "", "keeps everything"};
    using Careless::Careless;
    struct Partial : CountPartial {
        Partial(const Greedy&, k::Host) {}
        void map(const k::Block& block) {
            CountPartial::map(block);
            for (const k::Item& item : block.items())
                kept.push_back(std::string(item.key_bytes, 'x'));
        }
        void merge(Partial& other) { count += other.count; }
        void load(k::Reader& reader) { count += reader.number<std::uint64_t>(); }
        std::vector<std::string> kept;
    };
};

/// Never ends on one of the hostile items.
struct Stuck : Careless {
    static constexpr k::Description description{"stuck", "", "waits for the end of a line"};
    using Careless::Careless;
    struct Partial : CountPartial {
        Partial(const Stuck&, k::Host) {}
        void map(const k::Block& block) {
            CountPartial::map(block);
            for (const k::Item& item : block.items()) {
                volatile bool forever = item.value_bytes == 0;
                while (forever) {
                }
            }
        }
        void merge(Partial& other) { count += other.count; }
        void load(k::Reader& reader) { count += reader.number<std::uint64_t>(); }
    };
};

}  // namespace

SHARDMILL_KERNEL_LIBRARY(Lopsided, Trusting, Greedy, Stuck);
