// A kernel that does not come back from an item until somebody lets it.

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shardmill/kernel.hpp"

namespace k = shardmill::kernel;

namespace {

/// `waiting:'<path>'`: opens that FIFO for reading at every block of items, which takes until
/// somebody has opened it for writing.
struct Waiting {
    static constexpr k::Description description{"waiting", ":'<fifo>'", "waits for a writer"};
    explicit Waiting(std::span<const k::Argument> arguments)
        : path(k::bytes_of(arguments[0].value)) {}
    std::vector<std::string> columns() const { return {"n"}; }

    struct Partial {
        Partial(const Waiting& kernel, k::Host) : path(kernel.path) {}
        void map(const k::Block& block) {
            ::close(::open(path.c_str(), O_RDONLY));
            count += block.count();
        }
        void merge(Partial& other) { count += other.count; }
        void save(k::Writer& writer) const { writer.number(count); }
        void load(k::Reader& reader) { count += reader.number<std::uint64_t>(); }
        void finish(k::Emitter& emitter) {
            const k::Value column = k::unsigned_value(count);
            emitter.row("*", {&column, 1});
        }
        const std::string path;
        std::uint64_t count = 0;
    };

    const std::string path;
};

}  // namespace

SHARDMILL_KERNEL_LIBRARY(Waiting);
