#include "uring/datagram_receiver.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <string>
#include <vector>

#include "uring/probe.h"

namespace shardmill::uring {
namespace {

constexpr std::uint64_t kPatienceNs = 1'000'000'000;
constexpr std::uint32_t kBuffers = 4;
constexpr std::size_t kLongest = 200;

/// A UDP socket on a port of its own.
struct UdpSocket {
    explicit UdpSocket(int family) : number(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
        if (family == AF_INET6) {
            address.v6.sin6_family = AF_INET6;
            address.v6.sin6_addr = in6addr_loopback;
            bytes = sizeof(address.v6);
        } else {
            address.v4.sin_family = AF_INET;
            address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            bytes = sizeof(address.v4);
        }
        EXPECT_EQ(::bind(number, &address.generic, bytes), 0) << std::strerror(errno);
        EXPECT_EQ(::getsockname(number, &address.generic, &bytes), 0);
    }
    ~UdpSocket() { ::close(number); }
    void send(const UdpSocket& to, const std::string& text) const {
        EXPECT_EQ(::sendto(number, text.data(), text.size(), 0, &to.address.generic, to.bytes),
                  static_cast<ssize_t>(text.size()));
    }
    int number;
    SocketAddress address{};
    socklen_t bytes = 0;
};

struct Received {
    std::string text;
    std::string peer;  // its bytes
    bool truncated;
};

class DatagramReceiverTest : public ::testing::TestWithParam<FeatureSet>,
                             public DatagramReceiver::Sink {
 protected:
    DatagramReceiverTest() {
        const auto features = probe(GetParam());
        EXPECT_TRUE(features.has_value());
        ring =
            Ring::open(
                {.submission_entries = 32, .completion_entries = 64, .features = features.value()})
                .value();
        buffers =
            BufferRing::open(*ring, 5, kBuffers, kLongest + DatagramReceiver::kOverhead).value();
    }
    void on_datagram(const Datagram& datagram) noexcept override {
        buffers->recycle(datagram.buffer);
        if (datagram.bytes == 0 && !datagram.truncated) return;
        received.push_back(
            {datagram.truncated ? "" : std::string(datagram.data, datagram.bytes),
             std::string(reinterpret_cast<const char*>(&datagram.peer), datagram.peer_bytes),
             datagram.truncated});
    }
    void receive(DatagramReceiver& receiver, std::size_t count) {
        for (int i = 0; i < 100 && received.size() < count; ++i) {
            buffers->publish();
            receiver.arm();
            ring->wait(1, kPatienceNs);
            ring->reap();
        }
        ASSERT_GE(received.size(), count);
    }
    void stop(DatagramReceiver& receiver) {
        receiver.cancel();
        for (int i = 0; i < 100 && !receiver.idle(); ++i) {
            ring->wait(1, kPatienceNs);
            ring->reap();
        }
        ASSERT_TRUE(receiver.idle());
    }

    std::unique_ptr<Ring> ring;
    std::unique_ptr<BufferRing> buffers;
    std::vector<Received> received;
};

TEST_P(DatagramReceiverTest, KnowsBytesAndPeerOfEveryDatagram) {
    for (const int family : {AF_INET, AF_INET6}) {
        const UdpSocket server(family);
        const UdpSocket first(family);
        const UdpSocket second(family);
        DatagramReceiver receiver(*ring, *buffers, server.number, *this);
        received.clear();
        for (std::size_t i = 0; i < 40; ++i) {
            const UdpSocket& client = i % 3 == 0 ? first : second;
            const std::string text = "datagram " + std::to_string(i) + std::string(i, '.');
            client.send(server, text);
            receive(receiver, i + 1);
            EXPECT_EQ(received[i].text, text);
            EXPECT_FALSE(received[i].truncated);
            EXPECT_EQ(received[i].peer,
                      std::string(reinterpret_cast<const char*>(&client.address), client.bytes));
        }
        stop(receiver);
    }
}

TEST_P(DatagramReceiverTest, GoesOnAfterAllBuffersWereInUse) {
    const UdpSocket server(AF_INET);
    const UdpSocket client(AF_INET);
    DatagramReceiver receiver(*ring, *buffers, server.number, *this);
    for (std::uint32_t i = 0; i < kBuffers * 5; ++i) client.send(server, std::to_string(i));
    receive(receiver, kBuffers * 5);
    for (std::uint32_t i = 0; i < kBuffers * 5; ++i) {
        EXPECT_EQ(received[i].text, std::to_string(i));
    }
    stop(receiver);
}

TEST_P(DatagramReceiverTest, SaysWhatDidNotFitAndGoesOnAfterEmptyOnes) {
    const UdpSocket server(AF_INET);
    const UdpSocket client(AF_INET);
    DatagramReceiver receiver(*ring, *buffers, server.number, *this);
    client.send(server, std::string(kLongest, 'a'));
    client.send(server, std::string(kLongest * 2, 'b'));
    client.send(server, "");
    client.send(server, "c");
    receive(receiver, 3);
    EXPECT_EQ(received[0].text, std::string(kLongest, 'a'));
    EXPECT_FALSE(received[0].truncated);
    EXPECT_TRUE(received[1].truncated);
    EXPECT_EQ(received[2].text, "c");
    stop(receiver);
}

INSTANTIATE_TEST_SUITE_P(Features, DatagramReceiverTest,
                         ::testing::Values(FeatureSet{},
                                           FeatureSet{}.with(Feature::MultishotReceiveMessage),
                                           FeatureSet::all()));

}  // namespace
}  // namespace shardmill::uring
