#pragma once

#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <utility>

namespace shardmill::net {

struct BoundAddress;

/// Owns a file descriptor.
class FileDescriptor {
 public:
    FileDescriptor() = default;
    explicit FileDescriptor(int number) noexcept : number_(number) {}
    FileDescriptor(FileDescriptor&& other) noexcept : number_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~FileDescriptor() { reset(); }

    int get() const noexcept { return number_; }
    bool valid() const noexcept { return number_ >= 0; }
    int release() noexcept { return std::exchange(number_, -1); }
    void reset(int number = -1) noexcept {
        if (number_ >= 0) ::close(number_);
        number_ = number;
    }

 private:
    int number_ = -1;
};

/// How many connections there are on all reactors together, against -c. Any thread.
class ConnectionQuota {
 public:
    explicit ConnectionQuota(std::uint32_t limit) noexcept : limit_(limit) {}

    bool take() noexcept {
        if (open_.fetch_add(1) < limit_) return true;
        open_.fetch_sub(1);
        return false;
    }
    /// As `take`; if there is no room, `on_room` is called once when there may be.
    bool take_or_wait() noexcept {
        if (take()) return true;
        waiting_.store(true);
        if (!take()) return false;  // nobody has left before we said that we wait
        waiting_.store(false);
        return true;
    }
    void give_back() noexcept {
        open_.fetch_sub(1);
        if (waiting_.load() && waiting_.exchange(false) && on_room_) on_room_();
    }
    /// Runs on the thread of whoever leaves. Not while others may call the rest.
    void set_on_room(std::function<void()> on_room) { on_room_ = std::move(on_room); }

 private:
    std::uint32_t limit_;
    std::atomic<std::uint32_t> open_{0};
    std::atomic<bool> waiting_{false};
    std::function<void()> on_room_;
};

/// An accepted connection on its way to its reactor, with its share of the quota. If it never gets
/// there, both are given back.
class AcceptedSocket {
 public:
    /// `listener` outlives every connection.
    AcceptedSocket(FileDescriptor socket, ConnectionQuota& quota,
                   const BoundAddress& listener) noexcept
        : socket_(std::move(socket)), quota_(&quota), listener_(&listener) {}
    AcceptedSocket(AcceptedSocket&& other) noexcept = default;
    AcceptedSocket& operator=(AcceptedSocket&&) = delete;
    ~AcceptedSocket() {
        if (socket_.valid()) quota_->give_back();
    }

    /// The socket; the quota is now the caller's to give back.
    int release() noexcept { return socket_.release(); }
    /// What it came in by.
    const BoundAddress& listener() const noexcept { return *listener_; }

 private:
    FileDescriptor socket_;
    ConnectionQuota* quota_;
    const BoundAddress* listener_;
};

}  // namespace shardmill::net
