#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "net/executor.h"

namespace shardmill::net::testing {

/// What all fake executors of a server share: a map, and books of what has been lent out. Any
/// thread.
struct FakeStore {
    std::mutex mutex;
    std::map<std::string, std::string, std::less<>> items;
    std::deque<ConnectionId> deferred;  // in the order of their `batch` commands

    std::size_t pin_bytes_min = 4096;       // values from here on are sent from where they are
    std::size_t value_bytes_max = 1 << 20;  // larger uploads are refused

    std::atomic<int> uploads{0};  // reserved and not yet executed or abandoned
    std::atomic<int> abandoned{0};
    std::atomic<int> pins{0};  // given out and not yet released
    std::atomic<int> closed{0};
    std::atomic<std::uint64_t> tls_failed{0};
    std::vector<PeerAddress> opened_by;      // by `mutex`, in the order of coming
    std::vector<CloseReason> close_reasons;  // by `mutex`, in the order of going
    std::atomic<std::uint64_t> operations{0};
    std::function<void(std::span<const Operation>)> on_batch;  // before it is executed
    std::atomic<std::uint64_t> batches{0};
    std::atomic<std::uint64_t> largest_batch{0};

    /// Takes the connection of the next deferred command, if there is one.
    std::optional<ConnectionId> take_deferred();
    void put(std::string key, std::string value);
    std::optional<std::string> get(std::string_view key);
    std::vector<PeerAddress> peers();
    std::vector<CloseReason> reasons();
    std::uint64_t tls_failures() const { return tls_failed; }
};

/// Executes get, set, delete, meta no-op, version and invalid commands on a map; `batch` is
/// deferred (`batch endless`: for ever), `batch now` and `batch pipelined` are not.
class FakeExecutor : public Executor {
 public:
    explicit FakeExecutor(FakeStore& store) : store_(store) {}

    void execute(std::span<Operation> operations, ReplyArena& replies) noexcept override;
    Upload reserve(const protocol::Request& request) noexcept override;
    void abandon(Upload upload) noexcept override;
    void release(const PinnedValue& value) noexcept override;
    /// The password is the user's name backwards.
    bool authenticate(std::string_view user, std::string_view password) noexcept override;
    void connection_opened(const ConnectionFacts& connection) noexcept override;
    void connection_closed(const ConnectionFacts& connection, CloseReason reason) noexcept override;
    void tls_failed(const ConnectionFacts& connection, std::string_view reason) noexcept override;
    bool housekeep() noexcept override { return false; }

 private:
    void execute_one(Operation& operation, ReplyArena& replies);
    void execute_get(Operation& operation, ReplyArena& replies);
    void execute_set(Operation& operation, ReplyArena& replies);
    void execute_binary_get(Operation& operation, ReplyArena& replies);
    void execute_binary_set(Operation& operation, ReplyArena& replies);
    void pin(Operation& operation, const std::string& value, ReplyArena& replies);
    std::string take_upload(Upload upload);

    FakeStore& store_;
    std::map<std::uint64_t, std::unique_ptr<std::string>> uploads_;
    std::map<std::uint64_t, std::unique_ptr<std::string>> pins_;
    std::uint64_t next_token_ = 0;
};

/// The executors of a server over one store.
struct FakeExecutors {
    FakeExecutors(FakeStore& store, std::uint32_t count) {
        for (std::uint32_t i = 0; i < count; ++i) {
            owned.push_back(std::make_unique<FakeExecutor>(store));
        }
    }
    std::vector<Executor*> pointers() const {
        std::vector<Executor*> result;
        for (const auto& executor : owned) result.push_back(executor.get());
        return result;
    }
    std::vector<std::unique_ptr<FakeExecutor>> owned;
};

}  // namespace shardmill::net::testing
