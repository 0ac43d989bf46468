#include "net/output_queue.h"

#include <algorithm>
#include <utility>

#include "base/assert.h"

namespace shardmill::net {

void OutputQueue::swap(OutputQueue& other) noexcept {
    std::swap(text_, other.text_);
    std::swap(bytes_, other.bytes_);
    pins_.swap(other.pins_);
}

void OutputQueue::append_pinned(const PinnedValue& value) noexcept {
    SHARDMILL_DASSERT(text_.begin == 0);
    if (!pins_) pins_ = std::make_unique<Pins>();
    pins_->values.push_back({value, text_.end});
    bytes_ += value.bytes.size();
}

const msghdr& OutputQueue::message() noexcept {
    Pins& pins = *pins_;
    std::size_t count = 0;
    const auto add = [&](const char* data, std::size_t size) {
        if (size != 0) pins.vectors[count++] = {const_cast<char*>(data), size};
    };
    std::uint32_t text_at = text_.begin;
    std::size_t skip = pins.sent_of_next;
    std::size_t index = pins.next;
    // Two vectors a pin, and one for the text behind the last.
    for (; index < pins.values.size() && count + 2 < Pins::kVectors; ++index) {
        const Pin& pin = pins.values[index];
        add(text_.memory + text_at, pin.text_end - text_at);
        add(pin.value.bytes.data() + skip, pin.value.bytes.size() - skip);
        text_at = pin.text_end;
        skip = 0;
    }
    if (index == pins.values.size()) add(text_.memory + text_at, text_.end - text_at);
    pins.header = {};
    pins.header.msg_iov = pins.vectors;
    pins.header.msg_iovlen = count;
    return pins.header;
}

void OutputQueue::sent(std::size_t bytes, BufferPool& pool, Executor& executor) noexcept {
    SHARDMILL_ASSERT(bytes <= bytes_);
    bytes_ -= bytes;
    if (bytes_ == 0) return clear(pool, executor);
    while (pins_ && pins_->next < pins_->values.size()) {
        const Pin& pin = pins_->values[pins_->next];
        const std::size_t text = std::min<std::size_t>(bytes, pin.text_end - text_.begin);
        text_.begin += static_cast<std::uint32_t>(text);
        bytes -= text;
        if (text_.begin != pin.text_end) return;
        const std::size_t rest = pin.value.bytes.size() - pins_->sent_of_next;
        if (bytes < rest) {
            pins_->sent_of_next += bytes;
            return;
        }
        bytes -= rest;
        executor.release(pin.value);
        pins_->sent_of_next = 0;
        ++pins_->next;
    }
    text_.begin += static_cast<std::uint32_t>(bytes);
}

void OutputQueue::clear(BufferPool& pool, Executor& executor) noexcept {
    if (pins_) {
        for (; pins_->next < pins_->values.size(); ++pins_->next) {
            executor.release(pins_->values[pins_->next].value);
        }
        pins_.reset();
    }
    pool.give_back(text_);
    bytes_ = 0;
}

}  // namespace shardmill::net
