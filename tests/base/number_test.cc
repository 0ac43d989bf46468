#include "base/number.h"

#include <gtest/gtest.h>

#include <limits>

namespace shardmill::base {
namespace {

TEST(NumberTest, ParsesWholeTextsOnly) {
    EXPECT_EQ(parse_number<std::uint64_t>("18446744073709551615"),
              std::numeric_limits<std::uint64_t>::max());
    EXPECT_EQ(parse_number<std::int32_t>("-1"), -1);
    for (const char* text : {"", " 1", "1 ", "+1", "0x1", "18446744073709551616", "-1", "1.5"}) {
        EXPECT_EQ(parse_number<std::uint64_t>(text), std::nullopt) << text;
    }
}

TEST(NumberTest, WritesWhatItParses) {
    char text[kMaxNumberText];
    for (const std::int64_t value : {std::int64_t{0}, std::numeric_limits<std::int64_t>::min(),
                                     std::numeric_limits<std::int64_t>::max()}) {
        const char* end = write_number(text, value);
        EXPECT_EQ(parse_number<std::int64_t>({text, static_cast<std::size_t>(end - text)}), value);
    }
}

}  // namespace
}  // namespace shardmill::base
