#include "compute/prefixes_kernel.h"

#include <algorithm>

#include "compute/kernel_arguments.h"

namespace shardmill::compute {

PrefixesKernel::PrefixesKernel(std::span<const kernel::Argument> given) {
    const KernelArguments arguments(given, 2);
    delimiter_ = arguments.string(0, "the delimiter").value_or(":");
    depth_ = arguments.number(1, "the depth", 1, 250).value_or(1);
}

std::string_view PrefixesKernel::prefix_of(std::string_view key) const noexcept {
    std::size_t end = 0;
    for (std::uint64_t depth = 0; depth < depth_; ++depth) {
        const std::size_t found =
            delimiter_.size() == 1 ? key.find(delimiter_[0], end) : key.find(delimiter_, end);
        if (found == std::string_view::npos) break;
        end = found + delimiter_.size();
    }
    return end == 0 ? std::string_view("*") : key.substr(0, end);
}

void PrefixesKernel::Partial::Record::add(const Record& other) noexcept {
    items.add(other.items);
    if (other.expiring == 0) return;
    ttl_min = expiring == 0 ? other.ttl_min : std::min(ttl_min, other.ttl_min);
    ttl_max = std::max(ttl_max, other.ttl_max);
    expiring += other.expiring;
    ttl_sum += other.ttl_sum;
}

PrefixesKernel::Partial::Record& PrefixesKernel::Partial::record_of(std::string_view prefix) {
    char* const record = table_.find_or_insert(prefix);
    if (record == nullptr) throw kernel::Error("a bound of the job is reached");
    return *reinterpret_cast<Record*>(record);
}

void PrefixesKernel::Partial::map(const kernel::Block& block) {
    for (const kernel::Item& item : block.items()) {
        Record one{};
        one.items.add(item);
        if (item.exptime != 0) {
            one.expiring = 1;
            one.ttl_sum = one.ttl_min = one.ttl_max =
                item.exptime - std::min(item.exptime, block.now());
        }
        record_of(kernel_.prefix_of(kernel::key_of(item))).add(one);
    }
}

void PrefixesKernel::Partial::merge(Partial& other) {
    other.table_.for_each([this](std::string_view prefix, const char* record) {
        record_of(prefix).add(record_at(record));
        return true;
    });
}

void PrefixesKernel::Partial::save(kernel::Writer& writer) const {
    table_.for_each([&writer](std::string_view prefix, const char* record) {
        writer.string(prefix);
        writer.bytes({record, sizeof(Record)});
        return true;
    });
}

void PrefixesKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        const std::string_view prefix = reader.string();
        Record record;
        std::memcpy(&record, reader.bytes(sizeof record).data(), sizeof record);
        record_of(prefix).add(record);
    }
}

void PrefixesKernel::Partial::finish(kernel::Emitter& emitter) {
    table_.for_each([&emitter](std::string_view prefix, const char* raw) {
        const Record& record = record_at(raw);
        kernel::Value columns[6] = {kernel::unsigned_value(record.items.count),
                                    kernel::unsigned_value(record.items.bytes),
                                    kernel::unsigned_value(record.expiring)};
        if (record.expiring > 0) {
            columns[3] = kernel::int_value(record.ttl_min);
            columns[4] = kernel::double_value(static_cast<double>(record.ttl_sum) /
                                              static_cast<double>(record.expiring));
            columns[5] = kernel::int_value(record.ttl_max);
        }
        emitter.row(prefix, columns);
        return true;
    });
}

}  // namespace shardmill::compute
