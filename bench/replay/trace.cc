#include "replay/trace.h"

#include <fmt/format.h>
#include <zstd.h>

#include <array>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <string_view>
#include <vector>

namespace shardmill::bench {
namespace {

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
struct FreeStream {
    void operator()(ZSTD_DStream* stream) const noexcept { ZSTD_freeDStream(stream); }
};

/// Takes a number and the separator behind it off the front of `line`.
template <typename Number>
bool take_number(std::string_view& line, Number& number) {
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (error != std::errc{}) return false;
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    if (line.starts_with(',')) line.remove_prefix(1);
    return true;
}

bool parse(std::string_view line, TraceRequest& request) {
    unsigned op = 0;
    if (!take_number(line, request.time_s) || !take_number(line, request.id) ||
        !take_number(line, request.value_bytes) || !take_number(line, request.ttl_s) ||
        !take_number(line, op)) {
        return false;
    }
    request.op = static_cast<TraceRequest::Op>(op);
    return op <= 2 && (line.empty() || line == "\r");
}

}  // namespace

std::string trace_key(std::uint64_t id) { return fmt::format("key:{:016x}", id); }

struct TraceReader::Impl {
    std::unique_ptr<std::FILE, CloseFile> file;
    std::unique_ptr<ZSTD_DStream, FreeStream> stream;  // nullptr: plain text
    std::string path;
    std::vector<char> packed = std::vector<char>(1 << 16);
    ZSTD_inBuffer input{packed.data(), 0, 0};
    std::vector<char> text = std::vector<char>(1 << 20);
    std::size_t begin = 0;
    std::size_t end = 0;
    std::uint64_t line_number = 0;

    std::expected<std::size_t, std::string> read_text(char* at, std::size_t room);
    std::expected<bool, std::string> fill();
};

/// More text; 0 at the end.
std::expected<std::size_t, std::string> TraceReader::Impl::read_text(char* at, std::size_t room) {
    if (!stream) return std::fread(at, 1, room, file.get());
    ZSTD_outBuffer output{at, room, 0};
    while (output.pos == 0) {
        if (input.pos == input.size) {
            input = {packed.data(), std::fread(packed.data(), 1, packed.size(), file.get()), 0};
            if (input.size == 0) return std::size_t{0};
        }
        const std::size_t result = ZSTD_decompressStream(stream.get(), &output, &input);
        if (ZSTD_isError(result)) {
            return std::unexpected(fmt::format("{}: {}", path, ZSTD_getErrorName(result)));
        }
    }
    return output.pos;
}

/// False: there is no more.
std::expected<bool, std::string> TraceReader::Impl::fill() {
    std::memmove(text.data(), text.data() + begin, end - begin);
    end -= begin;
    begin = 0;
    if (end == text.size()) {
        return std::unexpected(fmt::format("{}:{}: the line is too long", path, line_number + 1));
    }
    const auto more = read_text(text.data() + end, text.size() - end);
    if (!more) return std::unexpected(more.error());
    end += *more;
    return *more != 0;
}

TraceReader::TraceReader(std::unique_ptr<Impl> impl) noexcept : impl_(std::move(impl)) {}
TraceReader::TraceReader(TraceReader&&) noexcept = default;
TraceReader& TraceReader::operator=(TraceReader&&) noexcept = default;
TraceReader::~TraceReader() = default;

std::expected<TraceReader, std::string> TraceReader::open(const std::string& path) {
    auto impl = std::make_unique<Impl>();
    impl->path = path;
    impl->file.reset(std::fopen(path.c_str(), "rb"));
    if (!impl->file) {
        return std::unexpected(fmt::format("cannot open {}: {}", path, std::strerror(errno)));
    }
    if (path.ends_with(".zst")) impl->stream.reset(ZSTD_createDStream());
    return TraceReader(std::move(impl));
}

std::expected<bool, std::string> TraceReader::next(TraceRequest& request) {
    Impl& in = *impl_;
    for (;;) {
        const std::string_view rest(in.text.data() + in.begin, in.end - in.begin);
        auto newline = rest.find('\n');
        if (newline == std::string_view::npos) {
            const auto filled = in.fill();
            if (!filled) return std::unexpected(filled.error());
            if (*filled) continue;
            if (in.begin == in.end) return false;
            newline = in.end - in.begin;  // the last line, without an end
        }
        const std::string_view line(in.text.data() + in.begin, newline);
        in.begin = std::min(in.begin + newline + 1, in.end);
        ++in.line_number;
        if (parse(line, request)) return true;
        return std::unexpected(
            fmt::format("{}:{}: expected time_s,id,value_bytes,ttl_s,op, got '{}'", in.path,
                        in.line_number, line.substr(0, 80)));
    }
}

}  // namespace shardmill::bench
