// The practical limit on a machine: shardmill's connections, ring and parser in front of an
// executor that answers everything with constant bytes. The server cannot cost less than this.

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdint>
#include <deque>
#include <vector>

#include "floor/constant_executor.h"
#include "net/server.h"

namespace shardmill::floor {
namespace {

struct Options {
    int port = 11211;
    std::uint32_t threads = 1;
    std::uint32_t key_bytes = 24;
    std::uint32_t value_bytes = 100;
};

/// Serves until SIGINT or SIGTERM.
int serve(const Options& options) {
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, nullptr);

    std::deque<ConstantExecutor> executors;
    std::vector<net::Executor*> parts;
    for (std::uint32_t i = 0; i < options.threads; ++i) {
        parts.push_back(&executors.emplace_back(options.key_bytes, options.value_bytes));
    }
    net::ServerConfig config;
    config.reactors = options.threads;
    config.connections_max = 4096;
    config.listen = {{.host = "127.0.0.1", .port = options.port}};
    net::Server server(config, parts);
    if (const auto started = server.start(); !started) {
        fmt::print(stderr, "floor: {}\n", started.error());
        return 1;
    }
    int signal = 0;
    sigwait(&ends, &signal);
    server.stop();
    return 0;
}

}  // namespace
}  // namespace shardmill::floor

int main(int argc, char** argv) {
    shardmill::floor::Options options;
    CLI::App app{"Answers every key of a get with the same bytes and every set with STORED.",
                 "floor"};
    app.add_option("-p,--port", options.port, "to listen on, on the loopback interface")
        ->capture_default_str();
    app.add_option("-t,--threads", options.threads, "reactors")
        ->check(CLI::Range(1u, 256u))
        ->capture_default_str();
    app.add_option("--key-size", options.key_bytes, "bytes of the key in a reply")
        ->check(CLI::Range(1u, 250u))
        ->capture_default_str();
    app.add_option("--value-size", options.value_bytes, "bytes of the value in a reply")
        ->check(CLI::Range(0u, 1u << 20))
        ->capture_default_str();
    CLI11_PARSE(app, argc, argv);
    return shardmill::floor::serve(options);
}
