#include "parsed.h"

#include "config/option_table.h"

namespace shardmill::config {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

TEST(CommandLineTest, DefaultsAreThoseOfMemcached) {
    const Config config = parsed({});
    EXPECT_EQ(config.tcp_port, 11211);
    EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{.host = "", .port = 11211}}));
    EXPECT_TRUE(config.udp_listen.empty());
    EXPECT_EQ(config.reactors, 4u);
    EXPECT_EQ(config.memory_limit, 64u << 20);
    EXPECT_EQ(config.max_connections, 1024u);
    EXPECT_EQ(config.item_bytes_max, 1u << 20);
    EXPECT_EQ(config.listen_backlog, 1024);
    EXPECT_EQ(config.requests_per_event, 20u);
    EXPECT_EQ(config.unix_mask, 0700u);
    EXPECT_TRUE(config.evict);
    EXPECT_TRUE(config.cas_enabled);
    EXPECT_FALSE(config.daemon);
    EXPECT_EQ(config.verbosity, 0);
    EXPECT_TRUE(config.warnings.empty());
    EXPECT_TRUE(config.without_effect.empty());
}

TEST(CommandLineTest, HasTheHabitsOfGetoptThatScriptsRelyOn) {
    expect_accepted({
        {{"-m100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"-m", " 100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"--memory-limit", "100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"--memory-l=100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"--po", "9"}, [](const Config& c) { return c.tcp_port == 9; }},
        {{"-vv"}, [](const Config& c) { return c.verbosity == 2; }},
        {{"-vvv"}, [](const Config& c) { return c.verbosity == 3; }},
        {{"-v", "-v"}, [](const Config& c) { return c.verbosity == 2; }},
        {{"-dMvv"}, [](const Config& c) { return c.daemon && !c.evict && c.verbosity == 2; }},
        {{"-dvp9"}, [](const Config& c) { return c.daemon && c.tcp_port == 9; }},
        {{"-p", "8", "--", "-p", "9"},
         [](const Config& c) { return c.tcp_port == 8 && c.warnings.size() == 2; }},
    });
}

TEST(CommandLineTest, WordsThatAreNoOptionsAreIgnoredAloud) {
    const Config config = parsed({"stray", "-p", "9"});
    EXPECT_EQ(config.tcp_port, 9);
    EXPECT_EQ(config.warnings, std::vector<std::string>{"'stray' is no option and is ignored"});
}

TEST(CommandLineTest, RefusesWhatIsNoOption) {
    expect_refused({
        {{"--nosuch"}, 1, {"'--nosuch'", "shardmill -h"}},
        {{"--disable"}, 1, {"ambiguous", "'--disable'"}},
        {{"-y"}, 1, {"'-y'", "shardmill -h"}},
        {{"-dy"}, 1, {"'-y'"}},
        {{"-t"}, 1, {"-t, --threads", "<num>", "missing"}},
        {{"--threads"}, 1, {"-t, --threads", "<num>", "missing"}},
        {{"--daemon=yes"}, 1, {"-d, --daemon", "takes no value"}},
    });
}

TEST(CommandLineTest, TheFirstMistakeOrQuestionEndsTheReading) {
    expect_refused({{{"-c", "0", "-h"}, 1, {"-c"}}});
    const auto config = parse_command_line(Arguments{"-h", "-c", "0"});
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, 0);
}

std::string printed_by(const char* option) {
    const auto config = parse_command_line(Arguments{option});
    EXPECT_FALSE(config);
    if (config) return {};
    EXPECT_EQ(config.error().code, 0);
    return config.error().text;
}

TEST(CommandLineTest, VersionNamesTheCompatibleMemcached) {
    for (const char* option : {"-V", "--version"}) {
        EXPECT_EQ(printed_by(option),
                  "shardmill " SHARDMILL_VERSION " (memcached 1.6.45 compatible)\n");
    }
}

TEST(CommandLineTest, TheLicenceIsNotMadeUp) {
    EXPECT_THAT(printed_by("-i"), HasSubstr("No licence has been chosen"));
}

TEST(CommandLineTest, HelpListsEveryOptionAndSuboption) {
    const std::string help = printed_by("-h");
    EXPECT_THAT(help, StartsWith("shardmill " SHARDMILL_VERSION));
    for (const OptionGroup& group : option_groups()) {
        for (const OptionSpec& spec : group.options) {
            EXPECT_THAT(help, HasSubstr(std::string("\n-") + spec.letter)) << spec.name;
            if (*spec.name == '\0') continue;
            EXPECT_THAT(help, HasSubstr(std::string(", --") + spec.name));
        }
    }
    for (const OptionGroup& group : suboption_groups()) {
        for (const OptionSpec& spec : group.options) {
            EXPECT_THAT(help, HasSubstr(std::string("\n   ") + spec.name));
        }
    }
}

TEST(CommandLineTest, HelpHasTheWordsThatScriptsLookFor) {
    const std::string help = printed_by("--help");
    for (const char* word : {"sasl", "ext_path", "enable-ssl", "unix-socket", "no_drop_privileges",
                             "without effect", "-vv", "-vvv"}) {
        EXPECT_THAT(help, HasSubstr(word));
    }
    EXPECT_THAT(help, Not(StartsWith("memcached 1.1.")));
    // It would promise a proxy.
    EXPECT_THAT(help, Not(HasSubstr("proxy_config")));
}

}  // namespace
}  // namespace shardmill::config
