#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <exception>
#include <expected>
#include <string>
#include <utility>
#include <vector>

#include "admin/control_loop.h"
#include "admin/process.h"
#include "base/log.h"
#include "config/command_line.h"
#include "engine/engine.h"
#include "net/server.h"
#include "protocol/dialect.h"
#include "uring/probe.h"

namespace shardmill {
namespace {

using config::EarlyExit;
using Started = std::expected<void, EarlyExit>;

std::unexpected<EarlyExit> fail(int code, const std::string& text) {
    return std::unexpected(EarlyExit{code, "shardmill: " + text + "\n"});
}

protocol::Dialect dialect_of(config::WireProtocol protocol) {
    switch (protocol) {
        case config::WireProtocol::Text:
            return protocol::Dialect::Text;
        case config::WireProtocol::Binary:
            return protocol::Dialect::Binary;
        case config::WireProtocol::Auto:
            break;
    }
    return protocol::Dialect::Auto;
}

net::Security security_of(const config::TlsConfig& tls, config::ListenSecurity wanted) {
    switch (wanted) {
        case config::ListenSecurity::None:
            return net::Security::None;
        case config::ListenSecurity::Tls:
            return net::Security::TlsNoPeer;
        case config::ListenSecurity::Mutual:
            return net::Security::TlsMutual;
        case config::ListenSecurity::Default:
            break;
    }
    return tls.enabled ? net::Security::Tls : net::Security::None;
}

net::ServerConfig server_config(const config::Config& config) {
    net::ServerConfig server;
    server.reactors = config.reactors;
    for (const config::ListenAddress& address : config.listen) {
        server.listen.push_back({.host = address.host,
                                 .port = address.port,
                                 .security = security_of(config.tls, address.security),
                                 .dialect = dialect_of(address.protocol),
                                 .tag = address.tag});
    }
    server.tls = {.enabled = config.tls.enabled,
                  .chain_cert = config.tls.chain_cert,
                  .key = config.tls.key,
                  .ca_cert = config.tls.ca_cert,
                  .ciphers = config.tls.ciphers,
                  .verify_mode = config.tls.verify_mode,
                  .key_format = config.tls.key_format,
                  .min_version = config.tls.min_version,
                  .session_cache = config.tls.session_cache};
    server.unix_path = config.unix_socket;
    server.unix_dialect = dialect_of(config.protocol);
    server.unix_mode = config.unix_mask;
    server.backlog = config.listen_backlog;
    server.connections_max = config.max_connections;
    server.close_over_limit = config.close_over_limit;
    server.idle_timeout_s = config.idle_timeout_s;
    if (!config.auth_file.empty()) server.authentication = net::Authentication::Text;
    return server;
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

/// Serves until a signal or the command `shutdown`.
Started serve(const config::Config& config, engine::Engine& engine, net::Server& server,
              admin::ControlLoop& control) {
    engine::Engine::Connections connections{
        .reactors = {},
        .counters = {},
        .replier = &server.replier(),
        .control = &control,
        .request_stop = [](bool graceful) { ::kill(::getpid(), graceful ? SIGUSR1 : SIGINT); },
    };
    for (std::uint32_t reactor = 0; reactor < server.reactors(); ++reactor) {
        connections.reactors.push_back(&server.tasks(reactor));
        connections.counters.push_back(&server.counters(reactor));
    }
    control.handle_signals({
        .stop = [&](bool graceful) { engine.shut_down(graceful, [&] { control.stop(); }); },
        .reload = [&] { reload(engine, server, config); },
    });
    engine.connect(std::move(connections));
    if (auto started = server.start(); !started) return fail(config::kExitOs, started.error());
    base::log_verbose(1, "serving; {}", server.describe_features());
    control.run();
    server.stop();
    return {};
}

Started run(const config::Config& config) {
    const auto account = admin::find_account(config, ::geteuid());
    if (!account) return std::unexpected(account.error());

    engine::Engine engine(config);
    net::Server server(server_config(config), engine.executors());
    if (auto prepared = prepare(config, *account, server); !prepared) return prepared;
    if (auto opened = engine.open(); !opened) return fail(config::kExitFailure, opened.error());

    // No thread has been started so far, so that there is nothing a fork could lose.
    admin::PidFile pid_file;
    if (config.daemon) {
        if (auto detached = admin::daemonize(); !detached) return detached;
        if (!config.pid_file.empty()) {
            auto written = admin::PidFile::write(config.pid_file);
            if (!written) return std::unexpected(std::move(written.error()));
            pid_file = std::move(*written);
        }
    }
    admin::ControlLoop control;
    return serve(config, engine, server, control);
}

/// What the operator should know of the command line.
void report(const config::Config& config) {
    for (const std::string& warning : config.warnings) base::log_error("warning: {}", warning);
    for (const std::string& option : config.without_effect) {
        base::log_verbose(1, "without effect here: {}", option);
    }
}

int exit_with(const EarlyExit& exit) {
    std::fputs(exit.text.c_str(), exit.code == 0 ? stdout : stderr);
    return exit.code;
}

}  // namespace
}  // namespace shardmill

int main(int argc, char** argv) {
    using namespace shardmill;
    try {
        const std::vector<std::string> arguments(argv + (argc > 0 ? 1 : 0), argv + argc);
        const auto config = config::parse_command_line(arguments);
        if (!config) return exit_with(config.error());
        base::set_verbosity(config->verbosity);
        report(*config);
        const auto ended = run(*config);
        return ended ? 0 : exit_with(ended.error());
    } catch (const std::exception& error) {
        return exit_with(
            {config::kExitFailure, std::string("shardmill: cannot start: ") + error.what() + "\n"});
    }
}
