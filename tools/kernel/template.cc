// NAME:<expr>: what this kernel finds out about the items.
//
//     g++ -std=c++20 -O2 -Wall -Wextra -fPIC -shared -I<shardmill>/include -o NAME.so NAME.cc
//     shardmill-kernel-check NAME.so NAME:value
//
// As it is it counts the items whose text is empty, and the bytes of the others.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "shardmill/kernel.hpp"

namespace k = shardmill::kernel;

namespace {

class Kernel {
 public:
    static constexpr k::Description description{"NAME", ":<expr>", "one line about it"};

    /// Checks what was written behind the colon. Error(text, n) points at the n-th argument.
    explicit Kernel(std::span<const k::Argument> arguments) {
        if (arguments.size() != 1 || arguments[0].kind != SHARDMILL_ARGUMENT_EXPRESSION)
            throw k::Error("needs one expression");
    }
    /// The names of what each row has; `order:` sorts by them.
    std::vector<std::string> columns() const { return {"empty", "bytes"}; }

    /// What one worker gathers; one thread at a time.
    class Partial {
     public:
        /// Memory that grows with the data is announced: host.take(bytes, rows), host.give(...).
        Partial(const Kernel&, k::Host) {}

        /// One matching item. ItemError, or any exception of the standard library, fails this item
        /// alone; k::Error ends the job. Nothing of the item may be copied by reference.
        void map_item(const k::Block& block, std::size_t index) {
            const k::Value& text = block.column(0)[index];
            if (k::is_null(text)) return;
            if (!k::has_bytes(text)) throw k::ItemError("not a text");
            empty_ += text.bytes_count == 0;
            bytes_ += text.bytes_count;
        }
        /// In any order and grouping the result must be the same.
        void merge(Partial& other) {
            empty_ += other.empty_;
            bytes_ += other.bytes_;
        }
        void save(k::Writer& writer) const {
            writer.number(empty_);
            writer.number(bytes_);
        }
        /// Adds what was saved. Any bytes may come; the reader throws where they end early.
        void load(k::Reader& reader) {
            empty_ += reader.number<std::uint64_t>();
            bytes_ += reader.number<std::uint64_t>();
        }
        /// The rows, after everything was merged.
        void finish(k::Emitter& emitter) {
            const k::Value columns[] = {k::unsigned_value(empty_), k::unsigned_value(bytes_)};
            emitter.row("*", columns);
        }

     private:
        std::uint64_t empty_ = 0;
        std::uint64_t bytes_ = 0;
    };
};

}  // namespace

SHARDMILL_KERNEL_LIBRARY(Kernel);
