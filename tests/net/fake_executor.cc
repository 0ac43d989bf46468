#include "fake_executor.h"

#include <algorithm>

#include "base/assert.h"
#include "protocol/binary_reply.h"

namespace shardmill::net::testing {

using protocol::Verb;

std::optional<ConnectionId> FakeStore::take_deferred() {
    const std::lock_guard lock(mutex);
    if (deferred.empty()) return std::nullopt;
    const ConnectionId id = deferred.front();
    deferred.pop_front();
    return id;
}

void FakeStore::put(std::string key, std::string value) {
    const std::lock_guard lock(mutex);
    items[std::move(key)] = std::move(value);
}

std::optional<std::string> FakeStore::get(std::string_view key) {
    const std::lock_guard lock(mutex);
    const auto found = items.find(key);
    if (found == items.end()) return std::nullopt;
    return found->second;
}

std::vector<PeerAddress> FakeStore::peers() {
    const std::lock_guard lock(mutex);
    return opened_by;
}

std::vector<CloseReason> FakeStore::reasons() {
    const std::lock_guard lock(mutex);
    return close_reasons;
}

void FakeExecutor::execute(std::span<Operation> operations, ReplyArena& replies) noexcept {
    const std::lock_guard lock(store_.mutex);
    if (store_.on_batch) store_.on_batch(operations);
    store_.operations += operations.size();
    ++store_.batches;
    store_.largest_batch = std::max<std::uint64_t>(store_.largest_batch, operations.size());
    // Two passes, so that replies do not lie in the arena in the order of their requests, just as
    // with shards. Commands without a key keep their place among all others.
    const bool keyed = std::ranges::all_of(
        operations, [](const Operation& op) { return protocol::has_key(op.request->verb); });
    for (const bool odd : {false, true}) {
        for (Operation& operation : operations) {
            const bool is_odd = !operation.key.empty() && (operation.key.back() & 1) != 0;
            if (keyed ? is_odd == odd : !odd) execute_one(operation, replies);
        }
    }
}

void FakeExecutor::execute_one(Operation& operation, ReplyArena& replies) {
    const protocol::Request& request = *operation.request;
    operation.reply_begin = static_cast<std::uint32_t>(replies.text.size());
    switch (request.verb) {
        case Verb::Get:
            execute_get(operation, replies);
            break;
        case Verb::Set:
            execute_set(operation, replies);
            break;
        case Verb::Delete:
            replies.text += store_.items.erase(std::string(operation.key)) != 0 ? "DELETED\r\n"
                                                                                : "NOT_FOUND\r\n";
            break;
        case Verb::MetaNoop:
            replies.text += "MN\r\n";
            break;
        case Verb::Version:
            replies.text += "VERSION fake\r\n";
            break;
        case Verb::BinarySasl:
            operation.deferred = true;
            store_.deferred.push_back(operation.connection);
            break;
        case Verb::BinaryVersion:
            replies.text += std::string(100, 'v');
            break;
        case Verb::BinaryGet:
            execute_binary_get(operation, replies);
            break;
        case Verb::BinarySet:
            execute_binary_set(operation, replies);
            break;
        case Verb::BinaryNoop:
        case Verb::BinaryQuit:
            if (!request.no_reply) protocol::append_binary_success(replies.text, request);
            break;
        case Verb::BinaryInvalid:
        case Verb::BinaryBroken:
            protocol::append_binary_error(replies.text, request, request.binary.status);
            break;
        case Verb::BinaryLine:
        case Verb::Batch:
            if (request.arguments == "now") {
                replies.text += "NOW\r\n";
            } else if (request.arguments == "pipelined") {
                replies.text += operation.pipelined ? "YES\r\n" : "NO\r\n";
            } else {
                operation.deferred = true;
                operation.endless = request.arguments == "endless";
                store_.deferred.push_back(operation.connection);
            }
            break;
        case Verb::Invalid:
            replies.text += request.error;
            break;
        default:
            replies.text += "ERROR\r\n";
    }
    operation.reply_end = static_cast<std::uint32_t>(replies.text.size());
}

void FakeExecutor::execute_get(Operation& operation, ReplyArena& replies) {
    const auto found = store_.items.find(operation.key);
    if (found != store_.items.end()) {
        const std::string& value = found->second;
        replies.text += "VALUE " + found->first + " 0 " + std::to_string(value.size()) + "\r\n";
        if (value.size() >= store_.pin_bytes_min) {
            pin(operation, value, replies);
        } else {
            replies.text += value;
        }
        replies.text += "\r\n";
    }
    if (operation.last_of_request) replies.text += "END\r\n";
}

void FakeExecutor::execute_set(Operation& operation, ReplyArena& replies) {
    const protocol::Request& request = *operation.request;
    const bool refused = operation.uploaded && operation.upload.value == nullptr;
    std::string value =
        operation.uploaded && !refused ? take_upload(operation.upload) : std::string(request.value);
    if (refused) {
        replies.text += "SERVER_ERROR object too large for cache\r\n";
    } else if (request.bad_data_chunk) {
        replies.text += "CLIENT_ERROR bad data chunk\r\n";
    } else {
        store_.items[std::string(operation.key)] = std::move(value);
        if (!request.no_reply) replies.text += "STORED\r\n";
    }
}

void FakeExecutor::execute_binary_get(Operation& operation, ReplyArena& replies) {
    const protocol::Request& request = *operation.request;
    const auto found = store_.items.find(operation.key);
    if (found == store_.items.end()) {
        if (!request.no_reply)
            protocol::append_binary_error(replies.text, request, protocol::BinaryStatus::NotFound);
        return;
    }
    const std::string& value = found->second;
    if (value.size() < store_.pin_bytes_min) {
        protocol::append_binary_value(replies.text, request, 0, value, 0);
        return;
    }
    protocol::append_binary_value_head(replies.text, request, 0,
                                       static_cast<std::uint32_t>(value.size()), 0);
    pin(operation, value, replies);
}

void FakeExecutor::execute_binary_set(Operation& operation, ReplyArena& replies) {
    const protocol::Request& request = *operation.request;
    if (operation.uploaded && operation.upload.value == nullptr) {
        protocol::append_binary_error(replies.text, request, protocol::BinaryStatus::TooLarge);
        return;
    }
    SHARDMILL_ASSERT(!request.bad_data_chunk);
    store_.items[std::string(operation.key)] =
        operation.uploaded ? take_upload(operation.upload) : std::string(request.value);
    if (!request.no_reply) protocol::append_binary_success(replies.text, request);
}

void FakeExecutor::pin(Operation& operation, const std::string& value, ReplyArena& replies) {
    auto& pinned = pins_[++next_token_];
    pinned = std::make_unique<std::string>(value);
    ++store_.pins;
    operation.pinned = static_cast<std::int32_t>(replies.pinned.size());
    operation.pinned_at = static_cast<std::uint32_t>(replies.text.size());
    replies.pinned.push_back({*pinned, next_token_});
}

std::string FakeExecutor::take_upload(Upload upload) {
    const auto found = uploads_.find(upload.token);
    SHARDMILL_ASSERT(found != uploads_.end() && found->second->data() == upload.value);
    std::string value = std::move(*found->second);
    uploads_.erase(found);
    --store_.uploads;
    return value;
}

Upload FakeExecutor::reserve(const protocol::Request& request) noexcept {
    if (request.value_bytes > store_.value_bytes_max) return {};
    ++store_.uploads;
    auto& upload = uploads_[++next_token_];
    upload = std::make_unique<std::string>(request.value_bytes, '?');
    return {upload->data(), next_token_};
}

void FakeExecutor::abandon(Upload upload) noexcept {
    take_upload(upload);
    ++store_.abandoned;
}

void FakeExecutor::release(const PinnedValue& value) noexcept {
    SHARDMILL_ASSERT(pins_.erase(value.pin) == 1);
    --store_.pins;
}

bool FakeExecutor::authenticate(std::string_view user, std::string_view password) noexcept {
    return std::ranges::equal(user, std::string(password.rbegin(), password.rend()));
}

void FakeExecutor::connection_opened(const ConnectionFacts& connection) noexcept {
    const std::lock_guard lock(store_.mutex);
    store_.opened_by.push_back(connection.peer);
}

void FakeExecutor::connection_closed(const ConnectionFacts&, CloseReason reason) noexcept {
    const std::lock_guard lock(store_.mutex);
    store_.close_reasons.push_back(reason);
    ++store_.closed;
}

void FakeExecutor::tls_failed(const ConnectionFacts&, std::string_view) noexcept {
    ++store_.tls_failed;
}

}  // namespace shardmill::net::testing
