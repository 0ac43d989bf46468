#include "engine/auth_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "base/log.h"

namespace shardmill::engine {
namespace {

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};

/// As much of the file as can count.
std::expected<std::string, int> read_start(const std::string& path) {
    constexpr std::size_t kBytes = (AuthFile::kEntriesMax + 1) * (AuthFile::kLineBytesMax + 1);
    const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "re"));
    if (!file) return std::unexpected(errno);
    std::string text(kBytes, '\0');
    errno = 0;
    text.resize(std::fread(text.data(), 1, text.size(), file.get()));
    if (std::ferror(file.get()) != 0) return std::unexpected(errno != 0 ? errno : EIO);
    return text;
}

}  // namespace

std::expected<void, std::string> AuthFile::load() {
    const auto text = read_start(path_);
    if (!text) {
        return std::unexpected(fmt::format("cannot read the authentication file {}: {}; check -Y",
                                           path_, std::strerror(text.error())));
    }
    auto parsed = parse(*text);
    if (!parsed) return std::unexpected(std::move(parsed.error()));
    auto entries = std::make_shared<const Entries>(std::move(*parsed));
    const std::lock_guard lock(mutex_);
    entries_.swap(entries);
    return {};
}

std::expected<AuthFile::Entries, std::string> AuthFile::parse(std::string_view text) const {
    Entries entries;
    while (!text.empty()) {
        if (entries.size() == kEntriesMax) {
            base::log_error("authentication file {}: only the first {} lines count", path_,
                            kEntriesMax);
            break;
        }
        const std::size_t newline = std::min(text.find('\n'), text.size());
        const std::size_t line_bytes = std::min(newline + 1, text.size());
        std::string_view line = text.substr(0, newline);
        text.remove_prefix(line_bytes);
        const std::size_t number = entries.size() + 1;
        if (line_bytes > kLineBytesMax) {
            return std::unexpected(
                fmt::format("authentication file {}, line {}: longer than {} "
                            "bytes",
                            path_, number, kLineBytesMax));
        }
        line = line.substr(0, line.find('\r'));
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) {
            return std::unexpected(
                fmt::format("authentication file {}, line {}: write user:password", path_, number));
        }
        entries.push_back(
            {make_secret(line.substr(0, colon)), make_secret(line.substr(colon + 1))});
    }
    if (entries.empty()) {
        base::log_error("authentication file {} is empty: nobody can log in", path_);
    }
    return entries;
}

AuthFile::Secret AuthFile::make_secret(std::string_view text) noexcept {
    Secret secret;
    std::memcpy(secret.bytes.data(), text.data(), text.size());
    secret.size = text.size();
    return secret;
}

bool AuthFile::equals(const Secret& secret, std::string_view candidate) noexcept {
    std::size_t differs = secret.size ^ candidate.size();
    for (std::size_t i = 0; i < candidate.size(); ++i) {
        differs |= static_cast<unsigned char>(secret.bytes[i % secret.bytes.size()] ^ candidate[i]);
    }
    return differs == 0;
}

std::shared_ptr<const AuthFile::Entries> AuthFile::entries() const noexcept {
    const std::lock_guard lock(mutex_);
    return entries_;
}

bool AuthFile::accepts(std::string_view user, std::string_view password) const noexcept {
    const auto known = entries();
    unsigned found = 0;
    for (const Entry& entry : *known) {
        found |= static_cast<unsigned>(equals(entry.user, user)) &
                 static_cast<unsigned>(equals(entry.password, password));
    }
    return found != 0;
}

}  // namespace shardmill::engine
