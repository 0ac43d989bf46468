#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <expected>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "admin/control_loop.h"
#include "admin/port_file.h"
#include "admin/process.h"
#include "base/log.h"
#include "config/command_line.h"
#include "engine/engine.h"
#include "net/server.h"
#include "uring/probe.h"
#include "wiring.h"

namespace shardmill {
namespace {

using config::EarlyExit;
using Started = std::expected<void, EarlyExit>;

std::unexpected<EarlyExit> fail(int code, const std::string& text) {
    return std::unexpected(EarlyExit{code, "shardmill: " + text + "\n"});
}

/// What has to happen with the rights and the terminal of whoever started us.
Started prepare(const config::Config& config, const admin::Account& account, net::Server& server) {
    if (config.core_dumps) {
        if (auto allowed = admin::allow_core_dumps(); !allowed) return allowed;
    }
    if (auto probed = uring::probe(); !probed) return fail(config::kExitOs, probed.error());
    if (auto loaded = server.load_certs(); !loaded) return fail(config::kExitUsage, loaded.error());
    if (auto listening = server.listen(); !listening)
        return fail(config::kExitOs, listening.error());
    if (account.change && !config.unix_socket.empty() &&
        ::lchown(config.unix_socket.c_str(), account.uid, account.gid) != 0) {
        return fail(config::kExitOs, "cannot give the UNIX socket to user '" + account.name + "'");
    }
    if (config.lock_memory) admin::allow_locked_memory();
    if (config.large_pages && !admin::has_large_pages()) {
        base::log_verbose(1, "-L: this system has large pages switched off");
    }
    return admin::become(account);
}

/// Reads the files again that may have changed.
void reload(engine::Engine& engine, net::Server& server, const config::Config& config) {
    engine.reload_auth_file();
    if (!config.tls.enabled) return;
    server.refresh_certs([](std::expected<void, std::string> refreshed) {
        if (!refreshed) return base::log_error("the certificates stay: {}", refreshed.error());
        base::log_verbose(1, "the certificates have been loaded again");
    });
}

/// For what may fail without keeping the server from serving.
void warn_if_failed(const char* what, const std::expected<void, std::string>& result) {
    if (!result) base::log_error("warning: {}: {}", what, result.error());
}

/// For whoever started us with a free port.
void publish_ports(const config::Config& config, const net::Server& server) {
    const char* const path = std::getenv("MEMCACHED_PORT_FILENAME");
    if (path == nullptr || !config.unix_socket.empty()) return;
    warn_if_failed("MEMCACHED_PORT_FILENAME", admin::write_port_file(path, bound_ports(server)));
}

admin::PidFile publish_pid(const config::Config& config) {
    if (config.pid_file.empty()) return {};
    auto file = admin::PidFile::write(config.pid_file, config.daemon);
    if (file) return std::move(*file);
    base::log_error("warning: -P, --pidfile: {}", file.error());
    return {};
}

/// Serves until a signal or the command `shutdown`.
Started serve(const config::Config& config, engine::Engine& engine, net::Server& server,
              admin::ControlLoop& control) {
    engine::Engine::Connections connections{
        .reactors = {},
        .counters = {},
        .listening = &server.listen_counters(),
        .turn_lengths = {},
        .replier = &server.replier(),
        .server = &server,
        .control = &control,
        .request_stop = [](bool graceful) { ::kill(::getpid(), graceful ? SIGUSR1 : SIGINT); },
        .close_clients = [&server] { return server.close_clients(); },
    };
    for (std::uint32_t reactor = 0; reactor < server.reactors(); ++reactor) {
        connections.reactors.push_back(&server.tasks(reactor));
        connections.counters.push_back(&server.counters(reactor));
        connections.turn_lengths.push_back(&server.turn_lengths(reactor));
    }
    control.handle_signals({
        .stop = [&](bool graceful) { engine.shut_down(graceful, [&] { control.stop(); }); },
        .reload = [&] { reload(engine, server, config); },
    });
    engine.connect(std::move(connections));
    if (auto started = server.start(); !started) return fail(config::kExitOs, started.error());
    base::log_verbose(1, "serving; {}", server.describe_features());
    control.post([&engine] { engine.start_loading(); });
    control.run();
    server.stop();
    if (!engine.failure().empty()) return fail(config::kExitFailure, engine.failure());
    return {};
}

int exit_with(const EarlyExit& exit) {
    std::fputs(exit.text.c_str(), exit.code == 0 ? stdout : stderr);
    return exit.code;
}

Started run(const config::Config& config) {
    const auto account = admin::find_account(config, ::geteuid());
    if (!account) return std::unexpected(account.error());

    engine::Engine engine(config);
    net::Server server(server_config(config), engine.executors());
    if (auto prepared = prepare(config, *account, server); !prepared) return prepared;
    if (auto opened = engine.open(); !opened) return fail(config::kExitFailure, opened.error());

    publish_ports(config, server);
    // No thread has been started so far, so that there is nothing a fork could lose.
    if (config.daemon) {
        auto detached = admin::daemonize(
            {.keep_directory = config.core_dumps, .keep_output = config.verbosity > 0});
        if (!detached) return detached;
    }
    if (config.lock_memory) warn_if_failed("-k, --lock-memory", admin::lock_memory());
    std::optional<admin::PidFile> pid_file = publish_pid(config);
    admin::ControlLoop control;
    Started served = serve(config, engine, server, control);
    pid_file.reset();
    // Its thread cannot be ended, and would be waited for.
    if (engine.has_lost_workers()) std::_Exit(served ? 0 : exit_with(served.error()));
    return served;
}

/// What the operator should know of the command line.
void report(const config::Config& config) {
    for (const std::string& warning : config.warnings) base::log_error("warning: {}", warning);
    for (const std::string& option : config.without_effect) {
        base::log_verbose(1, "without effect here: {}", option);
    }
}

/// `--probe`.
int print_probe() {
    const uring::ProbeReport report = uring::probe_report();
    std::fputs(report.text.c_str(), stdout);
    return report.usable ? 0 : 1;
}

}  // namespace
}  // namespace shardmill

int main(int argc, char** argv) {
    using namespace shardmill;
    admin::open_standard_files();
    try {
        const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
        if (arguments.size() == 1 && arguments.front() == "--probe") return print_probe();
        const auto config = config::parse_command_line(arguments);
        if (!config) return exit_with(config.error());
        base::set_verbosity(config->verbosity);
        report(*config);
        const auto ended = run(*config);
        return ended ? 0 : exit_with(ended.error());
    } catch (const std::bad_alloc&) {
        return exit_with({config::kExitFailure,
                          "shardmill: cannot start: no memory; raise `ulimit -v` or lower -m\n"});
    } catch (const std::exception& error) {
        return exit_with(
            {config::kExitFailure, std::string("shardmill: cannot start: ") + error.what() + "\n"});
    }
}
