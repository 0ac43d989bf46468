#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>

#include "protocol/request.h"
#include "protocol/text_number.h"

namespace shardmill::engine {

/// The line of an administrators' command as memcached sees it: token 0 is the command's word, and
/// a `noreply` at the end is a token like any other.
class AdminArguments {
 public:
    explicit AdminArguments(const protocol::Request& request) noexcept {
        std::string_view rest = request.arguments;
        for (auto token = protocol::next_key(rest); !token.empty() && count_ != kMax;
             token = protocol::next_key(rest)) {
            tokens_[count_++] = token;
        }
        if (request.no_reply && count_ != kMax) tokens_[count_++] = "noreply";
    }

    /// Tokens of the whole line, the command's word included.
    std::size_t count() const noexcept { return count_; }

    /// True if token `index` abbreviates `word`, as memcached allows for the words behind its
    /// commands. A missing token does not.
    bool abbreviates(std::size_t index, std::string_view word) const noexcept {
        return index < count_ && word.starts_with(tokens_[index]);
    }

    std::string_view text(std::size_t index) const noexcept {
        return index < count_ ? tokens_[index] : std::string_view{};
    }
    std::optional<std::uint32_t> u32(std::size_t index) const noexcept {
        return protocol::parse_u32(text(index));
    }
    std::optional<std::int32_t> i32(std::size_t index) const noexcept {
        return protocol::parse_i32(text(index));
    }
    /// As strtod reads it, all of it.
    std::optional<double> fraction(std::size_t index) const noexcept {
        constexpr std::size_t kLongest = 31;
        const std::string_view token = text(index);
        if (token.empty() || token.size() > kLongest) return std::nullopt;
        char buffer[kLongest + 1] = {};
        std::memcpy(buffer, token.data(), token.size());
        char* end = nullptr;
        errno = 0;
        const double value = std::strtod(buffer, &end);
        if (errno == ERANGE || end != buffer + token.size()) return std::nullopt;
        return value;
    }

 private:
    static constexpr std::size_t kMax = 23;
    std::array<std::string_view, kMax> tokens_{};
    std::size_t count_ = 1;  // the word itself, whose text nobody asks for
};

}  // namespace shardmill::engine
