#include "uring/ring.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "uring/buffer_ring.h"
#include "uring/probe.h"

namespace shardmill::uring {
namespace {

constexpr std::uint64_t kPatienceNs = 10'000'000'000;

/// A connected pair of sockets.
struct Pair {
    Pair() { EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0); }
    ~Pair() {
        ::close(ends[0]);
        ::close(ends[1]);
    }
    void write(std::string_view text) const {
        EXPECT_EQ(::send(ends[1], text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
    }
    int near() const { return ends[0]; }
    int far() const { return ends[1]; }
    int ends[2];
};

/// Writes all its completions down.
struct Recorder : Completion {
    Recorder() {
        handler = [](Completion& self, std::int32_t code, std::uint32_t bits) noexcept {
            static_cast<Recorder&>(self).seen.emplace_back(code, bits);
        };
    }
    bool ended() const { return !seen.empty() && !more(seen.back().second); }
    std::vector<std::pair<std::int32_t, std::uint32_t>> seen;
};

/// Everything has to work with the best and with the plainest set-up.
class RingTest : public ::testing::TestWithParam<FeatureSet> {
 protected:
    RingTest() {
        const auto features = probe(GetParam());
        EXPECT_TRUE(features.has_value()) << (features ? "" : features.error());
        auto opened = Ring::open(
            {.submission_entries = 8, .completion_entries = 64, .features = features.value()});
        EXPECT_TRUE(opened.has_value());
        ring = std::move(*opened);
    }
    void await(const Recorder& recorder, std::size_t completions) {
        for (int i = 0; i < 100 && recorder.seen.size() < completions; ++i) {
            ring->wait(1, kPatienceNs);
            ring->reap();
        }
        ASSERT_GE(recorder.seen.size(), completions);
    }
    std::unique_ptr<Ring> ring;
};

TEST_P(RingTest, ReceivesIntoProvidedBuffers) {
    auto buffers = BufferRing::open(*ring, 3, 4, 128).value();
    const Pair pair;
    Recorder receive;
    for (int round = 0; round < 20; ++round) {
        if (round == 0 || receive.ended()) ring->receive(receive, pair.near(), buffers->group());
        const std::string text = "message " + std::to_string(round);
        pair.write(text);
        await(receive, static_cast<std::size_t>(round) + 1);
        const auto [code, bits] = receive.seen.back();
        ASSERT_EQ(code, static_cast<std::int32_t>(text.size()));
        ASSERT_TRUE(has_buffer(bits));
        EXPECT_EQ(std::string(buffers->data(buffer_id(bits)), text.size()), text);
        buffers->recycle(buffer_id(bits));
        buffers->publish();
    }
}

TEST_P(RingTest, ReportsThatNoBufferIsLeftAndGoesOnOnceThereIs) {
    auto buffers = BufferRing::open(*ring, 0, 1, 4).value();
    const Pair pair;
    pair.write("abcdefgh");
    Recorder first;
    ring->receive(first, pair.near(), 0);
    await(first, 1);
    const std::uint16_t used = buffer_id(first.seen.front().second);
    Recorder second;
    if (first.ended()) {
        ring->receive(second, pair.near(), 0);
        await(second, 1);
    }
    const Recorder& last = first.ended() && !second.seen.empty() ? second : first;
    while (!last.ended()) await(last, last.seen.size() + 1);
    EXPECT_EQ(last.seen.back().first, -ENOBUFS);
    buffers->recycle(used);
    buffers->publish();
    Recorder third;
    ring->receive(third, pair.near(), 0);
    await(third, 1);
    EXPECT_EQ(third.seen.front().first, 4);
    EXPECT_EQ(std::string(buffers->data(buffer_id(third.seen.front().second)), 4), "efgh");
}

TEST_P(RingTest, ReportsTheEndOfAConnection) {
    auto buffers = BufferRing::open(*ring, 0, 1, 16).value();
    const Pair pair;
    Recorder receive;
    ring->receive(receive, pair.near(), 0);
    ring->submit();
    ::shutdown(pair.far(), SHUT_WR);
    await(receive, 1);
    EXPECT_EQ(receive.seen.front().first, 0);
    EXPECT_TRUE(receive.ended());
}

TEST_P(RingTest, SendsTextAndVectors) {
    const Pair pair;
    Recorder text;
    ring->send(text, pair.near(), "abc", 3);
    await(text, 1);
    EXPECT_EQ(text.seen.front().first, 3);
    char def[] = "def";
    char ghij[] = "ghij";
    iovec vectors[] = {{def, 3}, {ghij, 4}};
    msghdr message{};
    message.msg_iov = vectors;
    message.msg_iovlen = 2;
    Recorder several;
    ring->send(several, pair.near(), message);
    await(several, 1);
    EXPECT_EQ(several.seen.front().first, 7);
    char received[10];
    EXPECT_EQ(::recv(pair.far(), received, sizeof(received), MSG_WAITALL), 10);
    EXPECT_EQ(std::string(received, 10), "abcdefghij");
}

TEST_P(RingTest, CancelsAnOperationThatWouldNeverEnd) {
    auto buffers = BufferRing::open(*ring, 0, 1, 16).value();
    const Pair pair;
    Recorder receive;
    ring->receive(receive, pair.near(), 0);
    ring->submit();
    ring->cancel(receive);
    await(receive, 1);
    EXPECT_EQ(receive.seen.back().first, -ECANCELED);
    EXPECT_TRUE(receive.ended());
}

TEST_P(RingTest, TakesMoreOperationsThanItsQueueHolds) {
    constexpr std::size_t kReads = 50;  // eight fit
    std::vector<std::unique_ptr<Pair>> pairs;
    std::vector<Recorder> reads(kReads);
    std::vector<char> bytes(kReads);
    for (std::size_t i = 0; i < kReads; ++i) {
        pairs.push_back(std::make_unique<Pair>());
        ring->read(reads[i], pairs[i]->near(), &bytes[i], 1);
    }
    for (std::size_t i = 0; i < kReads; ++i) pairs[i]->write("x");
    for (std::size_t i = 0; i < kReads; ++i) {
        await(reads[i], 1);
        EXPECT_EQ(reads[i].seen.front().first, 1);
        EXPECT_EQ(bytes[i], 'x');
    }
}

TEST_P(RingTest, ReturnsFromATimedWaitWithoutAnyEvent) {
    ring->wait(1, 1'000'000);
    EXPECT_EQ(ring->reap(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Features, RingTest,
                         ::testing::Values(FeatureSet{}, FeatureSet::all(),
                                           FeatureSet{}.with(Feature::DeferTaskrun),
                                           FeatureSet{}.with(Feature::MultishotReceive)));

TEST(ProbeTest, LeavesOutWhatIsDisabled) {
    const auto all = probe();
    ASSERT_TRUE(all.has_value()) << all.error();
    EXPECT_EQ(probe(FeatureSet::all()).value().bits, 0u);
    EXPECT_FALSE(
        probe(FeatureSet{}.with(Feature::MultishotAccept)).value().has(Feature::MultishotAccept));
    EXPECT_EQ(to_string(FeatureSet{}), "none");
}

TEST(ProbeTest, TheReportHasALineForEachFeature) {
    const ProbeReport report = probe_report();
    EXPECT_TRUE(report.usable);
    const FeatureSet found = probe().value();
    std::istringstream names(to_string(FeatureSet::all()));
    for (std::string name; names >> name;) {
        const auto at = report.text.find("\n" + name + " ");
        ASSERT_NE(at, std::string::npos) << name;
        const std::string line = report.text.substr(at + 1, report.text.find('\n', at + 1) - at);
        const bool used =
            (" " + to_string(found) + " ").find(" " + name + " ") != std::string::npos;
        EXPECT_NE(line.find("optional"), std::string::npos);
        EXPECT_NE(line.find(used ? " yes " : " no "), std::string::npos) << line;
    }
    EXPECT_NE(report.text.find("\naccept "), std::string::npos);
    EXPECT_EQ(report.text.find(" required  no "), std::string::npos) << report.text;
}

TEST(ProbeTest, SaysWhatToDoAboutEachSetUpError) {
    EXPECT_NE(explain_setup_error(-ENOSYS).find("Linux 6.0"), std::string::npos);
    EXPECT_NE(explain_setup_error(-ENOMEM).find("ulimit -l"), std::string::npos);
    EXPECT_NE(explain_setup_error(-EMFILE).find("ulimit -n"), std::string::npos);
    const std::string forbidden = explain_setup_error(EPERM);
    EXPECT_TRUE(forbidden.find("seccomp") != std::string::npos ||
                forbidden.find("kernel.io_uring_disabled") != std::string::npos);
}

}  // namespace
}  // namespace shardmill::uring
