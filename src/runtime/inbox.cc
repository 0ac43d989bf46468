#include "runtime/inbox.h"

#include <memory>
#include <utility>

namespace shardmill::runtime {

struct Inbox::Node {
    Task task;
    Node* next = nullptr;
};

/// Marks a closed inbox; never looked into.
Inbox::Node* Inbox::closed() noexcept {
    static Node marker{};
    return &marker;
}

Inbox::~Inbox() { close(); }

bool Inbox::post(Task task) {
    auto node = std::make_unique<Node>(Node{std::move(task), nullptr});
    Node* seen = head_.load(std::memory_order_relaxed);
    do {
        if (seen == closed()) return false;
        node->next = seen;
    } while (!head_.compare_exchange_weak(seen, node.get(), std::memory_order_seq_cst,
                                          std::memory_order_relaxed));
    (void)node.release();
    return true;
}

Inbox::Node* Inbox::reversed(Node* newest) noexcept {
    Node* oldest = nullptr;
    while (newest != nullptr) {
        Node* next = std::exchange(newest->next, oldest);
        oldest = std::exchange(newest, next);
    }
    return oldest;
}

std::size_t Inbox::run_all() {
    if (empty()) return 0;
    Node* node = reversed(head_.exchange(nullptr, std::memory_order_acquire));
    std::size_t count = 0;
    while (node != nullptr) {
        const std::unique_ptr<Node> current(std::exchange(node, node->next));
        current->task();
        ++count;
    }
    return count;
}

void Inbox::close() noexcept {
    Node* node = head_.exchange(closed(), std::memory_order_acq_rel);
    if (node == closed()) return;
    node = reversed(node);
    while (node != nullptr) {
        const std::unique_ptr<Node> unrun(std::exchange(node, node->next));
    }
}

}  // namespace shardmill::runtime
