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

}  // namespace
}  // namespace shardmill::base
