#include "engine/sasl_service.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

#include "temporary_directory.h"

namespace shardmill::engine {
namespace {

using namespace std::string_literals;
using Outcome = SaslService::Outcome;

constexpr net::ConnectionId kFirst{.reactor = 0, .slot = 3, .generation = 7};
constexpr net::ConnectionId kSecond{.reactor = 1, .slot = 3, .generation = 7};

/// A configuration and a password file of their own.
class SaslServiceTest : public ::testing::Test {
 protected:
    SaslServiceTest() {
        std::ofstream(directory_.path() + "/memcached.conf") << "mech_list: plain login\n";
        std::ofstream(directory_.path() + "/users") << "anna:secret\n";
        ::setenv("SASL_CONF_PATH", directory_.path().c_str(), 1);
        ::setenv("MEMCACHED_SASL_PWDB", (directory_.path() + "/users").c_str(), 1);
        auto opened = SaslService::open();
        EXPECT_TRUE(opened.has_value()) << (opened ? "" : opened.error());
        if (opened) service_ = std::move(*opened);
    }
    ~SaslServiceTest() override {
        ::unsetenv("SASL_CONF_PATH");
        ::unsetenv("MEMCACHED_SASL_PWDB");
    }
    TemporaryDirectory directory_;
    std::unique_ptr<SaslService> service_;
};

TEST_F(SaslServiceTest, ListsWhatIsConfigured) {
    const auto answer = service_->list_mechanisms();
    EXPECT_EQ(answer.outcome, Outcome::Accepted);
    EXPECT_NE(answer.body.find("PLAIN"), std::string::npos) << answer.body;
    EXPECT_EQ(answer.body.find("CRAM"), std::string::npos) << answer.body;
}

TEST_F(SaslServiceTest, ChecksPasswordsAtOnce) {
    EXPECT_EQ(service_->start(kFirst, "PLAIN", "\0anna\0secret"s).outcome, Outcome::Accepted);
    EXPECT_EQ(service_->start(kFirst, "PLAIN", "\0anna\0wrong"s).outcome, Outcome::Failed);
    EXPECT_EQ(service_->start(kFirst, "PLAIN", "rubbish").outcome, Outcome::Failed);
    EXPECT_EQ(service_->start(kFirst, "NONE", "").outcome, Outcome::Failed);
    EXPECT_EQ(service_->exchanges(), 0u);
}

TEST_F(SaslServiceTest, KeepsExchangesOfConnectionsApart) {
    ASSERT_EQ(service_->start(kFirst, "LOGIN", "").outcome, Outcome::Continue);
    ASSERT_EQ(service_->start(kSecond, "LOGIN", "").outcome, Outcome::Continue);
    EXPECT_EQ(service_->exchanges(), 2u);
    EXPECT_EQ(service_->step(kFirst, "anna").outcome, Outcome::Continue);
    EXPECT_EQ(service_->step(kSecond, "anna").outcome, Outcome::Continue);
    EXPECT_EQ(service_->step(kSecond, "wrong").outcome, Outcome::Failed);
    EXPECT_EQ(service_->step(kFirst, "secret").outcome, Outcome::Accepted);
    EXPECT_EQ(service_->exchanges(), 0u);
}

TEST_F(SaslServiceTest, AStepNeedsAnExchange) {
    EXPECT_EQ(service_->step(kFirst, "anna").outcome, Outcome::Failed);
    ASSERT_EQ(service_->start(kFirst, "LOGIN", "").outcome, Outcome::Continue);
    service_->forget(kFirst);
    service_->forget(kFirst);
    EXPECT_EQ(service_->exchanges(), 0u);
    EXPECT_EQ(service_->step(kFirst, "anna").outcome, Outcome::Failed);
}

TEST_F(SaslServiceTest, AStartForgetsWhatWasUnderWay) {
    ASSERT_EQ(service_->start(kFirst, "LOGIN", "").outcome, Outcome::Continue);
    EXPECT_EQ(service_->start(kFirst, "PLAIN", "\0anna\0secret"s).outcome, Outcome::Accepted);
    EXPECT_EQ(service_->step(kFirst, "anna").outcome, Outcome::Failed);
}

TEST_F(SaslServiceTest, AnExchangeUnderWayEndsWithTheService) {
    ASSERT_EQ(service_->start(kFirst, "LOGIN", "").outcome, Outcome::Continue);
}

}  // namespace
}  // namespace shardmill::engine
