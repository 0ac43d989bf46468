#include "config/command_line.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>

namespace shardmill::config {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Config parsed(const std::vector<std::string>& arguments) {
    auto config = parse_command_line(arguments);
    EXPECT_TRUE(config) << (config ? "" : config.error().text);
    return config.value_or(Config{});
}

TEST(CommandLineTest, DefaultsAreThoseOfMemcached) {
    const Config config = parsed({});
    EXPECT_EQ(config.tcp_port, 11211);
    EXPECT_EQ(config.listen, (std::vector<ListenAddress>{{"", 11211}}));
    EXPECT_EQ(config.reactors, 4u);
    EXPECT_EQ(config.memory_limit, 64u << 20);
    EXPECT_EQ(config.max_connections, 1024u);
    EXPECT_EQ(config.item_bytes_max, 1u << 20);
    EXPECT_EQ(config.listen_backlog, 1024);
    EXPECT_EQ(config.unix_mask, 0700u);
    EXPECT_TRUE(config.evict);
    EXPECT_FALSE(config.daemon);
    EXPECT_EQ(config.verbosity, 0);
}

TEST(CommandLineTest, EveryOptionIsAppliedInItsShortAndLongForm) {
    const struct {
        std::vector<std::string> arguments;
        std::function<bool(const Config&)> holds;
    } cases[] = {
        {{"-p", "22122"}, [](const Config& c) { return c.listen[0].port == 22122; }},
        {{"-p22122"}, [](const Config& c) { return c.listen[0].port == 22122; }},
        {{"--port=22122"}, [](const Config& c) { return c.listen[0].port == 22122; }},
        {{"-p", "-1"}, [](const Config& c) { return c.listen[0].port == -1; }},
        {{"-p", "1", "-p", "2"}, [](const Config& c) { return c.tcp_port == 2; }},
        {{"-s", "/tmp/x.sock"},
         [](const Config& c) { return c.unix_socket == "/tmp/x.sock" && c.listen.empty(); }},
        {{"--unix-socket=/tmp/x.sock", "-a", "777"},
         [](const Config& c) { return c.unix_mask == 0777; }},
        {{"-l", "127.0.0.1", "-l", "::1"},
         [](const Config& c) { return c.listen.size() == 2 && c.listen[1].host == "::1"; }},
        {{"-l", "127.0.0.1,127.0.0.2:5"},
         [](const Config& c) { return c.listen[0].port == 11211 && c.listen[1].port == 5; }},
        {{"-p", "0", "--listen=127.0.0.2:5"}, [](const Config& c) { return c.listen.size() == 1; }},
        {{"-c", "7"}, [](const Config& c) { return c.max_connections == 7; }},
        {{"--conn-limit=7"}, [](const Config& c) { return c.max_connections == 7; }},
        {{"-b", "7"}, [](const Config& c) { return c.listen_backlog == 7; }},
        {{"-m", "100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"--memory-limit=100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"-M"}, [](const Config& c) { return !c.evict; }},
        {{"-I", "2k"}, [](const Config& c) { return c.item_bytes_max == 2048; }},
        {{"--max-item-size=2m"}, [](const Config& c) { return c.item_bytes_max == 2u << 20; }},
        {{"-m", "4096", "-I", "1g"}, [](const Config& c) { return c.item_bytes_max == 1u << 30; }},
        {{"-t", "2"}, [](const Config& c) { return c.reactors == 2; }},
        {{"--threads=2"}, [](const Config& c) { return c.reactors == 2; }},
        {{"-d"}, [](const Config& c) { return c.daemon; }},
        {{"--daemon"}, [](const Config& c) { return c.daemon; }},
        {{"-u", "nobody"}, [](const Config& c) { return c.user == "nobody"; }},
        {{"-P", "/run/x.pid"}, [](const Config& c) { return c.pid_file == "/run/x.pid"; }},
        {{"-v"}, [](const Config& c) { return c.verbosity == 1; }},
        {{"-vv"}, [](const Config& c) { return c.verbosity == 2; }},
        {{"-vvv"}, [](const Config& c) { return c.verbosity == 3; }},
        {{"-v", "-v"}, [](const Config& c) { return c.verbosity == 2; }},
        {{"--verbose"}, [](const Config& c) { return c.verbosity == 1; }},
        {{"-dMvv"}, [](const Config& c) { return c.daemon && !c.evict && c.verbosity == 2; }},
        {{"-A"}, [](const Config& c) { return c.shutdown_command; }},
        {{"-r"}, [](const Config& c) { return c.core_dumps; }},
        {{"-U", "0"}, [](const Config& c) { return c.tcp_port == 11211; }},
        {{"-o", "workers=3,shards=16"},
         [](const Config& c) { return c.workers == 3 && c.shards == 16; }},
        {{"-o", "workers=3", "-o", "shards=16"},
         [](const Config& c) { return c.workers == 3 && c.shards == 16; }},
        {{"-o", "snapshot_dir=/tmp,snapshot_on_exit"},
         [](const Config& c) { return c.snapshot_dir == "/tmp" && c.snapshot_on_exit; }},
        {{"-o", "kernel_dir=/tmp"}, [](const Config& c) { return c.kernel_dir == "/tmp"; }},
        {{"-o", "snapshot_on_error=previous"},
         [](const Config& c) { return c.on_broken_snapshot == OnBrokenSnapshot::Previous; }},
        {{"-o", "snapshot_on_error=empty"},
         [](const Config& c) { return c.on_broken_snapshot == OnBrokenSnapshot::Empty; }},
        {{"-o", "job_memory=2m,job_history=5"},
         [](const Config& c) { return c.job_memory == 2u << 20 && c.job_history == 5; }},
        {{"-o", "idle_timeout=0,maxconns_fast"}, [](const Config& c) { return c.reactors == 4; }},
        {{"-o", "modern,hashpower=20,slab_automove,slab_automove=2"},
         [](const Config& c) { return c.reactors == 4; }},
        {{"-f", "1.1", "-n", "40", "-R", "9", "-L", "-B", "auto"},
         [](const Config& c) { return c.reactors == 4; }},
    };
    for (const auto& test : cases) {
        const Config config = parsed(test.arguments);
        EXPECT_TRUE(test.holds(config)) << ::testing::PrintToString(test.arguments);
    }
}

TEST(CommandLineTest, RelativePathsAreFixedBeforeTheDirectoryChanges) {
    const Config config = parsed({"-s", "x.sock", "-P", "x.pid"});
    const auto here = std::filesystem::current_path();
    EXPECT_EQ(config.unix_socket, (here / "x.sock").string());
    EXPECT_EQ(config.pid_file, (here / "x.pid").string());
}

TEST(CommandLineTest, RefusalsNameTheOptionTheValueAndWhatIsAllowed) {
    const struct {
        std::vector<std::string> arguments;
        int code;
        std::vector<const char*> words;
    } cases[] = {
        {{"-p", "65536"}, 64, {"-p, --port", "'65536'", "1 to 65535"}},
        {{"-p", "-2"}, 64, {"-p, --port", "'-2'"}},
        {{"-p", "http"}, 64, {"-p, --port", "'http'"}},
        {{"-p", "0"}, 64, {"-p, --port", "nothing to listen on", "-s"}},
        {{"-U", "11211"}, 64, {"-U, --udp-port", "'11211'", "give 0"}},
        {{"-l", "host:0"}, 64, {"-l, --listen", "'host:0'", "1 to 65535"}},
        {{"-l", ""}, 1, {"-l, --listen"}},
        {{"-a", "9"}, 1, {"-a, --unix-mask", "'9'", "octal"}},
        {{"-c", "0"}, 1, {"-c, --conn-limit", "'0'", "from 1 to"}},
        {{"-c", "-5"}, 1, {"-c, --conn-limit", "'-5'"}},
        {{"-b", "0"}, 1, {"-b, --listen-backlog", "'0'"}},
        {{"-m", "0"}, 1, {"-m, --memory-limit", "'0'", "megabytes"}},
        {{"-m", "64m"}, 1, {"-m, --memory-limit", "'64m'"}},
        {{"-t", "0"}, 1, {"-t, --threads", "'0'", "from 1 to 256"}},
        {{"-t", "4x"}, 1, {"-t, --threads", "'4x'"}},
        {{"-I", "100"}, 64, {"-I, --max-item-size", "'100'", "1024"}},
        {{"-I", "2g"}, 64, {"-I, --max-item-size", "'2g'", "1024m"}},
        {{"-I", "40m"}, 64, {"-I, --max-item-size", "half", "-m 64"}},
        {{"-B", "binary"}, 64, {"-B, --protocol", "'binary'"}},
        {{"-u", ""}, 67, {"-u, --user"}},
        {{"-P", ""}, 1, {"-P, --pidfile", "path"}},
        {{"-o", "nosuch"}, 1, {"-o", "'nosuch'"}},
        {{"-o", "nosuch=3"}, 1, {"-o", "'nosuch'"}},
        {{"-o", "workers"}, 1, {"-o workers", "missing", "-o workers=<num>"}},
        {{"-o", "workers=0"}, 1, {"-o workers", "'0'", "from 1"}},
        {{"-o", "shards=3"}, 1, {"-o shards", "'3'", "power of two"}},
        {{"-o", "snapshot_dir=/no/such/dir"}, 1, {"-o snapshot_dir", "/no/such/dir", "exists"}},
        {{"-o", "kernel_dir=/no/such/dir"}, 1, {"-o kernel_dir", "exists"}},
        {{"-o", "snapshot_on_error=maybe"}, 1, {"-o snapshot_on_error", "'maybe'", "refuse"}},
        {{"-o", "snapshot_on_exit"}, 1, {"-o snapshot_on_exit", "snapshot_dir"}},
        {{"-o", "job_memory=1"}, 1, {"-o job_memory", "'1'"}},
        {{"-o", "idle_timeout=9"}, 1, {"-o idle_timeout", "'9'", "give 0"}},
        {{"-o", "no_maxconns_fast"}, 1, {"-o no_maxconns_fast", "leave it out"}},
        {{"-o", "job_history=0"}, 1, {"-o job_history", "'0'"}},
        {{"--nosuch"}, 1, {"--nosuch", "shardmill -h"}},
        {{"-y"}, 1, {"-y", "shardmill -h"}},
        {{"-t"}, 1, {"-t", "shardmill -h"}},
        {{"stray"}, 1, {"stray", "shardmill -h"}},
    };
    for (const auto& test : cases) {
        const auto config = parse_command_line(test.arguments);
        ASSERT_FALSE(config) << ::testing::PrintToString(test.arguments);
        EXPECT_EQ(config.error().code, test.code) << config.error().text;
        EXPECT_THAT(config.error().text, StartsWith("shardmill: "));
        EXPECT_TRUE(config.error().text.ends_with('\n'));
        for (const char* word : test.words) EXPECT_THAT(config.error().text, HasSubstr(word));
    }
}

TEST(CommandLineTest, VersionNamesTheCompatibleMemcached) {
    for (const char* option : {"-V", "--version"}) {
        const auto config = parse_command_line(std::vector<std::string>{option});
        ASSERT_FALSE(config);
        EXPECT_EQ(config.error().code, 0);
        EXPECT_EQ(config.error().text,
                  "shardmill " SHARDMILL_VERSION " (memcached 1.6.45 compatible)\n");
    }
}

TEST(CommandLineTest, HelpListsEveryOption) {
    const auto config = parse_command_line(std::vector<std::string>{"-h"});
    ASSERT_FALSE(config);
    EXPECT_EQ(config.error().code, 0);
    EXPECT_THAT(config.error().text, StartsWith("shardmill " SHARDMILL_VERSION));
    for (const char* word :
         {"-p, --port=<num>", "-s, --unix-socket=<file>", "-l, --listen=<addr>",
          "-t, --threads=<num>", "-m, --memory-limit=<num>", "-c, --conn-limit=<num>",
          "-I, --max-item-size=<num>", "-vv", "-u, --user=<user>", "-d, --daemon",
          "-P, --pidfile=<file>", "-o, --extended", "snapshot_dir=<dir>", "kernel_dir=<dir>",
          "workers=<num>", "shards=<num>"}) {
        EXPECT_THAT(config.error().text, HasSubstr(word));
    }
}

}  // namespace
}  // namespace shardmill::config
