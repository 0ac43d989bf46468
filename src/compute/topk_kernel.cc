#include "compute/topk_kernel.h"

#include <algorithm>
#include <cmath>

namespace shardmill::compute {

TopkKernel::TopkKernel(std::span<const kernel::Argument> arguments) {
    if (arguments.size() != 2)
        throw kernel::Error("needs a number of rows and an expression, topk:<n>,<expr>");
    const kernel::Argument& limit = arguments[0];
    const bool counts =
        limit.kind == SHARDMILL_ARGUMENT_LITERAL && limit.value.kind == SHARDMILL_INT;
    if (!counts || limit.value.integer < 1 ||
        static_cast<std::uint64_t>(limit.value.integer) > kMaxRows) {
        throw kernel::Error("the number of rows must be from 1 to 1000000", 1);
    }
    if (arguments[1].kind != SHARDMILL_ARGUMENT_EXPRESSION)
        throw kernel::Error("must be an expression", 2);
    limit_ = static_cast<std::uint64_t>(limit.value.integer);
    column_.assign(arguments[1].text, arguments[1].text_bytes);
}

TopkKernel::Partial::~Partial() { host_.give(held_, static_cast<std::int64_t>(heap_.size())); }

bool TopkKernel::Partial::before(const Value& number, std::string_view key,
                                 const Entry& other) noexcept {
    const int order = compare_numbers(number, other.number);
    return order != 0 ? order > 0 : key < other.key;
}

void TopkKernel::Partial::offer(const Value& number, std::string_view key) {
    const bool full = heap_.size() == limit_;
    if (full && !before(number, key, heap_.front())) return;
    // Two entries each: the vector grows by doubling.
    const auto bytes = static_cast<std::int64_t>(2 * sizeof(Entry) + key.size());
    host_.take(bytes, full ? 0 : 1);
    held_ += bytes;
    if (full) {
        std::pop_heap(heap_.begin(), heap_.end(), entry_before);
        const auto freed = static_cast<std::int64_t>(2 * sizeof(Entry) + heap_.back().key.size());
        heap_.pop_back();
        host_.give(freed);
        held_ -= freed;
    }
    heap_.push_back({number, std::string(key)});
    std::push_heap(heap_.begin(), heap_.end(), entry_before);
}

void TopkKernel::Partial::map(const kernel::Block& block) {
    const auto column = block.column(1);
    const auto items = block.items();
    for (std::size_t index = 0; index < items.size(); ++index) {
        const Value number = to_number(column[index]);
        if (!kernel::is_null(number)) offer(number, kernel::key_of(items[index]));
    }
}

void TopkKernel::Partial::merge(Partial& other) {
    for (const Entry& entry : other.heap_) offer(entry.number, entry.key);
}

void TopkKernel::Partial::save(kernel::Writer& writer) const {
    for (const Entry& entry : heap_) {
        writer.number(entry.number.kind);
        writer.number(entry.number.unsigned_integer);
        writer.string(entry.key);
    }
}

void TopkKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        Value number{};
        number.kind = reader.number<std::uint32_t>();
        number.unsigned_integer = reader.number<std::uint64_t>();
        const bool sound =
            is_number(number) && (number.kind != SHARDMILL_DOUBLE || std::isfinite(number.number));
        if (!sound) throw kernel::Error("the saved partial is damaged");
        offer(number, reader.string());
    }
}

void TopkKernel::Partial::finish(kernel::Emitter& emitter) {
    std::sort(heap_.begin(), heap_.end(), entry_before);
    for (const Entry& entry : heap_) emitter.row(entry.key, {&entry.number, 1});
}

}  // namespace shardmill::compute
