#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/executor.h"
#include "protocol/dialect.h"
#include "protocol/request.h"

namespace shardmill::net {

/// A storage command whose value is received into the log, piece by piece. Keeps its own copy of
/// the command line, because the buffer that it arrived in goes back long before the value is
/// complete. One thread.
class ValueReceiver {
 public:
    /// `line`: the command up to its value, parsed before; `upload`: not refused.
    void begin(protocol::Dialect dialect, std::string_view line, Upload upload) noexcept;

    /// Copies what belongs to the value or to the line end behind it, where there is to be one.
    /// Returns how much that was.
    std::size_t take(std::string_view bytes) noexcept;

    /// All is here, and the request tells whether the line end was in its place.
    bool complete() const noexcept { return received_ == expected_; }

    const protocol::Request& request() const noexcept { return request_; }
    Upload upload() const noexcept { return upload_; }

 private:
    static constexpr std::size_t kTerminatorBytesMax = 2;

    protocol::Request request_;
    std::string line_;
    Upload upload_;
    std::size_t received_ = 0;
    std::size_t expected_ = 0;  // value and terminator
    char terminator_[kTerminatorBytesMax] = {};
};

/// Receivers for re-use: large values come in a row. One thread.
class ValueReceiverPool {
 public:
    ValueReceiver* take();
    void give_back(ValueReceiver* receiver) noexcept;

 private:
    static constexpr std::size_t kKept = 16;
    std::vector<std::unique_ptr<ValueReceiver>> kept_;
};

}  // namespace shardmill::net
