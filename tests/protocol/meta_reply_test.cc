#include <gtest/gtest.h>

#include <string>

#include "protocol/reply.h"
#include "protocol/text_parser.h"

namespace shardmill::protocol {
namespace {

/// Parses `line` and gives the request to `append(out, request)`.
template <typename Append>
std::string reply_to(const std::string& line, Append append) {
    const std::string bytes = line + "\r\n" + (line.starts_with("ms") ? "abc\r\n" : "");
    Request request;
    EXPECT_EQ(parse_text(bytes, request).status, ParseStatus::Complete);
    EXPECT_NE(request.verb, Verb::Invalid) << line;
    std::string out;
    append(out, request);
    return out;
}

MetaItem item() {
    MetaItem facts;
    facts.key = "key";
    facts.client_flags = 5;
    facts.value_bytes = 3;
    facts.idle_seconds = 9;
    facts.cas = 77;
    facts.ttl = 100;
    facts.touched_ttl = 30;
    return facts;
}

std::string hit(const std::string& line, const MetaItem& facts = item()) {
    return reply_to(line, [&](std::string& out, const Request& request) {
        append_meta_get(out, request, facts, request.meta.has('v'), "abc");
    });
}

std::string miss(const std::string& line) {
    return reply_to(
        line, [](std::string& out, const Request& request) { append_meta_miss(out, request); });
}

std::string status(const std::string& line, MetaStatus of) {
    return reply_to(line, [&](std::string& out, const Request& request) {
        append_meta_status(out, request, of);
    });
}

std::string stored(const std::string& line, MetaStatus of, std::uint64_t cas = 8,
                   std::uint32_t bytes = 3) {
    return reply_to(line, [&](std::string& out, const Request& request) {
        append_meta_store(out, request, of, cas, bytes);
    });
}

std::string number(const std::string& line, const MetaItem& facts = item()) {
    return reply_to(line, [&](std::string& out, const Request& request) {
        append_meta_number(out, request, facts, 123);
    });
}

TEST(MetaReplyTest, AnswersAHitWithTheFlagsInTheOrderAskedFor) {
    EXPECT_EQ(hit("mg key"), "HD\r\n");
    EXPECT_EQ(hit("mg key v"), "VA 3\r\nabc\r\n");
    EXPECT_EQ(hit("mg key s v"), "VA 3 s3\r\nabc\r\n");
    EXPECT_EQ(hit("mg key k c f h l s t Oabc"), "HD kkey c77 f5 h0 l9 s3 t100 Oabc\r\n");
    EXPECT_EQ(hit("mg key O1 t s l h f c k"), "HD O1 t100 s3 l9 h0 f5 c77 kkey\r\n");
    EXPECT_EQ(hit("mg key u q v"), "VA 3\r\nabc\r\n");
    EXPECT_EQ(hit("mg key q"), "HD\r\n");
}

TEST(MetaReplyTest, AnswersTheLineAloneForAValueSentFromElsewhere) {
    EXPECT_EQ(reply_to("mg key v k",
                       [](std::string& out, const Request& request) {
                           append_meta_get_line(out, request, item());
                       }),
              "VA 3 kkey\r\n");
}

TEST(MetaReplyTest, ShowsTheTtlAsItIsWhereTheFlagStands) {
    EXPECT_EQ(hit("mg key t T30"), "HD t100\r\n");
    EXPECT_EQ(hit("mg key T30 t"), "HD t30\r\n");
    MetaItem forever = item();
    forever.ttl = -1;
    EXPECT_EQ(hit("mg key t", forever), "HD t-1\r\n");
    forever.touched_ttl = -1;
    EXPECT_EQ(hit("mg key T0 t", forever), "HD t-1\r\n");
    MetaItem created = item();
    created.created = true;
    created.ttl = -1;
    created.vivified_ttl = 60;
    EXPECT_EQ(hit("mg key t N60", created), "HD t-1\r\n");
    EXPECT_EQ(hit("mg key N60 t", created), "HD t60\r\n");
    EXPECT_EQ(hit("mg key N60 T30 t", created), "HD t30\r\n");
    EXPECT_EQ(hit("mg key T30 N60 t", created), "HD t60\r\n");
    EXPECT_EQ(hit("mg key N60 t", item()), "HD t100\r\n");
}

TEST(MetaReplyTest, AppendsTheSignsOfAnItemToBeRecachedLast) {
    MetaItem facts = item();
    facts.won = true;
    EXPECT_EQ(hit("mg key s R30", facts), "HD s3 W\r\n");
    facts.stale = true;
    EXPECT_EQ(hit("mg key s", facts), "HD s3 X W\r\n");
    facts.won = false;
    facts.token_sent = true;
    EXPECT_EQ(hit("mg key s", facts), "HD s3 Z X\r\n");
    facts.stale = false;
    EXPECT_EQ(hit("mg key v", facts), "VA 3 Z\r\nabc\r\n");
}

TEST(MetaReplyTest, ReturnsTheKeyOfAHitAsItWasStored) {
    MetaItem facts = item();
    facts.key = "a";
    EXPECT_EQ(hit("mg YQ== b k", facts), "HD ka\r\n");
    facts.key_is_binary = true;
    EXPECT_EQ(hit("mg a k s", facts), "HD kYQ== b s3\r\n");
}

TEST(MetaReplyTest, AnswersAMissWithKeyAndOpaqueOnly) {
    EXPECT_EQ(miss("mg a"), "EN\r\n");
    EXPECT_EQ(miss("mg a s v t k Oabc h"), "EN ka Oabc\r\n");
    EXPECT_EQ(miss("mg YQ== b O1 k"), "EN O1 kYQ== b\r\n");
    EXPECT_EQ(miss("mg a q"), "");
    EXPECT_EQ(miss("mg a k q O1"), "");
}

TEST(MetaReplyTest, AnswersAStoreWithWhatItsFlagsAsk) {
    EXPECT_EQ(stored("ms a 3", MetaStatus::Done), "HD\r\n");
    EXPECT_EQ(stored("ms a 3 c s k Oabc T30 F5", MetaStatus::Done, 8, 10), "HD c8 s10 ka Oabc\r\n");
    EXPECT_EQ(stored("ms YR== 3 b k", MetaStatus::Done), "HD kYQ== b\r\n");
    EXPECT_EQ(stored("ms a 3 c k", MetaStatus::NotStored, 0), "NS c0 ka\r\n");
    EXPECT_EQ(stored("ms a 3 C1 c", MetaStatus::Exists, 0), "EX c0\r\n");
    EXPECT_EQ(stored("ms a 3 C1 s", MetaStatus::NotFound, 0), "NF s3\r\n");
}

TEST(MetaReplyTest, AnswersADeleteWithKeyAndOpaque) {
    EXPECT_EQ(status("md a", MetaStatus::Done), "HD\r\n");
    EXPECT_EQ(status("md a k O1 s c t", MetaStatus::Done), "HD ka O1\r\n");
    EXPECT_EQ(status("md a C1", MetaStatus::Exists), "EX\r\n");
    EXPECT_EQ(status("md a O1", MetaStatus::NotFound), "NF O1\r\n");
    EXPECT_EQ(status("ma a O1 k", MetaStatus::NotStored), "NS O1 ka\r\n");
}

TEST(MetaReplyTest, QuietHidesSuccessAndNothingElse) {
    EXPECT_EQ(stored("ms a 3 q c", MetaStatus::Done), "");
    EXPECT_EQ(status("md a q", MetaStatus::Done), "");
    EXPECT_EQ(number("ma a q v"), "");
    for (const MetaStatus of : {MetaStatus::NotStored, MetaStatus::Exists, MetaStatus::NotFound}) {
        EXPECT_NE(stored("ms a 3 q", of), "");
        EXPECT_NE(status("md a q", of), "");
    }
}

TEST(MetaReplyTest, AnswersArithmetic) {
    EXPECT_EQ(number("ma a"), "HD\r\n");
    EXPECT_EQ(number("ma a v"), "VA 3\r\n123\r\n");
    EXPECT_EQ(number("ma a c t k O1 s v f"), "VA 3 c77 t100 ka O1\r\n123\r\n");
    EXPECT_EQ(number("ma a t T30"), "HD t100\r\n");
    EXPECT_EQ(number("ma a T30 t"), "HD t30\r\n");
    EXPECT_EQ(number("ma YQ== b k"), "HD kYQ== b\r\n");
}

TEST(MetaReplyTest, AnswersDebug) {
    MetaItem facts = item();
    std::string out;
    append_meta_debug(out, facts, 1, 64);
    EXPECT_EQ(out, "ME key exp=100 la=9 cas=77 fetch=no cls=1 size=64\r\n");
    facts.key_is_binary = true;
    facts.ttl = -1;
    facts.fetched = true;
    out.clear();
    append_meta_debug(out, facts, 0, 18446744073709551615u);
    EXPECT_EQ(out, "ME a2V5 exp=-1 la=9 cas=77 fetch=yes cls=0 size=18446744073709551615\r\n");
}

TEST(MetaReplyTest, HasRoomForTheLongestReply) {
    const std::string key(186, '\xff');
    MetaItem facts = item();
    facts.key = key;
    facts.key_is_binary = true;
    facts.stale = facts.won = true;
    facts.cas = 18446744073709551615u;
    facts.client_flags = facts.value_bytes = facts.idle_seconds = 4294967295u;
    const std::string opaque(31, 'o');
    const std::string reply = hit("mg a k c f h l s t O" + opaque, facts);
    EXPECT_EQ(reply.size(), std::string_view("HD k b c f h l s t O X W\r\n").size() + 248 + 20 +
                                3 * 10 + 1 + 3 + 31);
}

}  // namespace
}  // namespace shardmill::protocol
