#include <gtest/gtest.h>

#include <string>

#include "run.h"

namespace shardmill::compute::test {
namespace {

/// The group that the value falls into by an expression, or "failed".
std::string read(const std::string& expression, const std::string& value) {
    const Result result = run("by:" + expression + "|agg:count", items_of({value}));
    if (result.counters.failed == 1 && result.rows.empty()) return "failed";
    return result.rows.size() == 1 ? result.rows[0].key
                                   : "rows: " + std::to_string(result.rows.size());
}

TEST(JsonTest, FollowsPaths) {
    const std::string document = R"({"a":{"b":[10,{"c":"deep"},[1,2]],"b2":1},"z":true})";
    EXPECT_EQ(read("$.a.b[0]", document), "10");
    EXPECT_EQ(read("$.a.b[1].c", document), "deep");
    EXPECT_EQ(read("$.a.b[2][1]", document), "2");
    EXPECT_EQ(read("$['a'].b2", document), "1");
    EXPECT_EQ(read("$.z", document), "true");
    EXPECT_EQ(read("$.a.b[3]", document), "null");
    EXPECT_EQ(read("$.a.b.c", document), "null");
    EXPECT_EQ(read("$.a", document), "null");
    EXPECT_EQ(read("$.z.a", document), "null");
    EXPECT_EQ(read("$.z[0]", document), "null");
}

TEST(JsonTest, ReadsManyFieldsInOnePassInAnyOrder) {
    const std::string document =
        R"({"skip":{"x":[1,{"y":2}]},"b":{"d":4,"c":3},"a":1,"list":[5,6,7],"e":"x"})";
    EXPECT_EQ(read("$.e,$.list[2],$.a,$.b.c,$.b.d,$.list[0],$.none,$.b", document),
              "x\t7\t1\t3\t4\t5\tnull\tnull");
}

TEST(JsonTest, ReadsScalarsOfEveryKind) {
    EXPECT_EQ(read("$.v", R"({"v":-0.5e1})"), "-5");
    EXPECT_EQ(read("$.v", R"({"v":0.1})"), "0.1");
    EXPECT_EQ(read("$.v", R"({"v":9223372036854775807})"), "9223372036854775807");
    EXPECT_EQ(read("$.v", R"({"v":18446744073709551615})"), "18446744073709551615");
    EXPECT_EQ(read("$.v", R"({"v":100000000000000000000})"), "1e+20");
    EXPECT_EQ(read("$.v", R"({"v":1e-400})"), "0");
    EXPECT_EQ(read("$.v", R"({"v":-0.)" + std::string(400, '0') + "1}"), "-0");
    EXPECT_EQ(read("$.v", R"({"v":0.)" + std::string(400, '0') + "1e450}"), "1e+49");
    EXPECT_EQ(read("$.v", R"({"v":false})"), "false");
    EXPECT_EQ(read("$.v", R"({"v":null})"), "null");
    EXPECT_EQ(read("$.v", R"({ "v" : "" } )"), "");
}

TEST(JsonTest, ReadsEscapesAndUnicode) {
    EXPECT_EQ(read("$.v", R"({"v":"a\"b\\c\/d\u0041\n"})"), "a\"b\\c/dA\n");
    EXPECT_EQ(read("$.v", R"({"v":"\u00fc\ud83d\ude00"})"), "ü😀");
    EXPECT_EQ(read("$.v", R"({"v":"grün"})"), "grün");
    EXPECT_EQ(read("$.grün", R"({"grün":1})"), "1");
    EXPECT_EQ(read("$.v,$.w", R"({"v":"\\","w":"plain"})"), "\\\\\tplain");
    EXPECT_EQ(read("$.w,$.v", R"({"v":"x\ty","w":"\"q\""})"), "\"q\"\tx\\ty");
}

