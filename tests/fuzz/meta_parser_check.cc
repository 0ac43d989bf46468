#include "fuzz/meta_parser_check.h"

#include <algorithm>
#include <string>

#include "fuzz/text_parser_check.h"

namespace shardmill::fuzz {

void check_meta_parser(std::string_view bytes) {
    constexpr std::string_view kWords[] = {"mg ", "ms ", "md ", "ma ", "me "};
    const auto begins = [&](std::string_view word) { return bytes.starts_with(word); };
    if (bytes.empty() || bytes.starts_with("mn") || std::ranges::any_of(kWords, begins))
        return check_text_parser(bytes);
    const auto choice = static_cast<unsigned char>(bytes[0]) % std::size(kWords);
    check_text_parser(std::string(kWords[choice]) + std::string(bytes.substr(1)));
}

}  // namespace shardmill::fuzz
