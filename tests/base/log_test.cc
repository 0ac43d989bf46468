#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace shardmill::base {
namespace {

std::string logged(std::string_view text) {
    ::testing::internal::CaptureStderr();
    log_line(text);
    return ::testing::internal::GetCapturedStderr();
}

TEST(LogTest, ALineIsALine) {
    EXPECT_EQ(logged("it is s\xC3\xBC\xC3\x9F"), "shardmill: it is s\xC3\xBC\xC3\x9F\n");
}

TEST(LogTest, WhatClientsSayMakesNoLinesOfItsOwn) {
    EXPECT_EQ(logged("job a\r\nshardmill: b\x1b[2J\x7f\t"),
              "shardmill: job a??shardmill: b?[2J??\n");
}

TEST(LogTest, WhatIsTooDetailedIsNotShown) {
    set_verbosity(1);
    ::testing::internal::CaptureStderr();
    log_verbose(1, "shown {}", 1);
    log_verbose(2, "hidden {}", 2);
    EXPECT_EQ(::testing::internal::GetCapturedStderr(), "shardmill: shown 1\n");
    set_verbosity(0);
}

}  // namespace
}  // namespace shardmill::base
