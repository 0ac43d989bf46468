#include "compute/item_failures.h"

#include <cstring>
#include <string_view>

#include "shardmill/kernel.hpp"

namespace shardmill::compute {

void ItemFailures::add(std::uint32_t index, const char* text) {
    if (block_ == nullptr || index >= block_->count) return;
    failed_.set(index);
    if (!first_.empty()) return;
    const std::string_view reason =
        text == nullptr ? std::string_view() : std::string_view(text, strnlen(text, 200));
    first_ = printable(kernel::key_of(block_->items[index])) + ": " +
             (reason.empty() ? "failed without saying why" : printable(reason));
}

}  // namespace shardmill::compute
