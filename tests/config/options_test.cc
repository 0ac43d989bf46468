#include "parsed.h"

#include <algorithm>
#include <filesystem>
#include <set>

#include "config/option_table.h"

namespace shardmill::config {
namespace {

const std::vector<AcceptedCase>& accepted() {
    static const std::vector<AcceptedCase> kCases = {
        {{"-p", "22122"}, [](const Config& c) { return c.listen[0].port == 22122; }},
        {{"--port=22122"}, [](const Config& c) { return c.listen[0].port == 22122; }},
        {{"-p", "-1"}, [](const Config& c) { return c.listen[0].port == -1; }},
        {{"-p", "1", "-p", "2"}, [](const Config& c) { return c.tcp_port == 2; }},
        {{"-p", "0"}, [](const Config& c) { return c.listen.empty() && c.warnings.size() == 1; }},
        {{"-p", "0", "-l", "127.0.0.1:5"}, [](const Config& c) { return c.listen.empty(); }},
        {{"-p", "0", "-U", "99"},
         [](const Config& c) { return c.listen.empty() && c.udp_listen[0].port == 99; }},
        {{"-U", "0"}, [](const Config& c) { return c.tcp_port == 11211 && c.udp_listen.empty(); }},
        {{"-U", "99"}, [](const Config& c) { return c.tcp_port == 99 && c.udp_port == 99; }},
        {{"--udp-port=99", "-p", "98"},
         [](const Config& c) { return c.listen[0].port == 98 && c.udp_listen[0].port == 99; }},
        {{"-U", "-1"}, [](const Config& c) { return c.tcp_port == -1 && c.udp_port == -1; }},
        {{"-s", "/tmp/x.sock"},
         [](const Config& c) { return c.unix_socket == "/tmp/x.sock" && c.listen.empty(); }},
        {{"-s", "/tmp/x.sock", "-U", "99"}, [](const Config& c) { return c.udp_listen.empty(); }},
        {{"--unix-socket=/tmp/x.sock", "-a", "777"},
         [](const Config& c) { return c.unix_mask == 0777; }},
        {{"--unix-mask=0750"}, [](const Config& c) { return c.unix_mask == 0750; }},
        {{"-l", "127.0.0.1", "-l", "::1"},
         [](const Config& c) {
             return c.listen.size() == 2 && c.listen[1].host == "::1" &&
                    c.listen_given == "127.0.0.1,::1";
         }},
        {{"--listen=127.0.0.1,127.0.0.2:5;*"},
         [](const Config& c) {
             return c.listen[0].port == 11211 && c.listen[1].port == 5 && c.listen[2].host.empty();
         }},
        {{"-l", "127.0.0.1", "-l", "127.0.0.1"},
         [](const Config& c) { return c.listen.size() == 1; }},
        {{"-l", "127.0.0.1,127.0.0.2:5", "-U", "7", "-p", "6"},
         [](const Config& c) {
             return c.udp_listen.size() == 2 && c.udp_listen[0].port == 7 &&
                    c.udp_listen[1].port == 5;
         }},
        {{"-p", "0", "-U", "7", "-l", "127.0.0.2:5"},
         [](const Config& c) { return c.listen.empty() && c.udp_listen[0].port == 5; }},
        {{"-c", "7"}, [](const Config& c) { return c.max_connections == 7; }},
        {{"--conn-limit=7"}, [](const Config& c) { return c.max_connections == 7; }},
        {{"-b", "7"}, [](const Config& c) { return c.listen_backlog == 7; }},
        {{"--listen-backlog=0"}, [](const Config& c) { return c.listen_backlog == 0; }},
        {{"-R", "9"}, [](const Config& c) { return c.requests_per_event == 9; }},
        {{"--max-reqs-per-event=9"}, [](const Config& c) { return c.requests_per_event == 9; }},
        {{"-B", "auto"}, [](const Config& c) { return c.protocol == WireProtocol::Auto; }},
        {{"-B", "ascii"}, [](const Config& c) { return c.listen[0].protocol == c.protocol; }},
        {{"--protocol=binary"},
         [](const Config& c) { return c.listen[0].protocol == WireProtocol::Binary; }},
        {{"-S"},
         [](const Config& c) { return c.sasl && c.listen[0].protocol == WireProtocol::Binary; }},
        {{"--enable-sasl", "-B", "binary"}, [](const Config& c) { return c.sasl; }},
        {{"-Y", "/tmp/users"},
         [](const Config& c) {
             return c.auth_file == "/tmp/users" && c.listen[0].protocol == WireProtocol::Text;
         }},
        {{"--auth-file=/tmp/users", "-B", "ascii"},
         [](const Config& c) { return c.protocol == WireProtocol::Text; }},
        {{"-Z", "-o", "ssl_chain_cert=/c,ssl_key=/k"},
         [](const Config& c) {
             return c.tls.enabled && c.tls.chain_cert == "/c" && c.tls.key == "/k";
         }},
        {{"--enable-ssl", "-o", "ssl_chain_cert=/c,ssl_key=/k", "-l",
          "notls:127.0.0.1,mtls:127.0.0.2"},
         [](const Config& c) {
             return c.listen[0].security == ListenSecurity::None &&
                    c.listen[1].security == ListenSecurity::Mutual;
         }},
        {{"-A"}, [](const Config& c) { return c.shutdown_command; }},
        {{"--enable-shutdown"}, [](const Config& c) { return c.shutdown_command; }},
        {{"-F"}, [](const Config& c) { return !c.flush_enabled; }},
        {{"--disable-flush-all"}, [](const Config& c) { return !c.flush_enabled; }},
        {{"-X"}, [](const Config& c) { return !c.dump_enabled; }},
        {{"--disable-dumping"}, [](const Config& c) { return !c.dump_enabled; }},
        {{"-W"}, [](const Config& c) { return !c.watch_enabled; }},
        {{"--disable-watch"}, [](const Config& c) { return !c.watch_enabled; }},
        {{"-m", "100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"--memory-limit=100"}, [](const Config& c) { return c.memory_limit == 100u << 20; }},
        {{"-M"}, [](const Config& c) { return !c.evict; }},
        {{"--disable-evictions"}, [](const Config& c) { return !c.evict; }},
        {{"-I", "2k", "-o", "slab_chunk_max=1"},
         [](const Config& c) { return c.item_bytes_max == 2048; }},
        {{"-I", "524288"}, [](const Config& c) { return c.item_bytes_max == 512u << 10; }},
        {{"--max-item-size=2m"}, [](const Config& c) { return c.item_bytes_max == 2u << 20; }},
        {{"-m", "4096", "-I", "1g"}, [](const Config& c) { return c.item_bytes_max == 1u << 30; }},
        {{"-C"}, [](const Config& c) { return !c.cas_enabled; }},
        {{"--disable-cas"}, [](const Config& c) { return !c.cas_enabled; }},
        {{"-e", "/tmp/warm"},
         [](const Config& c) {
             return c.memory_file == "/tmp/warm" && c.snapshot_dir == "/tmp/warm.snapshots" &&
                    !c.snapshot_on_exit;
         }},
        {{"--memory-file=/tmp/warm"}, [](const Config& c) { return !c.snapshot_dir.empty(); }},
        {{"-k"}, [](const Config& c) { return c.lock_memory; }},
        {{"--lock-memory"}, [](const Config& c) { return c.lock_memory; }},
        {{"-L"}, [](const Config& c) { return c.large_pages; }},
        {{"--enable-largepages"}, [](const Config& c) { return c.large_pages; }},
        {{"-t", "2"}, [](const Config& c) { return c.reactors == 2 && c.warnings.empty(); }},
        {{"--threads=65"},
         [](const Config& c) { return c.reactors == 65 && c.warnings.size() == 1; }},
        {{"-d"}, [](const Config& c) { return c.daemon; }},
        {{"--daemon"}, [](const Config& c) { return c.daemon; }},
        {{"-r"}, [](const Config& c) { return c.core_dumps; }},
        {{"--enable-coredumps"}, [](const Config& c) { return c.core_dumps; }},
        {{"-u", "nobody"}, [](const Config& c) { return c.user == "nobody"; }},
        {{"--user=nobody"}, [](const Config& c) { return c.user == "nobody"; }},
        {{"-P", "/run/x.pid"}, [](const Config& c) { return c.pid_file == "/run/x.pid"; }},
        {{"--pidfile=/run/x.pid"}, [](const Config& c) { return c.pid_file == "/run/x.pid"; }},
        {{"-D", "/x"}, [](const Config& c) { return c.prefix_stats && c.prefix_delimiter == '/'; }},
        {{"-v"}, [](const Config& c) { return c.verbosity == 1; }},
        {{"--verbose"}, [](const Config& c) { return c.verbosity == 1; }},
        {{"--verbose=yes"}, [](const Config& c) { return c.verbosity == 1; }},
        {{"-f", "1.1"},
         [](const Config& c) {
             return c.tuning.growth_factor == 1.1 && c.without_effect.size() == 1;
         }},
        {{"--slab-growth-factor=2"}, [](const Config& c) { return c.tuning.growth_factor == 2; }},
        {{"-n", "40"}, [](const Config& c) { return c.tuning.chunk_bytes == 40; }},
        {{"--slab-min-size=40"}, [](const Config& c) { return c.tuning.chunk_bytes == 40; }},
        {{"-N", "4"}, [](const Config& c) { return c.tuning.napi_ids == 4; }},
        {{"--napi-ids=4"}, [](const Config& c) { return c.tuning.napi_ids == 4; }},
        {{"-o", "modern"}, [](const Config& c) { return c.without_effect[0] == "-o modern"; }},
        {{"--extended=modern"}, [](const Config& c) { return c.without_effect.size() == 1; }},
    };
    return kCases;
}

TEST(OptionsTest, EveryOptionIsAppliedInItsShortAndLongForm) { expect_accepted(accepted()); }

TEST(OptionsTest, NoOptionIsLeftOutOfTheTest) {
    std::set<std::string> tried;
    for (const AcceptedCase& test : accepted()) {
        for (const std::string& argument : test.arguments) {
            tried.insert(argument.substr(0, argument.find('=')));
        }
    }
    for (const OptionGroup& group : option_groups()) {
        for (const OptionSpec& spec : group.options) {
            if (std::string_view("hiV").contains(spec.letter)) continue;  // those do not return
            EXPECT_TRUE(tried.contains(std::string("-") + spec.letter)) << spec.letter;
            if (*spec.name == '\0') continue;
            EXPECT_TRUE(tried.contains(std::string("--") + spec.name)) << spec.name;
        }
    }
}

TEST(OptionsTest, RefusalsNameTheOptionTheValueAndWhatIsAllowed) {
    expect_refused({
        {{"-p", "65536"}, 64, {"-p, --port", "'65536'", "1 to 65535"}},
        {{"-p", "-2"}, 71, {"-p, --port", "'-2'"}},
        {{"-p", "http"}, 64, {"-p, --port", "'http'"}},
        {{"-U", "65536"}, 64, {"-U, --udp-port", "'65536'"}},
        {{"-U", "x"}, 64, {"-U, --udp-port", "'x'"}},
        {{"-l", "host:"}, 71, {"-l, --listen", "'host:'", "1 to 65535"}},
        {{"-l", "notls:127.0.0.1"}, 71, {"-l, --listen", "-Z"}},
        {{"-l", "proto[proxy]:127.0.0.1"}, 71, {"-l, --listen", "proxy"}},
        {{"-l", ""}, 1, {"-l, --listen"}},
        {{"-s", ""}, 1, {"-s, --unix-socket"}},
        {{"-a", "9"}, 1, {"-a, --unix-mask", "'9'", "octal"}},
        {{"-c", "0"}, 1, {"-c, --conn-limit", "'0'", "from 1 to"}},
        {{"-c", "-5"}, 1, {"-c, --conn-limit", "'-5'"}},
        {{"-b", "many"}, 1, {"-b, --listen-backlog", "'many'"}},
        {{"-R", "0"}, 1, {"-R, --max-reqs-per-event", "'0'"}},
        {{"-B", "text"}, 64, {"-B, --protocol", "'text'", "binary"}},
        {{"-S", "-B", "ascii"}, 64, {"-S, --enable-sasl", "-B"}},
        {{"-S", "-B", "auto"}, 64, {"-S, --enable-sasl", "-B"}},
        {{"-S", "-U", "99"}, 64, {"-S, --enable-sasl", "-U"}},
        {{"-Y", "/f", "-B", "binary"}, 64, {"-Y, --auth-file", "-B"}},
        {{"-Y", "/f", "-B", "auto"}, 64, {"-Y, --auth-file", "-B"}},
        {{"-Y", "/f", "-U", "99"}, 64, {"-Y, --auth-file", "-U"}},
        {{"-Y", "/f", "-l", "proto[binary]:127.0.0.1"}, 71, {"-l, --listen", "-Y"}},
        {{"-Z"}, 64, {"-Z, --enable-ssl", "ssl_chain_cert=<file>"}},
        {{"-Z", "-o", "ssl_chain_cert=/c"}, 64, {"-Z, --enable-ssl", "ssl_key=<file>"}},
        {{"-Z", "-p", "0", "-s", "/x"}, 64, {"-Z, --enable-ssl", "TCP port"}},
        {{"-m", "0"}, 64, {"-I, --max-item-size", "half", "-m 0"}},
        {{"-m", "-1"}, 64, {"-m, --memory-limit", "'-1'", "megabytes"}},
        {{"-m", "many"}, 64, {"-m, --memory-limit", "'many'"}},
        {{"-t", "0"}, 1, {"-t, --threads", "'0'", "from 1 to 256"}},
        {{"-t", "-4"}, 1, {"-t, --threads", "'-4'"}},
        {{"-I", "100"}, 64, {"-I, --max-item-size", "'100'", "1024"}},
        {{"-I", "1023"}, 64, {"-I, --max-item-size", "'1023'", "1024"}},
        {{"-I", "2g"}, 64, {"-I, --max-item-size", "'2g'", "1024m"}},
        {{"-I", "40m"}, 64, {"-I, --max-item-size", "half", "-m 64"}},
        {{"-I", "100k"}, 64, {"-I, --max-item-size", "slab_chunk_max"}},
        {{"-I", "600k"}, 64, {"-I, --max-item-size", "slab_chunk_max"}},
        {{"-e", ""}, 1, {"-e, --memory-file", "path"}},
        {{"-e", "/no/such/dir/x"}, 1, {"-e, --memory-file", "/no/such/dir/x", "exists"}},
        {{"-e", "/tmp/x", "-o", "snapshot_loading=serve"}, 1, {"-e, --memory-file", "serve"}},
        {{"-e", "/tmp/x", "-o", "snapshot_dir=/tmp"}, 1, {"-e, --memory-file", "snapshot_dir"}},
        {{"-P", ""}, 1, {"-P, --pidfile", "path"}},
        {{"-D", ""}, 1, {"-D:", "character"}},
        {{"-f", "1"}, 1, {"-f, --slab-growth-factor", "'1'", "greater than 1"}},
        {{"-f", "x"}, 1, {"-f, --slab-growth-factor", "'x'"}},
        {{"-n", "0"}, 1, {"-n, --slab-min-size", "'0'"}},
        {{"-N", "0"}, 1, {"-N, --napi-ids", "'0'"}},
        {{"-N", "5"}, 64, {"-N, --napi-ids", "-t 4"}},
    });
}

TEST(OptionsTest, RelativePathsAreFixedBeforeTheDirectoryChanges) {
    const Config config = parsed({"-s", "x.sock", "-P", "x.pid", "-e", "x.mem"});
    const auto here = std::filesystem::current_path();
    EXPECT_EQ(config.unix_socket, (here / "x.sock").string());
    EXPECT_EQ(config.pid_file, (here / "x.pid").string());
    EXPECT_EQ(config.memory_file, (here / "x.mem").string());
}

TEST(OptionsTest, NumbersWithSomethingBehindAreReadAsMemcachedDoesButAloud) {
    const Config config = parsed({"-m", "100m", "-c", "7x"});
    EXPECT_EQ(config.memory_limit, 100u << 20);
    EXPECT_EQ(config.max_connections, 7u);
    ASSERT_EQ(config.warnings.size(), 2u);
    EXPECT_EQ(config.warnings[0], "-m, --memory-limit: '100m' is read as 100");
}

}  // namespace
}  // namespace shardmill::config
