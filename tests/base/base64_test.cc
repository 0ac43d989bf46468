#include "base/base64.h"

#include <gtest/gtest.h>

namespace shardmill::base {
namespace {

TEST(Base64Test, EncodesTheVectorsOfRfc4648) {
    EXPECT_EQ(base64_encode(""), "");
    EXPECT_EQ(base64_encode("f"), "Zg==");
    EXPECT_EQ(base64_encode("fo"), "Zm8=");
    EXPECT_EQ(base64_encode("foo"), "Zm9v");
    EXPECT_EQ(base64_encode("foobar"), "Zm9vYmFy");
}

TEST(Base64Test, DecodesWhatItEncodes) {
    std::string all;
    for (int i = 0; i < 256; ++i) {
        EXPECT_EQ(base64_decode(base64_encode(all)), all);
        all += static_cast<char>(i);
    }
}

TEST(Base64Test, RejectsWhatIsNotBase64) {
    for (const char* text : {"Zg", "Zg=", "Z===", "Zm9v!", "Zm9 ", "=AAA", "Zg==Zg=="}) {
        EXPECT_EQ(base64_decode(text), std::nullopt) << text;
    }
}

TEST(Base64Test, DecodesIntoABufferThatIsLargeEnoughAndIntoNoOther) {
    char room[6];
    EXPECT_EQ(base64_decode("Zm9vYmFy", room), 6u);
    EXPECT_EQ(std::string_view(room, 6), "foobar");
    EXPECT_EQ(base64_decode("Zm9vYg==", room), 4u);
    EXPECT_EQ(base64_decode("Zm9vYmFyYQ==", room), std::nullopt);
    EXPECT_EQ(base64_decode("Zm9!", room), std::nullopt);
}

TEST(Base64Test, EncodesIntoABuffer) {
    for (const char* bytes : {"", "f", "fo", "foo", "foob"}) {
        char room[8];
        const char* end = base64_encode(std::string_view(bytes), room);
        EXPECT_EQ(std::string_view(room, static_cast<std::size_t>(end - room)),
                  base64_encode(bytes));
        EXPECT_EQ(static_cast<std::size_t>(end - room),
                  base64_text_bytes(std::string_view(bytes).size()));
    }
}

}  // namespace
}  // namespace shardmill::base
