#include "net/value_receiver.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "protocol/parser.h"

namespace shardmill::net {

void ValueReceiver::begin(protocol::Dialect dialect, std::string_view line,
                          Upload upload) noexcept {
    line_.assign(line);
    const protocol::ParseResult parsed = protocol::parse(dialect, line_, request_);
    SHARDMILL_ASSERT(parsed.status == protocol::ParseStatus::NeedValue &&
                     parsed.consumed == line_.size());
    upload_ = upload;
    received_ = 0;
    expected_ = std::size_t{request_.value_bytes} + protocol::terminator_bytes(request_.verb);
}

std::size_t ValueReceiver::take(std::string_view bytes) noexcept {
    const std::size_t value_bytes = request_.value_bytes;
    std::size_t taken = 0;
    if (received_ < value_bytes) {
        taken = std::min(bytes.size(), value_bytes - received_);
        std::memcpy(upload_.value + received_, bytes.data(), taken);
        received_ += taken;
    }
    while (taken < bytes.size() && received_ >= value_bytes && received_ < expected_) {
        terminator_[received_ - value_bytes] = bytes[taken];
        ++received_;
        ++taken;
    }
    if (complete()) protocol::finish_value(request_, {terminator_, expected_ - value_bytes});
    return taken;
}

ValueReceiver* ValueReceiverPool::take() {
    if (kept_.empty()) return std::make_unique<ValueReceiver>().release();
    ValueReceiver* receiver = kept_.back().release();
    kept_.pop_back();
    return receiver;
}

void ValueReceiverPool::give_back(ValueReceiver* receiver) noexcept {
    std::unique_ptr<ValueReceiver> owned(receiver);
    if (kept_.size() < kKept) kept_.push_back(std::move(owned));
}

}  // namespace shardmill::net
