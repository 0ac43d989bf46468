#pragma once

#include <atomic>
#include <cstddef>

#include "runtime/task_queue.h"

namespace shardmill::runtime {

/// Tasks from any thread for one. Posting takes no lock, so that a starved thread of low priority
/// can never hold up the owner or another poster.
class Inbox {
 public:
    Inbox() = default;
    /// As `close`.
    ~Inbox();
    Inbox(const Inbox&) = delete;
    Inbox& operator=(const Inbox&) = delete;

    /// Any thread. False if the inbox is closed; the task has then been destroyed.
    bool post(Task task);

    /// Owner only: runs what had been posted when it was called, in order. Returns how many.
    std::size_t run_all();

    /// Owner only: whether `run_all` would find something.
    bool empty() const noexcept { return head_.load(std::memory_order_seq_cst) == nullptr; }

    /// Owner only: destroys what is waiting, unrun; from now on nothing is accepted.
    void close() noexcept;

 private:
    struct Node;
    static Node* closed() noexcept;
    static Node* reversed(Node* newest) noexcept;

    alignas(64) std::atomic<Node*> head_{nullptr};  // the newest task first
};

}  // namespace shardmill::runtime
