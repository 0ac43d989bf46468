#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "net/buffer_pool.h"
#include "net/connection.h"
#include "net/executor.h"
#include "net/value_receiver.h"
#include "protocol/request.h"

namespace shardmill::net {

/// Operations of many connections that are executed together, and the storage of what they point
/// to. Filled while input is parsed; `run` executes, hands the replies to the connections in the
/// order of their requests, and starts over. No allocation once the pools are warm. One thread.
class Batch {
 public:
    /// `dirty`: every connection that gets a reply is added, once (see Connection::in_dirty).
    Batch(Executor& executor, BufferPool& buffers, std::vector<Connection*>& dirty,
          std::size_t operations_max);
    /// Nothing may be left to run.
    ~Batch();
    Batch(const Batch&) = delete;
    Batch& operator=(const Batch&) = delete;

    /// A request to parse into. The same one until an operation on it has been added with
    /// `last_of_request`.
    protocol::Request& scratch() noexcept;

    /// Adds an operation on the scratch request or on a value receiver's.
    void add(Connection& connection, const protocol::Request& request, std::string_view key,
             bool last_of_request, Upload upload = {}, bool uploaded = false) noexcept;

    /// Time to run.
    bool full() const noexcept { return operations_.size() >= operations_max_; }
    bool empty() const noexcept { return operations_.empty(); }

    /// Executes and composes. Everything the operations pointed to is free afterwards, except the
    /// scratch request.
    void run() noexcept;

    /// Keeps what operations point to until they have run.
    void retire(Buffer buffer) noexcept { retired_buffers_.push_back(buffer); }
    void retire(ValueReceiver* receiver) noexcept { retired_receivers_.push_back(receiver); }

    /// Tells this filling of the batch from others; never 0.
    std::uint64_t serial() const noexcept { return serial_; }
    ValueReceiverPool& receivers() noexcept { return receivers_; }

 private:
    static constexpr std::size_t kRequestChunk = 64;
    static constexpr std::size_t kReplyBytesKept = 1u << 20;

    void compose() noexcept;
    void compose_pinned(Connection& connection, const Operation& operation) noexcept;
    void give_replies(Connection& connection, std::string_view text) noexcept;
    void free_retired() noexcept;

    Executor& executor_;
    BufferPool& buffers_;
    std::vector<Connection*>& dirty_;
    std::size_t operations_max_;

    std::vector<Operation> operations_;
    std::vector<Connection*> owners_;  // of each operation
    ReplyArena replies_;

    std::vector<std::unique_ptr<protocol::Request[]>> requests_;
    std::size_t requests_used_ = 0;
    std::uint64_t serial_ = 1;

    std::vector<Buffer> retired_buffers_;
    std::vector<ValueReceiver*> retired_receivers_;
    ValueReceiverPool receivers_;
};

}  // namespace shardmill::net
