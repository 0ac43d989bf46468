#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "cli/progress.h"
#include "cli/record.h"
#include "cli/reply_view.h"
#include "cli/table.h"
#include "shardmill/client.hpp"
#include "text/json.h"

namespace shardmill::cli {
namespace {

TEST(TableTest, NumbersStandRightAndTextLeft) {
    Table table({"name", "n"});
    table.add({"a", "1"});
    table.add({"longer", "1000"});
    EXPECT_EQ(table.to_string(),
              "name       n\n"
              "------  ----\n"
              "a          1\n"
              "longer  1000\n");
}

TEST(TableTest, CountsCharactersNotBytesAndCutsLongCells) {
    Table table({"word", "n"});
    table.add({"grün", "5"});
    table.add({std::string(200, 'x'), "6"});
    table.add({"tab\there", "7"});
    const std::string text = table.to_string();
    EXPECT_NE(text.find("grün" + std::string(76 + 2, ' ') + "5"), std::string::npos) << text;
    EXPECT_EQ(text.find(std::string(80, 'x')), std::string::npos);
    EXPECT_NE(text.find(std::string(79, 'x') + "\xe2\x80\xa6"), std::string::npos);
    EXPECT_NE(text.find("tab here"), std::string::npos);
}

TEST(TableTest, KnowsNumbers) {
    for (const char* text : {"0", "-1", "12.5", "1e9", "18446744073709551615"}) {
        EXPECT_TRUE(looks_like_number(text)) << text;
    }
    for (const char* text : {"", "-", "1.6.18", "0x10", "nan", "inf", " 1", "1 ", "+1"}) {
        EXPECT_FALSE(looks_like_number(text)) << text;
    }
}

TEST(TemplateTest, FillsPlacesFromJson) {
    const auto record = make_json_record();
    record->read(R"({"package":"x","n":5,"f":1.5,"b":true,"o":{"a":["q",1]},"":"empty"})");
    EXPECT_EQ(Template("package").fill(*record), "x");
    EXPECT_EQ(Template("pkg:{package}").fill(*record), "pkg:x");
    EXPECT_EQ(Template("{n}-{f}-{b}").fill(*record), "5-1.5-true");
    EXPECT_EQ(Template("{o.a}").fill(*record), R"(["q",1])");
    EXPECT_THROW(Template("{missing}").fill(*record), RecordError);
    EXPECT_THROW(Template("{package.deeper}").fill(*record), RecordError);
}

TEST(TemplateTest, FillsPlacesFromTsv) {
    const auto record = make_tsv_record();
    record->read("a\t\tc");
    EXPECT_EQ(Template("{1}:{3}").fill(*record), "a:c");
    EXPECT_EQ(Template("2").fill(*record), "");
    for (const char* text : {"{0}", "{4}", "{x}"}) {
        EXPECT_THROW(Template(text).fill(*record), RecordError) << text;
    }
}

TEST(TemplateTest, RefusesWhatIsNoTemplate) {
    for (const char* text : {"", "{", "a{b", "a}b", "{}", "{a}}"}) {
        EXPECT_THROW(Template{text}, RecordError) << text;
    }
}

TEST(JsonRecordTest, RefusesLinesThatAreNoObjects) {
    const auto record = make_json_record();
    for (const char* line : {"", "x", "[1]", "5", "{\"a\":}", "{\"a\":1} x"}) {
        EXPECT_THROW(record->read(line), RecordError) << line;
    }
}

TEST(ReplyViewTest, AReasonGoesToTheEndOfTheLine) {
    client::CommandReply reply;
    reply.line = "HD 7 state=failed percent=5 reason=no room: a=b";
    EXPECT_EQ(reply.status(), "HD");
    EXPECT_EQ(reply.field("state"), "failed");
    EXPECT_EQ(reply.field("reason"), "no room: a=b");
    EXPECT_EQ(reply.field("none"), std::nullopt);
    EXPECT_EQ(status_json(reply),
              R"("status":"HD","id":"7","state":"failed","percent":5,"reason":"no room: a=b")");
}

TEST(ReplyViewTest, StatusNumbersThatJsonDoesNotKnowStayText) {
    client::CommandReply reply;
    reply.line = "HD 18f3a0-7 shards=2/2 zero=0 lead=007 neg=-5 name=12 big=18446744073709551615";
    EXPECT_EQ(status_json(reply),
              R"("status":"HD","id":"18f3a0-7","shards":"2/2","zero":0,"lead":"007","neg":-5,)"
              R"("name":"12","big":18446744073709551615)");
}

TEST(ReplyViewTest, RowsThatAreNotJsonAreShownAsTheyAre) {
    const std::vector<client::Row> rows = {{"a", "plain \"text\""}, {"b\xff", "{\"n\":1}"}};
    EXPECT_EQ(rows_json(rows),
              "[{\"key\":\"a\",\"value\":\"plain \\\"text\\\"\"},\n"
              " {\"key_base64\":\"Yv8=\",\"value\":{\"n\":1}}]");
    EXPECT_NE(rows_table(rows).find("plain \"text\""), std::string::npos);
}

TEST(ProgressTest, ShortNumbersHaveThreeDigits) {
    EXPECT_EQ(short_number(0), "0");
    EXPECT_EQ(short_number(999), "999");
    EXPECT_EQ(short_number(1234), "1.23 k");
    EXPECT_EQ(short_number(99'960), "100 k");
    EXPECT_EQ(short_number(45'600'000), "45.6 M");
}

}  // namespace
}  // namespace shardmill::cli

namespace shardmill::text {
namespace {

TEST(JsonStringTest, EscapesAndReplacesWhatIsNotUtf8) {
    EXPECT_EQ(json_string("a\"\\\n\x01ü"), "\"a\\\"\\\\\\u000a\\u0001ü\"");
    EXPECT_EQ(json_string("\xff\xc3"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

}  // namespace
}  // namespace shardmill::text

namespace shardmill::client {
namespace {

TEST(AddressTest, UnderstandsEveryForm) {
    EXPECT_EQ(Address::parse("example:5").to_string(), "example:5");
    EXPECT_EQ(Address::parse("example").to_string(), "example:11211");
    EXPECT_EQ(Address::parse(":77").to_string(), "127.0.0.1:77");
    EXPECT_EQ(Address::parse("[::1]:5").to_string(), "[::1]:5");
    EXPECT_EQ(Address::parse("[::1]").to_string(), "[::1]:11211");
    EXPECT_EQ(Address::parse("/run/s").path, "/run/s");
    EXPECT_EQ(Address::parse("unix:s").path, "s");
}

TEST(AddressTest, RefusesWhatIsNoAddress) {
    for (const char* text : {"", "a:", "a:x", "a:0", "a:65536", "a:b:c", "[::1", "[::1]5"}) {
        EXPECT_THROW(Address::parse(text), std::invalid_argument) << text;
    }
}

TEST(KeyTest, SaysWhyAKeyCannotBe) {
    EXPECT_EQ(key_problem("fine"), std::nullopt);
    EXPECT_EQ(key_problem(std::string(250, 'k')), std::nullopt);
    EXPECT_EQ(key_problem("grün"), std::nullopt);
    for (const std::string& key : {std::string(), std::string(251, 'k'), std::string("a b"),
                                   std::string("a\n"), std::string("a\0b", 3)}) {
        EXPECT_NE(key_problem(key), std::nullopt) << key;
    }
}

TEST(ClientTest, SaysWhichServerIsNotThere) {
    try {
        Client client(Address::parse("/no/such/socket"));
        FAIL();
    } catch (const Error& error) {
        EXPECT_EQ(error.kind(), Error::Kind::Connect);
        EXPECT_NE(std::string(error.what()).find("/no/such/socket"), std::string::npos);
    }
}

}  // namespace
}  // namespace shardmill::client
