#include "compute/hot_kernel.h"

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

HotKernel::HotKernel(std::span<const kernel::Argument> arguments)
    : limit_(KernelArguments(arguments, 1)
                 .number(0, "the number of rows", 1, kMaxRows)
                 .value_or(kDefaultRows)) {}

void HotKernel::Partial::offer(const Use& use, std::string_view key) {
    const auto before = [&](const Entry& last) { return Entry::before(use, key, last); };
    if (best_.wants(before)) best_.add({use, std::string(key)});
}

void HotKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) {
        if ((item.marks & SHARDMILL_ITEM_FETCHED) == 0) continue;
        const std::uint32_t idle = item.last_access == 0
                                       ? kUnknown
                                       : block.now() - std::min(item.last_access, block.now());
        offer({.frequency = item.frequency, .idle = idle, .size = item.value_bytes},
              kernel::key_of(item));
    }
}

void HotKernel::Partial::save(kernel::Writer& writer) const {
    for (const Entry& entry : best_.entries()) {
        writer.number(entry.use.frequency);
        writer.number(entry.use.idle);
        writer.number(entry.use.size);
        writer.string(entry.key);
    }
}

void HotKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        Use use;
        use.frequency = reader.number<std::uint32_t>();
        use.idle = reader.number<std::uint32_t>();
        use.size = reader.number<std::uint32_t>();
        offer(use, reader.string());
    }
}

void HotKernel::Partial::finish(kernel::Emitter& emitter) {
    for (const Entry& entry : best_.sorted()) {
        const kernel::Value columns[] = {
            kernel::int_value(entry.use.frequency),
            entry.use.idle == kUnknown ? kernel::null_value() : kernel::int_value(entry.use.idle),
            kernel::int_value(entry.use.size)};
        emitter.row(entry.key, columns);
    }
}

}  // namespace shardmill::compute
