#include <gtest/gtest.h>

#include <string>

#include "compute/parser.h"
#include "run.h"

namespace shardmill::compute::test {
namespace {

/// Where the pipeline is wrong, counted from 0.
void expect_error_at(std::string_view pipeline, std::size_t position, std::string_view part) {
    const PipelineError error = refused(pipeline);
    EXPECT_EQ(error.position, position) << pipeline << ": " << error.message;
    EXPECT_NE(error.message.find(part), std::string::npos) << pipeline << ": " << error.message;
}

TEST(GrammarTest, AcceptsEveryConstruct) {
    for (const char* pipeline : {
             "agg:count",
             "prefix:a|glob:a*|where:size>1|by:key|agg:count|order:key|limit:1",
             "prefix:'a|b'|agg:count",
             "where:$.a.b[0].c=1&$['x y'].z!='q'|agg:count",
             "where:$[3]>-1.5e3|agg:count",
             "where:$=1|agg:count",
             "where:$.Installed-Size<=10|agg:count",
             "where:text(',',2)='x'&key(:,1)~'^a.*b$'|agg:count",
             "where:text(\\t,2)='x'|agg:count",
             "where:text(,,2)='x'|agg:count",
             "where:key(|,1)='x'|agg:count",
             "where:!(size<1||size>2)&ttl>=10&flags=0|agg:count",
             "where:((((size=1))))|agg:count",
             "where:exists($.a)&!exists($.b)|agg:count",
             "where:$.a=true&$.b!=false|agg:count",
             "where:value~'x'|agg:count",
             "by:bucket($.n,10),bucket(size,0.5)|agg:sum($.n),min($.n),max($.n),avg($.n),count($.n)"
             ",count",
             "by:$.a,$.b|agg:count|order:$.b",
             "by:$.a|agg:sum(text('|',2))|order:-sum(text('|',2))",
             "wordcount|order:-count|limit:20",
             "wordcount:$.text",
             "topk:10,$.size",
             "re:^(a|b)c$|sample:0.25|agg:count",
             "where:in($.a,1,'x',true)&idle>=1h&(size+keysize)*2<ttl-1|agg:count",
             "by:time($.t,5m),lower(part($.a,/,2)),unix($.t)/60|agg:var($.n),stddev(len(key))",
             "agg:p50($.n),quantile($.n,0.999),distinct($.n),hll($.n),histogram($.n,0.5)",
             "agg:topk(3,$.n),heavy(10,$.s),first($.n,$.t),last(key,cas-now)",
             "by:$.a|agg:count,sum($.n)|having:count>1&(sum/"
             "count>2||key~'x')|order:-sum,key|limit:9",
             "wordcount|having:count>5|order:-count",
             " where: size > 1 & ( size < 9 || size = 11 ) | by: $.a , $.b | agg: count \n",
         }) {
        const auto program = compile(pipeline, builtins());
        EXPECT_TRUE(program.has_value()) << pipeline << ": " << program.error().text();
    }
}

TEST(GrammarTest, SaysWhatIsWrongAndWhere) {
    expect_error_at("", 0, "expected a stage");
    expect_error_at("|", 0, "expected a stage");
    expect_error_at("agg:count|", 10, "text ends");
    expect_error_at("prefix:x", 8, "needs agg or a kernel");
    expect_error_at("by:key", 6, "by needs agg");
    expect_error_at("by:key|wordcount", 7, "followed by agg");
    expect_error_at("nonsense:x|agg:count", 0, "no stage or kernel is named nonsense");
    expect_error_at("wordcount|agg:count", 10, "cannot stand here");
    expect_error_at("nonsense", 0, "no stage or kernel is named nonsense");
    expect_error_at("agg:count|where:size>1", 10, "cannot stand here");
    expect_error_at("agg:count|agg:count", 10, "cannot stand here");
    expect_error_at("agg:count|limit:1|order:key", 18, "cannot stand here");
    expect_error_at("limit:1", 0, "agg or a kernel comes first");
    expect_error_at("agg:count|limit:0", 16, "above 0");
    expect_error_at("agg:count|limit:x", 16, "above 0");
    expect_error_at("agg:count|limit:99999999999999999999", 16, "above 0");
    expect_error_at("agg:count x", 10, "expected |");
    expect_error_at("agg", 3, "colon");
    expect_error_at("prefix:|agg:count", 7, "a prefix");
}

TEST(GrammarTest, SaysWhatIsWrongInExpressions) {
    expect_error_at("agg:sum", 7, "expected (");
    expect_error_at("agg:sum()", 8, "expected an expression");
    expect_error_at("agg:sum($.a", 11, "expected )");
    expect_error_at("agg:median($.a)", 4, "unknown aggregate median");
    expect_error_at("agg:count,count", 10, "twice");
    expect_error_at("agg:sum($.)", 10, "a member's name");
    expect_error_at("agg:sum($.a[x])", 12, "an element's number");
    expect_error_at("agg:sum($.a[-1])", 12, "an element's number");
    expect_error_at("agg:sum($.a[1)", 13, "expected ]");
    expect_error_at("agg:sum(nothing)", 8, "expected an expression");
    expect_error_at("agg:sum(text(;,0))", 15, "counted from 1");
    expect_error_at("agg:sum(text(;;,1))", 14, "quoted");
    expect_error_at("agg:sum(text('',1))", 13, "empty");
    expect_error_at("agg:sum(text)", 12, "expected (");
    expect_error_at("agg:sum(bucket(size))", 19, "width");
    expect_error_at("agg:sum(bucket(size,0))", 20, "above 0");
    expect_error_at("agg:sum(bucket(size,-1))", 20, "above 0");
    expect_error_at("agg:sum(12x)", 8, "not a number");
    expect_error_at("agg:sum(-)", 8, "not a number");
    expect_error_at("agg:sum(1e999)", 8, "not a number");
    expect_error_at("by:'open|agg:count", 3, "not closed");
    expect_error_at("by:'a\\q'|agg:count", 5, "escape");
    expect_error_at("by:'a\\x1'|agg:count", 5, "hexadecimal");
}

TEST(GrammarTest, SaysWhatIsWrongInConditions) {
    expect_error_at("where:size|agg:count", 10, "a comparison");
    expect_error_at("where:size>|agg:count", 11, "expected an expression");
    expect_error_at("where:size>1&|agg:count", 13, "expected an expression");
    expect_error_at("where:size>1||size<2|agg:count", 12, "inside parentheses");
    expect_error_at("where:(size>1|size<2)|agg:count", 13, "expected ), & or ||");
    expect_error_at("where:(size>1|agg:count", 13, "expected ), & or ||");
    expect_error_at("where:key~size|agg:count", 10, "regular expression");
    expect_error_at("where:key~'('|agg:count", 10, "regular expression");
    expect_error_at("where:size==1|agg:count", 11, "expected an expression");
    expect_error_at("where:!=1|agg:count", 7, "expected an expression");
    expect_error_at("glob:a[b|agg:count", 6, "not closed");
    expect_error_at("where:exists($.a|agg:count", 16, "expected )");
}

TEST(GrammarTest, SaysWhatIsWrongInColumnsAndArguments) {
    expect_error_at("agg:sum($.a)|order:-size", 20, "no column size");
    expect_error_at("agg:sum($.a),sum($.b)|order:sum", 28, "several columns");
    expect_error_at("agg:count|order:", 16, "a column");
    expect_error_at("topk:0,size", 5, "from 1 to 1000000");
    expect_error_at("topk:'x',size", 5, "from 1 to 1000000");
    expect_error_at("topk:10,5", 8, "must be an expression");
    expect_error_at("topk", 0, "needs a number of rows");
    expect_error_at("wordcount:'x'", 10, "must be an expression");
    expect_error_at("wordcount:$.a,$.b", 14, "at most one");
}

TEST(GrammarTest, SaysWhatIsWrongInTheRest) {
    expect_error_at("re:(|agg:count", 14, "needs agg");
    expect_error_at("re:'('|agg:count", 3, "not a regular expression");
    expect_error_at("re:|agg:count", 3, "a regular expression");
    expect_error_at("sample:0|agg:count", 7, "a fraction above 0 and at most 1");
    expect_error_at("sample:1.1|agg:count", 7, "a fraction above 0");
    expect_error_at("sample:x|agg:count", 7, "a fraction above 0");
    expect_error_at("where:in($.a)|agg:count", 12, "a comma and what it may be");
    expect_error_at("where:in($.a,$.b)|agg:count", 13, "a number, a 'string', true or false");
    expect_error_at("where:in($.a,1|agg:count", 14, "a comma or )");
    expect_error_at("where:(size+1)*|agg:count", 15, "expected an expression");
    expect_error_at("where:(size+1|agg:count", 13, "a comparison");
    expect_error_at("agg:sum((size+1", 15, ") or an operator");
    expect_error_at("where:(size+1)|agg:count", 14, "a comparison");
    expect_error_at("agg:sum(time($.t,5))", 17, "a width of time");
    expect_error_at("agg:sum(time($.t,0m))", 17, "a width of time");
    expect_error_at("agg:sum(time($.t))", 16, "a comma and a width of time");
    expect_error_at("agg:sum(part($.t))", 16, "a comma and a delimiter");
    expect_error_at("agg:sum(lower)", 13, "expected (");
    expect_error_at("agg:sum(upper(key))", 8, "not upper(");
    expect_error_at("agg:quantile($.n,2)", 17, "from 0 to 1");
    expect_error_at("agg:quantile($.n)", 16, "a comma and a number");
    expect_error_at("agg:p100($.n)", 4, "unknown aggregate p100");
    expect_error_at("agg:topk(0,$.n)", 9, "from 1 to 1000");
    expect_error_at("agg:heavy(1.5,$.n)", 10, "from 1 to 1000");
    expect_error_at("agg:histogram($.n,-1)", 18, "above 0");
    expect_error_at("agg:first($.n)", 13, "a comma and an expression");
    expect_error_at("agg:count|having:", 17, "expected an expression");
    expect_error_at("agg:count|having:count", 22, "a comparison");
    expect_error_at("agg:count|having:sum($.a)>1", 17, "no column sum($.a)");
    expect_error_at("agg:count|having:$.a>1", 17, "no column $.a");
    expect_error_at("agg:count|having:count+size>1", 23, "no column size");
    expect_error_at("agg:heavy(1,key)|having:heavy='x'", 24, "several values");
    expect_error_at("agg:heavy(1,key)|order:-heavy", 24, "several values");
    expect_error_at("agg:count|having:count>1|having:count>2", 25, "cannot stand here");
    expect_error_at("agg:count|order:key,", 20, "a column");
    expect_error_at("agg:count|order:key,nothing", 20, "no column nothing");
}

TEST(GrammarTest, CountsCharactersFromOneForPeople) {
    EXPECT_EQ(refused("agg:count|limit:0").text(),
              "expected a number of rows above 0 at character 17");
}

TEST(GrammarTest, PutsNoControlCharactersIntoMessages) {
    for (const char* pipeline :
         {"\r\n\x01", "agg:\x7f", "where:key~'(\x01'|agg:count", "agg:count|order:\x01", "a\x01"}) {
        for (const char byte : refused(pipeline).text()) EXPECT_GE(byte, ' ') << pipeline;
    }
}

TEST(GrammarTest, RefusesABadGlobOfTheOptionsWithoutPosition) {
    const auto program = compile("agg:count", builtins(), {.glob = "a["});
    ASSERT_FALSE(program.has_value());
    EXPECT_EQ(program.error().position, PipelineError::kNoPosition);
    EXPECT_EQ(program.error().text(), "glob=: the set is not closed by ]");
}

TEST(GrammarTest, BoundsNestingAndLength) {
    const std::string open(100'000 / 2, '(');
    EXPECT_NE(refused("where:" + open).message.find("nested too deeply"), std::string::npos);
    EXPECT_NE(refused("where:" + std::string(60'000, '!')).message.find("nested too deeply"),
              std::string::npos);
    std::string buckets;
    for (int depth = 0; depth < 5'000; ++depth) buckets += "bucket(";
    EXPECT_NE(refused("by:" + buckets).message.find("nested too deeply"), std::string::npos);
    EXPECT_NE(refused(std::string(kMaxPipelineBytes + 1, 'a')).message.find("longer than"),
              std::string::npos);
    std::string path = "$";
    for (int step = 0; step < 65; ++step) path += ".a";
    EXPECT_NE(refused("by:" + path + "|agg:count").message.find("path is too long"),
              std::string::npos);
}

TEST(GrammarTest, BoundsListsAndPaths) {
    std::string list = "by:key";
    for (int entry = 0; entry < 64; ++entry) list += ",key";
    EXPECT_NE(refused(list + "|agg:count").message.find("more than 64"), std::string::npos);
    std::string condition = "where:size>0";
    for (int path = 0; path < 65; ++path) condition += "&$.f" + std::to_string(path) + ">0";
    EXPECT_NE(refused(condition + "|agg:count").message.find("different paths"), std::string::npos);
}

TEST(GrammarTest, KnowsWhatOfItemsIsNeeded) {
    const auto touches = [](std::string_view pipeline) { return compiled(pipeline)->touches(); };
    constexpr Touches kFields = Touches::Bytes | Touches::Fields;
    EXPECT_EQ(touches("agg:count,sum(size),max(cas)"), Touches::Header);
    EXPECT_EQ(touches("where:size>1&ttl>2&flags=now|by:keysize|agg:count"), Touches::Header);
    EXPECT_EQ(touches("prefix:a|agg:count"), Touches::Key);
    EXPECT_EQ(touches("where:key~'a'|by:key(:,1)|agg:count"), Touches::Key);
    EXPECT_EQ(touches("where:(idle>9||fetched=true)|agg:count"), Touches::Access);
    EXPECT_EQ(touches("agg:max(idle),sum(text(;,1))"), Touches::Access | Touches::Bytes);
    EXPECT_EQ(touches("where:$.a=1|agg:count"), kFields);
    EXPECT_EQ(touches("glob:a*|topk:1,$.a"), Touches::Key | kFields);
    EXPECT_EQ(touches("wordcount"), Touches::Key | Touches::Bytes);
    EXPECT_FALSE(compiled("by:key|agg:max(idle)")->reads_values());
    EXPECT_TRUE(compiled("wordcount")->reads_values());
}

}  // namespace
}  // namespace shardmill::compute::test
