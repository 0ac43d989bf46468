#include "net/batch.h"

#include "base/assert.h"

namespace shardmill::net {

Batch::Batch(Executor& executor, BufferPool& buffers, std::vector<Connection*>& dirty,
             std::size_t operations_max)
    : executor_(executor), buffers_(buffers), dirty_(dirty), operations_max_(operations_max) {
    operations_.reserve(operations_max);
    owners_.reserve(operations_max);
}

Batch::~Batch() { SHARDMILL_ASSERT(empty()); }

protocol::Request& Batch::scratch() noexcept {
    const std::size_t chunk = requests_used_ / kRequestChunk;
    if (chunk == requests_.size()) {
        requests_.push_back(std::make_unique_for_overwrite<protocol::Request[]>(kRequestChunk));
    }
    return requests_[chunk][requests_used_ % kRequestChunk];
}

void Batch::add(Connection& connection, const protocol::Request& request, std::string_view key,
                bool last_of_request, Upload upload, bool uploaded) noexcept {
    // Written where it stays: a copy of so many small members would wait for each of them.
    Operation& operation = operations_.emplace_back();
    operation.request = &request;
    operation.key = key;
    operation.last_of_request = last_of_request;
    operation.pinned = -1;
    operation.connection = connection.id;
    operation.upload = upload;
    operation.uploaded = uploaded;
    operation.pipelined = connection.turn_operations != 0;
    operation.socket = connection.socket;
    owners_.push_back(&connection);
    ++connection.turn_operations;
    if (last_of_request) ++requests_used_;
}

void Batch::run() noexcept {
    if (!operations_.empty()) {
        replies_.clear();
        executor_.execute(operations_, replies_);
        compose();
        // A scratch request whose operations are not all added yet outlives the batch.
        requests_used_ = operations_.back().last_of_request ? 0 : requests_used_;
        operations_.clear();
        owners_.clear();
        if (replies_.text.capacity() > kReplyBytesKept) replies_.text = {};
    }
    free_retired();
    ++serial_;
}

void Batch::give_replies(Connection& connection, std::string_view text) noexcept {
    connection.pending.append(buffers_, text);
    connection.turn_output += text.size();
    if (connection.in_dirty) return;
    connection.in_dirty = true;
    dirty_.push_back(&connection);
}

void Batch::compose_pinned(Connection& connection, const Operation& operation) noexcept {
    const std::string_view text = replies_.text;
    SHARDMILL_DASSERT(operation.pinned_at >= operation.reply_begin &&
                      operation.pinned_at <= operation.reply_end);
    give_replies(connection,
                 text.substr(operation.reply_begin, operation.pinned_at - operation.reply_begin));
    const PinnedValue& value = replies_.pinned[static_cast<std::size_t>(operation.pinned)];
    connection.pending.append_pinned(value);
    connection.turn_output += value.bytes.size();
    const std::string_view rest =
        text.substr(operation.pinned_at, operation.reply_end - operation.pinned_at);
    if (!rest.empty()) give_replies(connection, rest);
}

void Batch::compose() noexcept {
    const std::string_view text = replies_.text;
    for (std::size_t i = 0; i < operations_.size();) {
        Connection& connection = *owners_[i];
        const Operation& first = operations_[i];
        ++i;
        if (first.deferred) {
            SHARDMILL_ASSERT(protocol::may_defer(first.request->verb));
            connection.deferred = true;
            connection.endless = first.endless;
            connection.answer_in_packet = first.request->verb == protocol::Verb::BinaryLine;
            if (connection.answer_in_packet)
                connection.answer_opaque = first.request->binary.opaque;
            continue;
        }
        if (first.pinned >= 0) {
            compose_pinned(connection, first);
            continue;
        }
        // Replies that lie behind each other and go to the same place are copied at once.
        std::uint32_t end = first.reply_end;
        while (i < operations_.size() && owners_[i] == &connection && !operations_[i].deferred &&
               operations_[i].pinned < 0 && operations_[i].reply_begin == end) {
            end = operations_[i].reply_end;
            ++i;
        }
        if (end != first.reply_begin) {
            give_replies(connection, text.substr(first.reply_begin, end - first.reply_begin));
        }
    }
}

void Batch::free_retired() noexcept {
    for (Buffer& buffer : retired_buffers_) buffers_.give_back(buffer);
    for (ValueReceiver* receiver : retired_receivers_) receivers_.give_back(receiver);
    retired_buffers_.clear();
    retired_receivers_.clear();
}

}  // namespace shardmill::net
