#include "compute/topk_kernel.h"

#include <cmath>

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

TopkKernel::TopkKernel(std::span<const kernel::Argument> arguments) {
    if (arguments.size() != 2)
        throw kernel::Error("needs a number of rows and an expression, topk:<n>,<expr>");
    limit_ = *KernelArguments(arguments, 2).number(0, "the number of rows", 1, kMaxRows);
    if (arguments[1].kind != SHARDMILL_ARGUMENT_EXPRESSION)
        throw kernel::Error("must be an expression", 2);
    column_.assign(arguments[1].text, arguments[1].text_bytes);
}

void TopkKernel::Partial::offer(const Value& number, std::string_view key) {
    const auto before = [&](const Entry& last) { return Entry::before(number, key, last); };
    if (best_.wants(before)) best_.add({number, std::string(key)});
}

void TopkKernel::Partial::map(const kernel::Block& block) {
    const auto column = block.column(1);
    const auto items = block.items();
    for (std::size_t index = 0; index < items.size(); ++index) {
        const Value number = to_number(column[index]);
        if (!kernel::is_null(number)) offer(number, kernel::key_of(items[index]));
    }
}

void TopkKernel::Partial::save(kernel::Writer& writer) const {
    for (const Entry& entry : best_.entries()) {
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
    for (const Entry& entry : best_.sorted()) emitter.row(entry.key, {&entry.number, 1});
}

}  // namespace shardmill::compute
