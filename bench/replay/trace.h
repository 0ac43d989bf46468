#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>

namespace shardmill::bench {

/// One request of a trace.
struct TraceRequest {
    enum class Op : std::uint8_t { Get, Set, Delete };  // Get: and set on a miss
    std::uint32_t time_s = 0;                           // since the beginning of the trace
    std::uint64_t id = 0;                               // names the object; see trace_key
    std::uint32_t value_bytes = 0;
    std::uint32_t ttl_s = 0;  // 0: none
    Op op = Op::Get;
};

/// The key of an object: 20 bytes, `key:` and the id as 16 hexadecimal digits.
std::string trace_key(std::uint64_t id);

/// Where requests come from. One thread.
class TraceSource {
 public:
    virtual ~TraceSource() = default;
    /// The next request, false at the end. Unexpected: what is wrong, and where.
    virtual std::expected<bool, std::string> next(TraceRequest& request) = 0;
};

/// Reads a trace front to back: lines `time_s,id,value_bytes,ttl_s,op` with op 0 (get, and set on a
/// miss), 1 (set) or 2 (delete), plain or compressed with zstd (a name that ends in .zst).
class TraceReader final : public TraceSource {
 public:
    /// Unexpected: why the file cannot be read.
    static std::expected<TraceReader, std::string> open(const std::string& path);
    TraceReader(TraceReader&&) noexcept;
    TraceReader& operator=(TraceReader&&) noexcept;
    ~TraceReader() override;

    std::expected<bool, std::string> next(TraceRequest& request) override;

 private:
    struct Impl;
    explicit TraceReader(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::bench
