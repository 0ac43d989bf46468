#include "net/output_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace shardmill::net {
namespace {

/// Only counts what is released.
class Releases final : public Executor {
 public:
    void execute(std::span<Operation>, ReplyArena&) noexcept override {}
    Upload reserve(const protocol::Request&) noexcept override { return {}; }
    void abandon(Upload) noexcept override {}
    void release(const PinnedValue& value) noexcept override { released.push_back(value.pin); }
    void connection_opened(const ConnectionFacts&) noexcept override {}
    void connection_closed(const ConnectionFacts&, CloseReason) noexcept override {}
    bool housekeep() noexcept override { return false; }
    std::vector<std::uint64_t> released;
};

/// What the queue would send next, whatever way.
std::string next_bytes(OutputQueue& queue) {
    if (queue.is_plain()) return std::string(queue.front());
    std::string text;
    const msghdr& message = queue.message();
    for (std::size_t i = 0; i < message.msg_iovlen; ++i) {
        text.append(static_cast<const char*>(message.msg_iov[i].iov_base),
                    message.msg_iov[i].iov_len);
    }
    return text;
}

struct Filled {
    Filled() {
        for (std::size_t i = 0; i < 100; ++i) values.push_back(std::string(i % 7 + 1, 'A'));
        for (std::size_t i = 0; i < values.size(); ++i) {
            // Some values follow each other without any text in between.
            const std::string text = i % 3 == 0 ? "" : "text" + std::to_string(i);
            queue.append(pool, text);
            queue.append_pinned({values[i], i});
            all += text + values[i];
        }
        queue.append(pool, "the end");
        all += "the end";
    }
    BufferPool pool{1u << 20};
    Releases executor;
    std::vector<std::string> values;
    std::string all;
    OutputQueue queue;
};

TEST(OutputQueueTest, SendsTextAndPinnedValuesInOrderInPiecesOfAnySize) {
    for (std::size_t piece = 1; piece < 600; ++piece) {
        Filled filled;
        std::string sent;
        while (!filled.queue.empty()) {
            const std::string next = next_bytes(filled.queue);
            ASSERT_EQ(filled.all.compare(sent.size(), next.size(), next), 0);
            const std::size_t taken = std::min(piece, next.size());
            ASSERT_GT(taken, 0u);
            sent += next.substr(0, taken);
            filled.queue.sent(taken, filled.pool, filled.executor);
            EXPECT_EQ(filled.queue.bytes(), filled.all.size() - sent.size());
        }
        EXPECT_EQ(sent, filled.all);
        EXPECT_EQ(filled.executor.released.size(), filled.values.size());
        EXPECT_EQ(filled.pool.bytes_in_use(), 0u);
    }
}

TEST(OutputQueueTest, ReleasesAPinAsSoonAsItsValueIsSent) {
    BufferPool pool{1u << 20};
    Releases executor;
    OutputQueue queue;
    queue.append(pool, "ab");
    queue.append_pinned({"cde", 7});
    queue.append(pool, "f");
    queue.sent(4, pool, executor);
    EXPECT_TRUE(executor.released.empty());
    queue.sent(1, pool, executor);
    EXPECT_EQ(executor.released, std::vector<std::uint64_t>{7});
    EXPECT_TRUE(queue.is_plain());
    EXPECT_EQ(queue.front(), "f");
    queue.clear(pool, executor);
}

TEST(OutputQueueTest, ReleasesEverythingWhenCleared) {
    Filled filled;
    filled.queue.sent(50, filled.pool, filled.executor);
    filled.queue.clear(filled.pool, filled.executor);
    EXPECT_TRUE(filled.queue.empty());
    EXPECT_EQ(filled.executor.released.size(), filled.values.size());
    EXPECT_EQ(filled.pool.bytes_in_use(), 0u);
}

}  // namespace
}  // namespace shardmill::net
