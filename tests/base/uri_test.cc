#include "base/uri.h"

#include <gtest/gtest.h>

namespace shardmill::base {
namespace {

std::string encoded(std::string_view bytes) {
    std::string text = "=";
    append_uri_encoded(text, bytes);
    return text;
}

TEST(UriTest, LeavesUnreservedCharactersAlone) {
    EXPECT_EQ(encoded("azAZ09-._~"), "=azAZ09-._~");
    EXPECT_EQ(encoded(""), "=");
}

TEST(UriTest, EncodesEveryOtherByte) {
    EXPECT_EQ(encoded("a b/%:"), "=a%20b%2F%25%3A");
    EXPECT_EQ(encoded({"\0\x7f\x80\xff", 4}), "=%00%7F%80%FF");
    int kept = 0;
    for (int byte = 0; byte < 256; ++byte) {
        const char letter = static_cast<char>(byte);
        kept += encoded({&letter, 1}).size() == 2 ? 1 : 0;
    }
    EXPECT_EQ(kept, 66);
}

}  // namespace
}  // namespace shardmill::base
