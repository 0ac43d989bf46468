#pragma once

#include <sys/socket.h>
#include <sys/uio.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "net/buffer_pool.h"
#include "net/executor.h"

namespace shardmill::net {

/// Bytes on their way to one client: text, with pinned values of the log in between. Filled while
/// replies are composed, then sent: what was sent is taken off the front, and from then on nothing
/// may be appended until the queue is empty. One thread.
class OutputQueue {
 public:
    OutputQueue() = default;
    OutputQueue(const OutputQueue&) = delete;
    OutputQueue& operator=(const OutputQueue&) = delete;

    bool empty() const noexcept { return bytes_ == 0; }
    /// Bytes not sent yet, pinned ones included.
    std::uint64_t bytes() const noexcept { return bytes_; }

    void append(BufferPool& pool, std::string_view text) noexcept {
        pool.append(text_, text);
        bytes_ += text.size();
    }
    /// The pin passes to the queue, which releases it when the value has been sent.
    void append_pinned(const PinnedValue& value) noexcept;
    void swap(OutputQueue& other) noexcept;

    /// True if everything left is plain text: `front` is all of it.
    bool is_plain() const noexcept { return !pins_ || pins_->next == pins_->values.size(); }
    std::string_view front() const noexcept { return text_.view(); }
    /// Otherwise: a message of what comes next, valid until `sent` or `clear`.
    const msghdr& message() noexcept;

    /// Takes `bytes` off the front; releases pins that are through.
    void sent(std::size_t bytes, BufferPool& pool, Executor& executor) noexcept;
    /// Forgets everything; releases pins and memory.
    void clear(BufferPool& pool, Executor& executor) noexcept;

 private:
    struct Pin {
        PinnedValue value;
        std::uint32_t text_end;  // position in the text buffer that the value stands at
    };
    /// Apart from the rest because most connections never send a pinned value.
    struct Pins {
        static constexpr std::size_t kVectors = 64;
        std::vector<Pin> values;
        std::size_t next = 0;          // the first one not sent completely
        std::size_t sent_of_next = 0;  // bytes of it
        iovec vectors[kVectors];
        msghdr header;
    };

    Buffer text_;
    std::uint64_t bytes_ = 0;
    std::unique_ptr<Pins> pins_;
};

}  // namespace shardmill::net
