#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "net/batch.h"
#include "net/buffer_pool.h"
#include "net/connection.h"
#include "net/executor.h"
#include "protocol/request.h"

namespace shardmill::net {

struct ReaderLimits {
    Authentication authentication = Authentication::None;
    bool job_keys = false;           // see ServerConfig
    std::uint32_t upload_bytes_min;  // values from here on are received into the log
    std::uint64_t output_bytes_max;  // pending output at which a connection is choked
    std::size_t line_bytes_max;      // of a `get` line
    std::uint32_t turn_input_max;    // bytes of one connection parsed in one turn
};

/// Turns what arrives on connections into operations of a batch. Commands that are complete in the
/// receive buffer are parsed there; only what is cut off by the buffer's end is gathered in
/// `Connection::input`. One thread.
class CommandReader {
 public:
    /// `runnable`: every connection that may not go on for now and has input left is added, once
    /// (see Connection::operations_now, in_runnable); it goes on with `resume`.
    CommandReader(const ReaderLimits& limits, Executor& executor, BufferPool& buffers, Batch& batch,
                  std::vector<Connection*>& runnable) noexcept
        : limits_(limits),
          executor_(executor),
          buffers_(buffers),
          batch_(batch),
          runnable_(runnable) {}

    /// Bytes that have just arrived. They are the caller's, stay in place until the batch has run,
    /// and may be modified.
    void receive(Connection& connection, char* data, std::size_t bytes) noexcept;

    /// Goes on with input that had to wait.
    void resume(Connection& connection) noexcept;

    /// Forgets all input, complete or not. Not while operations of the batch point into it.
    void drop(Connection& connection) noexcept;

    /// Adds the connection to those that go on in the next turn.
    void make_runnable(Connection& connection) noexcept;

 private:
    std::size_t parse(Connection& connection, char* data, std::size_t bytes) noexcept;
    std::size_t take_command(Connection& connection, protocol::Request& request, char* line,
                             std::size_t bytes) noexcept;
    std::size_t take_keys(Connection& connection, const protocol::Request& request, char* line,
                          std::size_t bytes) noexcept;
    bool names_job(const protocol::Request& request) const noexcept;
    void refuse_value(Connection& connection, protocol::Request& request,
                      std::size_t block) noexcept;
    bool begin_value(Connection& connection, protocol::Request& request,
                     std::string_view line) noexcept;
    std::size_t receive_value(Connection& connection, std::string_view bytes) noexcept;
    std::size_t log_in(Connection& connection, std::string_view bytes) noexcept;
    std::size_t take_packet_of_stranger(Connection& connection, char* data,
                                        std::size_t bytes) noexcept;
    bool must_wait(Connection& connection) noexcept;
    std::size_t complete_input(Connection& connection, std::string_view bytes) noexcept;
    void parse_input(Connection& connection) noexcept;
    void keep(Connection& connection, std::string_view bytes) noexcept;

    ReaderLimits limits_;
    Executor& executor_;
    BufferPool& buffers_;
    Batch& batch_;
    std::vector<Connection*>& runnable_;
};

}  // namespace shardmill::net
