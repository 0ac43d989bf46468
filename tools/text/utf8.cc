#include "text/utf8.h"

#include "base/utf8.h"

namespace shardmill::text {

std::size_t columns(std::string_view text) noexcept {
    std::size_t count = 0;
    for (; !text.empty(); ++count) {
        const std::size_t length = base::utf8_sequence(text);
        text.remove_prefix(length == 0 ? 1 : length);
    }
    return count;
}

std::string_view cut_to_columns(std::string_view text, std::size_t limit) noexcept {
    std::size_t at = 0;
    for (; limit > 0 && at < text.size(); --limit) {
        const std::size_t length = base::utf8_sequence(text.substr(at));
        at += length == 0 ? 1 : length;
    }
    return text.substr(0, at);
}

}  // namespace shardmill::text
