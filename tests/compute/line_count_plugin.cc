// The example of include/shardmill/README.md, built as a plug-in.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shardmill/kernel.hpp"

namespace k = shardmill::kernel;

namespace {

struct LineCount {
    static constexpr k::Description description{"lines", ":<expr>", "how many lines the text has"};

    explicit LineCount(std::span<const k::Argument> arguments) {
        if (arguments.size() != 1 || arguments[0].kind != SHARDMILL_ARGUMENT_EXPRESSION) {
            throw k::Error("needs one expression");
        }
    }
    std::vector<std::string> columns() const { return {"lines"}; }

    struct Partial {
        Partial(const LineCount&, k::Host) {}
        void map(const k::Block& block) {
            for (const k::Value& value : block.column(0)) {
                if (!k::has_bytes(value)) continue;
                for (const char byte : k::bytes_of(value)) lines += byte == '\n';
            }
        }
        void merge(Partial& other) { lines += other.lines; }
        void save(k::Writer& writer) const { writer.number(lines); }
        void load(k::Reader& reader) { lines += reader.number<std::uint64_t>(); }
        void finish(k::Emitter& emitter) {
            const k::Value column = k::unsigned_value(lines);
            emitter.row("*", {&column, 1});
        }
        std::uint64_t lines = 0;
    };
};

}  // namespace

SHARDMILL_KERNEL_LIBRARY(LineCount);
