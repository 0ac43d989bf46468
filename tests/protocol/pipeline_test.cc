#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "protocol/describe.h"
#include "protocol/text_parser.h"

namespace shardmill::protocol {
namespace {

const std::vector<std::string> kCommands = {
    "get a\r\n",
    "gets aa bb  cc\r\n",
    "gat 10 a b\r\n",
    "gats -1 a\n",
    "set key 1 2 12 noreply\r\nhello\r\nworld\r\n",
    "add k 0 0 0\r\n\r\n",
    "replace k 0 0 1\nx\r\n",
    "append k 0 0 3\r\n\r\n\n\r\n",
    "prepend k 0 0 4\r\nset \r\n",
    "cas k 0 0 1 77 noreply\r\nx\r\n",
    "delete k\r\n",
    "incr k 1\r\n",
    "decr k 18446744073709551615 noreply\r\n",
    "touch k 10\r\n",
    "mg k s v t Oabc\r\n",
    "mg YWI= b k\r\n",
    "ms k 3 c F5 MA\r\nabc\r\n",
    "md k q\r\n",
    "ma k N60 J1 D2 v\r\n",
    "me k v\r\n",
    "mn\r\n",
    "version\r\n",
    "verbosity 1\r\n",
    "flush_all 10 noreply\r\n",
    "stats items\r\n",
    "shutdown graceful\r\n",
    "quit\r\n",
    "batch run wordcount:$.text prefix=post: name=words\r\n",
    "batch run - payload=7 name=x\r\na | b\r\n\r\n",
    "snapshot save\r\n",
};

/// The command and arguments of what was parsed, without how much was left over.
std::string request_of(std::string_view bytes, const ParseResult& result, const Request& request) {
    return describe(result, request, std::min(result.consumed, bytes.size()));
}

TEST(PipelineTest, EveryPrefixOfACommandNeedsMore) {
    for (const std::string& command : kCommands) {
        const std::size_t line_bytes = command.find('\n') + 1;
        for (std::size_t size = 0; size < command.size(); ++size) {
            const ExactCopy copy(std::string_view(command).substr(0, size));
            Request request;
            const ParseResult result = parse_text(copy.view(), request);
            if (size < line_bytes || request.verb == Verb::Batch) {
                EXPECT_EQ(result.status, ParseStatus::NeedMore) << command << size;
                EXPECT_EQ(result.consumed, 0u) << command << size;
                EXPECT_EQ(result.needed, size < line_bytes ? 0 : command.size()) << command << size;
            } else {
                ASSERT_EQ(result.status, ParseStatus::NeedValue) << command << size;
                EXPECT_EQ(result.consumed, line_bytes) << command << size;
                EXPECT_EQ(line_bytes + request.value_bytes + 2, command.size()) << command << size;
            }
            EXPECT_EQ(result.swallow, 0u);
        }
    }
}

TEST(PipelineTest, TakesExactlyOneCommandOfAPipeline) {
    for (const std::string& command : kCommands) {
        const std::string alone = parse_and_describe(command);
        for (const std::string& next : kCommands) {
            EXPECT_EQ(parse_and_describe(command + next),
                      alone + " left=" + std::to_string(next.size()));
        }
    }
}

TEST(PipelineTest, ReadsAWholePipelineInOrderWhereverItIsCut) {
    std::string pipeline;
    std::vector<std::string> expected;
    for (const std::string& command : kCommands) {
        pipeline += command;
        expected.push_back(parse_and_describe(command));
    }
    for (const std::size_t step : {1, 2, 3, 7, 64, 10'000}) {
        std::vector<std::string> parsed;
        std::size_t begin = 0;
        for (std::size_t end = 0; begin < pipeline.size();) {
            const ExactCopy copy(std::string_view(pipeline).substr(begin, end - begin));
            Request request;
            const ParseResult result = parse_text(copy.view(), request);
            if (result.status == ParseStatus::Complete) {
                parsed.push_back(request_of(copy.view(), result, request));
                begin += result.consumed;
                continue;
            }
            ASSERT_LT(end, pipeline.size()) << "does not get on";
            end = std::min(end + step, pipeline.size());
        }
        EXPECT_EQ(parsed, expected) << step;
    }
}

TEST(PipelineTest, GoesOnBehindARefusedCommand) {
    std::string bytes = "set k x 0 3\r\nabc\r\nfoo\r\nget a\r\n";
    std::vector<std::string> parsed;
    Request request;
    while (!bytes.empty()) {
        const ExactCopy copy(bytes);
        const ParseResult result = parse_text(copy.view(), request);
        ASSERT_EQ(result.status, ParseStatus::Complete);
        parsed.push_back(request_of(copy.view(), result, request));
        bytes.erase(0, result.consumed);
    }
    EXPECT_EQ(parsed, (std::vector<std::string>{"Invalid 'CLIENT_ERROR bad command line format'",
                                                "Invalid 'ERROR'", "Get key=a"}));
}

TEST(PipelineTest, DoesNotFindItsWayBackAfterABadDataChunk) {
    std::string bytes = "set a 0 0 1\r\nxx\r\n";
    Request request;
    const ParseResult first = parse_text(bytes, request);
    EXPECT_TRUE(request.bad_data_chunk);
    EXPECT_EQ(parse_and_describe(std::string_view(bytes).substr(first.consumed)),
              "Invalid 'CLIENT_ERROR bad command line format'");
}

}  // namespace
}  // namespace shardmill::protocol