TEST(JsonTest, FindsNamesHoweverTheyAreWritten) {
    EXPECT_EQ(read("$.ab", R"({"\u0061b":1})"), "1");
    EXPECT_EQ(read("$['a.b']", R"({"a.b":1})"), "1");
    EXPECT_EQ(read("$['a\\'b']", R"({"a'b":1})"), "1");
    EXPECT_EQ(read("$['a\"b']", R"({"a\"b":1})"), "1");
    EXPECT_EQ(read("$['a\\\\b']", R"({"a\b":0,"a\\b":1})"), "1");
    EXPECT_EQ(read("$['a\\tb']", R"({"a\tb":1})"), "1");
    EXPECT_EQ(read("$.a", R"({"ab":0,"":2,"a":1})"), "1");
    EXPECT_EQ(read("$['']", R"({"ab":0,"":2,"a":1})"), "2");
    EXPECT_EQ(read("$." + std::string(200, 'n'), R"({"n":0})"), "null");
}

TEST(JsonTest, TakesTheFirstOfEqualNames) {
    EXPECT_EQ(read("$.a,$.b", R"({"a":1,"a":2,"b":3})"), "1\t3");
}

TEST(JsonTest, ReadsDocumentsThatAreOneScalar) {
    EXPECT_EQ(read("$", "42"), "42");
    EXPECT_EQ(read("$", " -1.5 "), "-1.5");
    EXPECT_EQ(read("$", R"("text \u0041")"), "text A");
    EXPECT_EQ(read("$", "true"), "true");
    EXPECT_EQ(read("$", "null"), "null");
    EXPECT_EQ(read("$", "[1]"), "null");
    EXPECT_EQ(read("$[0]", "[1]"), "1");
    EXPECT_EQ(read("$.a", "42"), "null");
}

TEST(JsonTest, CountsAsFailedWhatIsNotJson) {
    for (const char* value : {"",
                              " ",
                              "hello",
                              "{",
                              R"({"v":)",
                              R"({"v":1)",
                              R"({"v":tru})",
                              R"({"v":01})",
                              R"({"v":"x)",
                              R"({"v":12abc})",
                              "[1,2",
                              "nul",
                              "12 13",
                              "\"a\" b",
                              "12abc",
                              "\xff\xfe",
                              R"({v:1})",
                              "{\"v\":\"\xff\"}",
                              R"({"v":"\q"})",
                              R"({"v":1e999})",
                              R"({"v":1e9999999999})",
                              R"({"v":1.})",
                              R"({"v":+1})",
                              R"({"v":-})",
                              R"({"v":12"x"})",
                              R"({"v":12:})",
                              R"({"v":"\ud800"})",
                              R"({"v":"\udc00\ud800"})",
                              R"({"v":"\u12g4"})",
                              "{\"v\":\"\xed\xa0\x80\"}",
                              "{\"v\":\"a\tb\"}",
                              R"({"w":1 2,"x":3,})",
                              R"({"w" 1,"v":2})"}) {
        EXPECT_EQ(read("$.v", value), "failed") << value;
    }
}

TEST(JsonTest, LooksNoFurtherThanTheLastField) {
    EXPECT_EQ(read("$.v", R"({"v":1,nonsense)"), "1");
    EXPECT_EQ(read("$.v", R"({"v":"x"nonsense)"), "x");
    EXPECT_EQ(read("$.v.w,$.x[1]", R"({"v":{"w":1,?},"x":[0,2,?)"), "1\t2");
    EXPECT_EQ(read("$.v", R"({"v":{"w":?)"), "null");
    // A field that is not there is looked for up to the end.
    EXPECT_EQ(read("$.v,$.none", R"({"v":1,nonsense)"), "failed");
    EXPECT_EQ(read("$.none", R"({"v":1} nonsense)"), "failed");
    EXPECT_EQ(read("$.v.none,$.w", R"({"v":{"x":1,?},"w":2})"), "failed");
    EXPECT_EQ(read("$[0]", R"({"v":1)"), "failed");
}

TEST(JsonTest, PassesOverWhatIsNotWantedByItsBracketsAndStrings) {
    EXPECT_EQ(read("$.v", R"({"w":{"x":[{"y":"]}\"}]"}]},"v":1})"), "1");
    EXPECT_EQ(read("$.v", R"({"w":"\q","v":1})"), "1");
    EXPECT_EQ(read("$.v", R"({"w":nothing,"v":1})"), "1");
    EXPECT_EQ(read("$.v", R"({"w":,"v":1})"), "failed");
    EXPECT_EQ(read("$.v", R"({"w":[[],"v":1})"), "failed");
    for (std::size_t length = 0; length < 200; ++length) {
        const std::string text = std::string(length, '\\') + (length % 2 == 1 ? "\\" : "");
        EXPECT_EQ(read("$.v", R"({"w":")" + text + R"(","v":1})"), "1") << length;
        EXPECT_EQ(read("$.v", R"({"w":")" + text + R"(\","v":1})"), "failed") << length;
        const std::string nested(length, '[');
        const std::string closed(length, ']');
        EXPECT_EQ(read("$.v", R"({"w":)" + nested + "0" + closed + R"(,"v":1})"), "1") << length;
        EXPECT_EQ(read("$.v", R"({"w":[)" + nested + "0" + closed + R"(,"v":1})"), "failed");
    }
}

TEST(JsonTest, DoesNotReadBeyondShortValues) {
    // Under AddressSanitizer: the segment ends with the value.
    for (std::size_t bytes = 1; bytes < 80; ++bytes) {
        const std::string document = R"({"v":")" + std::string(bytes, 'x') + "\"}";
        EXPECT_EQ(read("$.v", document), std::string(bytes, 'x'));
        read("$.v", document.substr(0, document.size() - 2));
    }
}

TEST(JsonTest, ReadsHugeValues) {
    const std::string text(3u << 20, 'y');
    const std::string document =
        R"({"pad":")" + std::string(2u << 20, 'p') + R"(","v":")" + text + R"(\n","n":5})";
    const Result result =
        run("agg:sum($.n),max($.v)", items_of({R"({"n":1})", document, R"({"n":2})"}));
    EXPECT_EQ(result.counters.failed, 0u);
    ASSERT_EQ(result.rows.size(), 1u);
    // Not EXPECT_EQ: a failure would print the megabytes.
    EXPECT_TRUE(result.rows[0].value == R"x({"sum($.n)":8,"max($.v)":")x" + text + R"(\n"})");
}

TEST(JsonTest, KeepsStringsOfAWholeBlockApart) {
    std::vector<std::string> values;
    for (int item = 0; item < 1000; ++item) {
        const std::string number = std::to_string(item);
        values.push_back(item % 2 == 0
                             ? R"({"a":"plain)" + number + R"(","b":"\u0041)" + number + "\"}"
                             : R"({"b":"x\\)" + number + R"(","a":"\"q)" + number + "\"}");
    }
    const Result result = run("by:$.a|agg:min($.b)|order:key", items_of(values));
    ASSERT_EQ(result.rows.size(), 1000u);
    for (const Row& row : result.rows) {
        const bool plain = row.key.starts_with("plain");
        const std::string number = row.key.substr(plain ? 5 : 2);
        EXPECT_EQ(row.value,
                  R"x({"min($.b)":")x" + (plain ? "A" + number : "x\\\\" + number) + "\"}");
    }
}

}  // namespace
}  // namespace shardmill::compute::test
