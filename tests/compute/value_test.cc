#include "compute/value.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

namespace shardmill::compute {
namespace {

using kernel::bool_value;
using kernel::double_value;
using kernel::int_value;
using kernel::string_value;
using kernel::text_value;
using kernel::unsigned_value;

std::string text_of(const Value& value) {
    std::string out;
    append_text(out, value);
    return out;
}

TEST(ValueTest, ReadsNumbersAsJsonWritesThem) {
    EXPECT_EQ(text_of(parse_number_text("12")), "12");
    EXPECT_EQ(text_of(parse_number_text("-12")), "-12");
    EXPECT_EQ(text_of(parse_number_text("007")), "7");
    EXPECT_EQ(text_of(parse_number_text("1.50")), "1.5");
    EXPECT_EQ(text_of(parse_number_text("1e3")), "1000");
    EXPECT_EQ(text_of(parse_number_text("18446744073709551615")), "18446744073709551615");
    EXPECT_EQ(parse_number_text("18446744073709551616").kind,
              static_cast<unsigned>(SHARDMILL_DOUBLE));
    for (const char* text : {"", "-", "+1", "1.", ".5", "1.e3", "0x10", "inf", "nan", "-inf", "1e",
                             " 1", "1 ", "1e999", "--1"}) {
        EXPECT_EQ(parse_number_text(text).kind, static_cast<unsigned>(SHARDMILL_NULL)) << text;
    }
}

TEST(ValueTest, ComparesNumbersOfAllKindsExactly) {
    const std::int64_t large = (std::int64_t{1} << 53) + 1;
    EXPECT_EQ(compare_numbers(int_value(large), double_value(9007199254740992.0)), 1);
    EXPECT_EQ(compare_numbers(unsigned_value(UINT64_MAX), double_value(18446744073709551616.0)),
              -1);
    EXPECT_EQ(compare_numbers(int_value(-1), unsigned_value(UINT64_MAX)), -1);
    EXPECT_EQ(compare_numbers(int_value(2), double_value(2.0)), 0);
}

TEST(ValueTest, OrdersAllKinds) {
    const Value ordered[] = {kernel::null_value(), bool_value(false),  bool_value(true),
                             int_value(-5),        double_value(0.5),  text_value("7"),
                             int_value(10),        string_value("10"), text_value("7x"),
                             string_value("a")};
    for (std::size_t a = 0; a < std::size(ordered); ++a) {
        for (std::size_t b = 0; b < std::size(ordered); ++b) {
            const int expected = a < b ? -1 : a > b ? 1 : 0;
            const int order = total_order(ordered[a], ordered[b]);
            EXPECT_EQ(order < 0 ? -1 : order > 0 ? 1 : 0, expected) << a << ' ' << b;
        }
    }
}

TEST(ValueTest, WritesDoublesThatReadBackTheSame) {
    for (const double number : {0.1, 1.0 / 3, 1e300, -2.5e-300, 123456789.125,
                                std::numeric_limits<double>::denorm_min()}) {
        EXPECT_EQ(std::strtod(text_of(double_value(number)).c_str(), nullptr), number);
    }
}

TEST(ValueTest, ReplacesWhatIsNotUtf8) {
    const auto json = [](std::string_view bytes) {
        std::string out;
        append_json_string(out, bytes);
        return out;
    };
    EXPECT_EQ(json("a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80"),
              "\"a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80\"");
    for (const char* bad : {"\x80", "\xc3", "\xc0\xaf", "\xff"}) {
        EXPECT_NE(json(bad).find("\xef\xbf\xbd"), std::string::npos);
    }
    EXPECT_EQ(json("\xed\xa0\x80"),
              "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");  // a lone surrogate
    EXPECT_EQ(json("\x7f\t\x1f"), "\"\x7f\\t\\u001f\"");
}

}  // namespace
}  // namespace shardmill::compute
