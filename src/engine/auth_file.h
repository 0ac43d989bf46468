#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace shardmill::engine {

/// The users of the text protocol (-Y): a file of lines `user:password`, as memcached reads it.
/// The first eight count; a line has at most 255 bytes, the last one needs no newline.
class AuthFile {
 public:
    explicit AuthFile(std::string path) : path_(std::move(path)) {}

    /// Reads the file, again if it has been read before. A file that cannot be used changes
    /// nothing. Unexpected: what is wrong with it and where. Blocks; one thread at a time.
    std::expected<void, std::string> load();

    /// Any thread. How long it takes depends on the candidate and on the number of users, not on
    /// what they are called or on how much of it is right.
    bool accepts(std::string_view user, std::string_view password) const noexcept;

    const std::string& path() const noexcept { return path_; }

    static constexpr std::size_t kEntriesMax = 8;
    static constexpr std::size_t kLineBytesMax = 255;  // newline included

 private:
    /// A secret in a place of fixed size, zero behind its end.
    struct Secret {
        std::array<char, kLineBytesMax + 1> bytes{};
        std::size_t size = 0;
    };
    struct Entry {
        Secret user;
        Secret password;
    };
    using Entries = std::vector<Entry>;

    static Secret make_secret(std::string_view text) noexcept;
    static bool equals(const Secret& secret, std::string_view candidate) noexcept;
    std::expected<Entries, std::string> parse(std::string_view text) const;
    std::shared_ptr<const Entries> entries() const noexcept;

    const std::string path_;
    mutable std::mutex mutex_;  // held to copy the pointer only
    std::shared_ptr<const Entries> entries_ = std::make_shared<const Entries>();
};

}  // namespace shardmill::engine
