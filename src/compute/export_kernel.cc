#include "compute/export_kernel.h"

#include <algorithm>

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

ExportKernel::ExportKernel(std::span<const kernel::Argument> arguments) {
    const KernelArguments none(arguments, 0);
}

ExportKernel::Partial::~Partial() { host_.give(held_, static_cast<std::int64_t>(entries_.size())); }

std::string_view ExportKernel::Partial::copy(std::string_view bytes) {
    const std::string_view copied = arena_.copy(bytes);
    if (copied.data() == nullptr) throw kernel::Error("a bound of the job is reached");
    return copied;
}

void ExportKernel::Partial::add(Entry entry) {
    // Two each: the vector grows by doubling.
    constexpr auto kBytes = static_cast<std::int64_t>(2 * sizeof(Entry));
    host_.take(kBytes, 1);
    held_ += kBytes;
    entry.key = copy(entry.key);
    entry.value = copy(entry.value);
    entries_.push_back(entry);
}

void ExportKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) {
        add({.key = kernel::key_of(item),
             .value = kernel::value_of(item),
             .client_flags = item.client_flags,
             .exptime = item.exptime,
             .ttl = item.exptime == 0 ? kNever : std::int64_t{item.exptime} - block.now()});
    }
}

void ExportKernel::Partial::merge(Partial& other) {
    for (const Entry& entry : other.entries_) add(entry);
}

void ExportKernel::Partial::save(kernel::Writer& writer) const {
    for (const Entry& entry : entries_) {
        writer.string(entry.key);
        writer.string(entry.value);
        writer.number(entry.client_flags);
        writer.number(entry.exptime);
        writer.number(entry.ttl);
    }
}

void ExportKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        Entry entry{};
        entry.key = reader.string();
        entry.value = reader.string();
        entry.client_flags = reader.number<std::uint32_t>();
        entry.exptime = reader.number<std::uint32_t>();
        entry.ttl = reader.number<std::int64_t>();
        add(entry);
    }
}

void ExportKernel::Partial::finish(kernel::Emitter& emitter) {
    for (const Entry& entry : entries_) {
        const kernel::Value columns[] = {
            kernel::unsigned_value(entry.value.size()),
            entry.ttl == kNever ? kernel::null_value() : kernel::int_value(entry.ttl)};
        emitter.row(entry.key, entry.value, columns, entry.client_flags, entry.exptime);
    }
}

}  // namespace shardmill::compute
