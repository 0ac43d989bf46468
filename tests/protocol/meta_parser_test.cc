#include "protocol/meta_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/base64.h"
#include "protocol/describe.h"

namespace shardmill::protocol {
namespace {

struct Case {
    std::string bytes;
    std::string parsed;
};

void expect_all(const std::vector<Case>& cases) {
    for (const Case& c : cases)
        EXPECT_EQ(parse_and_describe(c.bytes), c.parsed) << "for: " << c.bytes;
}

std::string refused(std::string_view error) {
    return "Invalid 'CLIENT_ERROR " + std::string(error) + "'";
}

const std::string kKey250(250, 'k');
const std::string kKey251(251, 'k');
const std::string kBadLine = refused("bad command line format");
const std::string kBadToken = refused("bad token in command line format");
const std::string kDuplicate = refused("duplicate flag");
const std::string kUnknown = refused("invalid flag");
const std::string kTooMany = refused("options flags are too long");
const std::string kBadKey = refused("error decoding key");
const std::string kLongOpaque = refused("opaque token too long");

TEST(MetaParserTest, ReadsMetaGet) {
    expect_all({
        {"mg k\r\n", "MetaGet key=k text=''"},
        {"mg k v\r\n", "MetaGet key=k text='v'"},
        {"mg  k  s  v  t \r\n", "MetaGet key=k text='s  v  t '"},
        {"mg k t T30 N-1 R5 C7 E9 Oabc q\r\n",
         "MetaGet key=k text='t T30 N-1 R5 C7 E9 Oabc q' T=30 N=-1 R=5 C=7 E=9 O=abc"},
        {"mg k O\r\n", "MetaGet key=k text='O' O="},
        {"mg k vjunk kjunk P1 Lx I x\r\n", "MetaGet key=k text='vjunk kjunk P1 Lx I x'"},
        {"mg k Minvalid\r\n", "MetaGet key=k text='Minvalid'"},
        {"mg k v noreply\r\n", kUnknown},
    });
}

TEST(MetaParserTest, ReadsMetaSet) {
    expect_all({
        {"ms k 3\r\nabc\r\n", "MetaSet key=k text='' F=0 mode=set bytes=3 value='abc'"},
        {"ms k 0 F5 T30 C1 E2\r\n\r\n",
         "MetaSet key=k text='F5 T30 C1 E2' T=30 C=1 E=2 F=5 mode=set bytes=0 value=''"},
        {"ms k 1 ME\r\nx\r\n", "MetaSet key=k text='ME' F=0 mode=add bytes=1 value='x'"},
        {"ms k 1 MA N9\r\nx\r\n",
         "MetaSet key=k text='MA N9' N=9 F=0 mode=append bytes=1 value='x'"},
        {"ms k 1 MPrepend\r\nx\r\n",
         "MetaSet key=k text='MPrepend' F=0 mode=prepend bytes=1 value='x'"},
        {"ms k 1 MR\r\nx\r\n", "MetaSet key=k text='MR' F=0 mode=replace bytes=1 value='x'"},
        {"ms k 1 MS\r\nx\r\n", "MetaSet key=k text='MS' F=0 mode=set bytes=1 value='x'"},
        {"ms k 1 F4294967295 q\r\nxy\r\n",
         "MetaSet key=k text='F4294967295 q' F=4294967295 mode=set bytes=1 value='x' bad-chunk "
         "left=1"},
        {"ms k 3 c\r\nab", "need value: MetaSet key=k text='c' F=0 mode=set bytes=3 left=2"},
    });
}

TEST(MetaParserTest, RefusesAMetaSetWithoutLengthAndSwallowsNothing) {
    expect_all({
        {"ms\r\n", kBadLine},
        {"ms k\r\n", kBadLine},
        {"ms k S2\r\nab\r\n", kBadLine + " left=4"},
        {"ms k -1\r\nab\r\n", kBadLine + " left=4"},
        {"ms k 2x c\r\nab\r\n", kBadLine + " left=4"},
        {"ms k 2147483646\r\nab\r\n", kBadLine + " left=4"},
        {"ms k 2 c !\r\nab\r\n", kBadLine + " left=4"},
    });
}

TEST(MetaParserTest, SwallowsTheDataBlockOfARefusedMetaSet) {
    expect_all({
        {"ms " + kKey251 + " 2\r\nab\r\nmn\r\n", kBadLine + " left=4"},
        {"ms k 2 c c\r\nab\r\n", kDuplicate},
        {"ms k 2 a\r\nab\r\n", kUnknown},
        {"ms k 2 S5\r\nab\r\n", kUnknown},
        {"ms k 2 T\r\na", kBadToken + " swallow=3"},
        {"ms k 2 F4294967296\r\nab\r\n", kBadLine},
        {"ms k 2 F-1 q\r\nab\r\n", kBadLine},
        {"ms k 2 Ms\r\nab\r\n", refused("invalid mode for ms M token")},
        {"ms k 2 M\r\nab\r\n", refused("invalid mode for ms M token")},
        {"ms k 2 O12345678901234567890123456789012\r\nab\r\n", kLongOpaque},
        {"ms !! 2 b\r\nab\r\n", kBadKey},
    });
}

TEST(MetaParserTest, ReadsMetaDelete) {
    expect_all({
        {"md k\r\n", "MetaDelete key=k text=''"},
        {"md k q I T5 C1 E2 x Oo k\r\n",
         "MetaDelete key=k text='q I T5 C1 E2 x Oo k' T=5 C=1 E=2 O=o"},
        {"md k T5 v\r\n", "MetaDelete key=k text='T5 v' T=5"},
        {"md\r\n", kBadLine},
    });
}

TEST(MetaParserTest, ReadsMetaArithmetic) {
    expect_all({
        {"ma k\r\n", "MetaArithmetic key=k text='' incr D=1 J=0"},
        {"ma k D5 J13 N60 v t\r\n",
         "MetaArithmetic key=k text='D5 J13 N60 v t' N=60 incr D=5 J=13"},
        {"ma k MI\r\n", "MetaArithmetic key=k text='MI' incr D=1 J=0"},
        {"ma k M+\r\n", "MetaArithmetic key=k text='M+' incr D=1 J=0"},
        {"ma k MD\r\n", "MetaArithmetic key=k text='MD' decr D=1 J=0"},
        {"ma k M-x\r\n", "MetaArithmetic key=k text='M-x' decr D=1 J=0"},
        {"ma n s\r\n", "MetaArithmetic key=n text='s' incr D=1 J=0"},
        {"ma\r\n", kBadLine},
        {"ma k !\r\n", kBadLine},
        {"ma k Mi\r\n", refused("invalid mode for ma M token")},
        {"ma k M\r\n", refused("invalid mode for ma M token")},
        {"ma k O12345678901234567890123456789012\r\n", kLongOpaque},
    });
}

TEST(MetaParserTest, MapsEveryFlagErrorOfMetaArithmeticToOne) {
    const std::string error = refused("invalid or duplicate flag");
    for (const char* flags :
         {"v v", "a", "T", "Dx", "J-1", "Fx", "b", "v v v v v v v v v v v v v v v v v v v"}) {
        EXPECT_EQ(parse_and_describe("ma !! " + std::string(flags) + "\r\n"), error) << flags;
    }
    EXPECT_EQ(parse_and_describe("ma " + kKey251 + "\r\n"), error);
}

TEST(MetaParserTest, ReadsMetaDebug) {
    expect_all({
        {"me k\r\n", "MetaDebug key=k text=''"},
        {"me k v\r\n", "MetaDebug key=k text='v'"},
        {"me YWI= b\r\n", "MetaDebug key=ab text='b' sent_key=YWI="},
        {"me YWI= b v\r\n", "MetaDebug key=ab text='b v' sent_key=YWI="},
        {"me YWI= v b\r\n", "MetaDebug key=YWI= text='v b'"},
        {"me k zz zz\r\n", "MetaDebug key=k text='zz zz'"},
        {"me YWI b\r\n", kBadLine},
        {"me " + kKey251 + "\r\n", kBadLine},
        {"me\r\n", kBadLine},
    });
}

TEST(MetaParserTest, DecodesBinaryKeys) {
    expect_all({
        {"mg YWI= b v\r\n", "MetaGet key=ab text='b v' sent_key=YWI="},
        {"mg YWI= v b\r\n", "MetaGet key=ab text='v b' sent_key=YWI="},
        {"ms IA== 1 b\r\nx\r\n",
         "MetaSet key=  text='b' sent_key=IA== F=0 mode=set bytes=1 value='x'"},
        {"mg YWI b\r\n", kBadKey},
        {"mg Y=I= b\r\n", kBadKey},
        {"mg ==== b\r\n", kBadKey},
    });
    const std::string longest = base::base64_encode(std::string(186, '\xff'));
    ASSERT_EQ(longest.size(), 248u);
    EXPECT_EQ(parse_and_describe("mg " + longest + " b\r\n"),
              "MetaGet key=" + std::string(186, '\xff') + " text='b' sent_key=" + longest);
    // The limit is on the key as sent.
    EXPECT_EQ(parse_and_describe("mg " + base::base64_encode(std::string(189, 'x')) + " b\r\n"),
              kBadLine);
}

TEST(MetaParserTest, LimitsKeyAndOpaque) {
    const std::string opaque31(31, 'o');
    expect_all({
        {"mg " + kKey250 + "\r\n", "MetaGet key=" + kKey250 + " text=''"},
        {"mg " + kKey251 + "\r\n", kBadLine},
        {"md " + kKey251 + "\r\n", kBadLine},
        {"mg k O" + opaque31 + "\r\n", "MetaGet key=k text='O" + opaque31 + "' O=" + opaque31},
        {"mg k O" + opaque31 + "x\r\n", kLongOpaque},
        {"md k O" + opaque31 + "x q\r\n", kLongOpaque},
    });
}

TEST(MetaParserTest, AllowsTwentyTokens) {
    const std::string flags = " b c f h k l s t v q u x I O P L T1 N1";
    EXPECT_TRUE(parse_and_describe("mg YWI=" + flags + "\r\n").starts_with("MetaGet key=ab"));
    EXPECT_EQ(parse_and_describe("mg YWI=" + flags + " R1\r\n"), kTooMany);
    // Counted before the flags are looked at, but not before their first bytes are.
    EXPECT_EQ(parse_and_describe("mg k" + flags + " b b b\r\n"), kTooMany);
    EXPECT_EQ(parse_and_describe("mg k" + flags + " !\r\n"), kBadLine);
}

TEST(MetaParserTest, RefusesFlagsThatAreNone) {
    expect_all({
        {"mg\r\n", kBadLine},
        {"mg \r\n", kBadLine},
        {"mg k !\r\n", kBadLine},
        {"mg k v v !\r\n", kBadLine},
        {"mg k {\r\n", kBadLine},
        {"mg k \xff\r\n", kBadLine},
        {"mg k \r\r\n", kBadLine},
        {"mg k 5\r\n", kUnknown},
        {"mg k 5 5\r\n", kUnknown},
        {"mg k a\r\n", kUnknown},
        {"mg k S\r\n", kUnknown},
        {"mg k [\r\n", kUnknown},
        {"mg k _\r\n", kUnknown},
        {"mg k z\r\n", kUnknown},
        {"mg k v s v\r\n", kDuplicate},
        {"mg k T1 T2\r\n", kDuplicate},
        {"mg k v v a\r\n", kDuplicate},
        {"mg k a v v\r\n", kUnknown},
    });
}

TEST(MetaParserTest, RefusesBadNumbers) {
    for (const char letter : {'T', 'N', 'R', 'C', 'E'}) {
        for (const char* number : {"", "x", "1x", "+1", "99999999999999999999999"}) {
            EXPECT_EQ(parse_and_describe("mg k " + (letter + std::string(number)) + "\r\n"),
                      kBadToken)
                << letter << number;
        }
    }
    expect_all({
        {"mg k T2147483648\r\n", kBadToken},
        {"mg k C-1\r\n", kBadToken},
        {"mg k C18446744073709551616\r\n", kBadToken},
        {"mg k Jx\r\n", refused("invalid numeric initial value")},
        {"mg k Dx\r\n", refused("invalid numeric delta value")},
        {"mg k Fx\r\n", kBadLine},
    });
}

TEST(MetaParserTest, ReportsTheLastBadNumberUnlessTheLineHasAWorseFault) {
    expect_all({
        {"mg k Tx Dx\r\n", refused("invalid numeric delta value")},
        {"mg k Dx Tx\r\n", kBadToken},
        {"mg k Dx Fx\r\n", refused("invalid numeric delta value")},
        {"mg k Fx Dx\r\n", refused("invalid numeric delta value")},
        {"mg !! Tx b\r\n", kBadKey},
        {"mg k Tx a\r\n", kUnknown},
        {"mg k Tx v v\r\n", kDuplicate},
    });
}

TEST(MetaParserTest, ReadsMetaNoop) {
    expect_all(
        {{"mn\r\n", "MetaNoop"}, {"mn \r\n", "MetaNoop"}, {"mn\r\nmn\r\n", "MetaNoop left=4"}});
}

TEST(MetaParserTest, ShowsTheNumbersOfAbsentFlagsAsTheirDefaults) {
    Request request{};
    request.meta.delta = request.meta.initial = 7;
    request.meta.client_flags = 7;
    const std::string line = "mg k\r\n";
    ASSERT_EQ(parse_text(line, request).status, ParseStatus::Complete);
    EXPECT_EQ(request.meta.present, 0u);
    EXPECT_EQ(request.meta.delta, 1u);
    EXPECT_EQ(request.meta.initial, 0u);
    EXPECT_EQ(request.meta.client_flags, 0u);
}

}  // namespace
}  // namespace shardmill::protocol
