#include "protocol/text_number.h"

#include <gtest/gtest.h>

namespace shardmill::protocol {
namespace {

TEST(TextNumberTest, ReadsPlainDigits) {
    EXPECT_EQ(parse_u32("0"), 0u);
    EXPECT_EQ(parse_u32("4294967295"), 4294967295u);
    EXPECT_EQ(parse_u32("00000000001"), 1u);
    EXPECT_EQ(parse_u64("18446744073709551615"), 18446744073709551615u);
    EXPECT_EQ(parse_u64("9999999999999999999"), 9999999999999999999u);
    EXPECT_EQ(parse_u64("0018446744073709551615"), 18446744073709551615u);
    EXPECT_EQ(parse_i32("-2147483648"), -2147483648);
    EXPECT_EQ(parse_i32("2147483647"), 2147483647);
    EXPECT_EQ(parse_i32("-0"), 0);
    EXPECT_EQ(parse_i32("-"), 0);
}

TEST(TextNumberTest, RefusesWhatIsNoPlainNumber) {
    for (const char* text :
         {"", "x", "1x", "x1", "+1", " 1", "1 ", "0x1", "1.0", "--1", "1-", "\t1", "/", ":"}) {
        EXPECT_EQ(parse_u32(text), std::nullopt) << text;
        EXPECT_EQ(parse_u64(text), std::nullopt) << text;
        EXPECT_EQ(parse_i32(text), std::nullopt) << text;
    }
    EXPECT_EQ(parse_u32("-1"), std::nullopt);
    EXPECT_EQ(parse_u64("-1"), std::nullopt);
}

TEST(TextNumberTest, RefusesWhatDoesNotFitOrIsTooLong) {
    EXPECT_EQ(parse_u32("4294967296"), std::nullopt);
    EXPECT_EQ(parse_u32("000000000001"), std::nullopt);
    EXPECT_EQ(parse_u64("18446744073709551616"), std::nullopt);
    EXPECT_EQ(parse_u64("9999999999999999999999"), std::nullopt);
    EXPECT_EQ(parse_u64("00000000000000000000001"), std::nullopt);
    EXPECT_EQ(parse_i32("2147483648"), std::nullopt);
    EXPECT_EQ(parse_i32("-2147483649"), std::nullopt);
    EXPECT_EQ(parse_i32("-00000000001"), std::nullopt);
}

TEST(TextNumberTest, ReadsStorageFlagsAsStrtoulDoes) {
    EXPECT_EQ(parse_storage_flags("5"), 5u);
    EXPECT_EQ(parse_storage_flags("\t+5\vrest"), 5u);
    EXPECT_EQ(parse_storage_flags("4294967296"), 0u);
    EXPECT_EQ(parse_storage_flags("18446744073709551615"), 4294967295u);
    EXPECT_EQ(parse_storage_flags("-0"), 0u);
    EXPECT_EQ(parse_storage_flags("-18446744073709551615"), 1u);
    for (const char* text :
         {"", "-", "+", "\t", "-1", "+-1", "5x", "0x5", "18446744073709551616"}) {
        EXPECT_EQ(parse_storage_flags(text), std::nullopt) << text;
    }
}

TEST(TextNumberTest, ReadsStorageExptimeAsStrtolDoes) {
    EXPECT_EQ(parse_storage_exptime("-1"), -1);
    EXPECT_EQ(parse_storage_exptime("4294967297"), 1);
    EXPECT_EQ(parse_storage_exptime("-4294967297"), -1);
    EXPECT_EQ(parse_storage_exptime("9223372036854775807"), -1);
    EXPECT_EQ(parse_storage_exptime("-9223372036854775808"), 0);
    for (const char* text : {"", "-", "x", "5x", "9223372036854775808", "-9223372036854775809"}) {
        EXPECT_EQ(parse_storage_exptime(text), std::nullopt) << text;
    }
}

}  // namespace
}  // namespace shardmill::protocol
