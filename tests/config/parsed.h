#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "config/command_line.h"

namespace shardmill::config {

using Arguments = std::vector<std::string>;

/// What a command line that must be accepted means.
inline Config parsed(const Arguments& arguments) {
    auto config = parse_command_line(arguments);
    EXPECT_TRUE(config) << ::testing::PrintToString(arguments)
                        << (config ? "" : config.error().text);
    return config.value_or(Config{});
}

/// An accepted command line and what must be true of it.
struct AcceptedCase {
    Arguments arguments;
    std::function<bool(const Config&)> holds;
};

inline void expect_accepted(const std::vector<AcceptedCase>& cases) {
    for (const AcceptedCase& test : cases) {
        const Config config = parsed(test.arguments);
        EXPECT_TRUE(test.holds(config)) << ::testing::PrintToString(test.arguments);
    }
}

/// A refused command line, its exit code, and words that its text must have.
struct RefusedCase {
    Arguments arguments;
    int code;
    std::vector<const char*> words;
};

inline void expect_refused(const std::vector<RefusedCase>& cases) {
    for (const RefusedCase& test : cases) {
        const auto config = parse_command_line(test.arguments);
        ASSERT_FALSE(config) << ::testing::PrintToString(test.arguments);
        EXPECT_EQ(config.error().code, test.code) << config.error().text;
        EXPECT_THAT(config.error().text, ::testing::StartsWith("shardmill: "));
        EXPECT_TRUE(config.error().text.ends_with('\n'));
        for (const char* word : test.words) {
            EXPECT_THAT(config.error().text, ::testing::HasSubstr(word));
        }
    }
}

}  // namespace shardmill::config
