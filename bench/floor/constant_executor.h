#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "net/executor.h"
#include "protocol/reply.h"

namespace shardmill::floor {

/// Answers without looking anything up: every key of a get with the same bytes, every set with
/// STORED. What is left is what connections, ring, parser and kernel cost. One per reactor.
class ConstantExecutor final : public net::Executor {
 public:
    ConstantExecutor(std::uint32_t key_bytes, std::uint32_t value_bytes) {
        protocol::append_value(hit_, std::string(key_bytes, 'k'), 0, std::string(value_bytes, 'v'));
    }

    void execute(std::span<net::Operation> operations, net::ReplyArena& replies) noexcept override {
        for (net::Operation& operation : operations) {
            operation.deferred = false;
            operation.pinned = -1;
            operation.reply_begin = static_cast<std::uint32_t>(replies.text.size());
            answer(operation, replies.text);
            operation.reply_end = static_cast<std::uint32_t>(replies.text.size());
        }
    }

    /// Large values are swallowed.
    net::Upload reserve(const protocol::Request&) noexcept override { return {}; }
    void abandon(net::Upload) noexcept override {}
    void release(const net::PinnedValue&) noexcept override {}
    void connection_opened(const net::ConnectionFacts&) noexcept override {}
    void connection_closed(const net::ConnectionFacts&, net::CloseReason) noexcept override {}
    bool housekeep() noexcept override { return false; }

 private:
    void answer(const net::Operation& operation, std::string& text) const noexcept {
        const protocol::Verb verb = operation.request->verb;
        if (verb == protocol::Verb::Get) {
            text.append(hit_);
            if (operation.last_of_request) text.append(protocol::replies::kEnd);
        } else {
            text.append(protocol::has_value(verb) ? protocol::replies::kStored
                                                  : protocol::replies::kError);
        }
    }

    std::string hit_;
};

}  // namespace shardmill::floor
