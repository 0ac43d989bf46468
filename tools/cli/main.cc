#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <functional>
#include <string>

#include "cli/commands.h"

namespace shardmill::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kShortPatience{30000};
constexpr milliseconds kForEver{0};

/// What the command line asks for, filled in by the subcommand's callback.
struct Plan {
    std::string server = "127.0.0.1:11211";
    Common common;
    SetOptions set;
    GetOptions get;
    std::vector<std::string> stats_words;
    LoadOptions load;
    BatchRunOptions batch_run;
    BatchWaitOptions batch_wait;
    BatchGetOptions batch_get;
    BatchPlanOptions batch_plan;
    BatchExportOptions batch_export;
    SnapshotFilesOptions snapshot_files;
    std::function<int()> action;
};

CLI::App* add_command(CLI::App& parent, Plan& plan, const std::string& name,
                      const std::string& description) {
    CLI::App* app = parent.add_subcommand(name, description);
    app->add_flag("--json", plan.common.json, "print JSON, for programs");
    return app;
}

void add_item_commands(CLI::App& app, Plan& plan) {
    CLI::App* command = add_command(app, plan, "set", "Store one item");
    command->add_option("key", plan.set.key)->required();
    command->add_option("value", plan.set.value, "the value; without it stdin is read to its end");
    command->add_option("--flags", plan.set.flags, "client flags");
    command->add_option("--exptime", plan.set.exptime, "seconds, or a unix time; 0: never");
    command->callback(
        [&plan] { plan.action = [&plan] { return run_set(plan.common, plan.set); }; });

    command = add_command(app, plan, "get", "Print values");
    command->add_option("keys", plan.get.keys)->required();
    command->add_flag("--raw", plan.get.raw, "no line end after a value");
    command->callback(
        [&plan] { plan.action = [&plan] { return run_get(plan.common, plan.get); }; });

    command = add_command(app, plan, "stats", "Print statistics");
    command->add_option("arguments", plan.stats_words, "for example: settings, batch");
    command->callback([&plan] {
        plan.action = [&plan] {
            std::string arguments;
            for (const auto& word : plan.stats_words)
                arguments += (arguments.empty() ? "" : " ") + word;
            return run_stats(plan.common, arguments);
        };
    });
}

void add_load_command(CLI::App& app, Plan& plan) {
    CLI::App* command =
        add_command(app, plan, "load", "Store the records of a file, JSON lines or TSV");
    command->add_option("file", plan.load.file, "input; - is stdin")->capture_default_str();
    command->add_option("--key", plan.load.key,
                        "what the key is made of: a field, or a template such as pkg:{package}; "
                        "fields of TSV are numbers from 1");
    command->add_option("--value", plan.load.value,
                        "the same for the value; default: the whole line (TSV without --key: "
                        "what follows the first tab)");
    command->add_option("--format", plan.load.format, "jsonl or tsv; default: by the file's name")
        ->check(CLI::IsMember({"jsonl", "tsv"}));
    command->add_option("--flags", plan.load.flags, "client flags of every item");
    command->add_option("--exptime", plan.load.exptime, "seconds, or a unix time; 0: never");
    command->add_option("--show-failures", plan.load.show_failures, "how many failures to name")
        ->capture_default_str();
    command->add_flag("!--no-progress", plan.load.progress, "draw no progress bar");
    command->callback(
        [&plan] { plan.action = [&plan] { return run_load(plan.common, plan.load); }; });
}

/// A command that is sent as it is, with a word after it where `argument` names one; in brackets it
/// may be left out.
void add_plain(CLI::App& parent, Plan& plan, const std::string& name, const std::string& argument,
               const std::string& description, milliseconds patience) {
    CLI::App* command = add_command(parent, plan, name, description);
    auto words = std::make_shared<std::vector<std::string>>();
    if (argument.starts_with('[')) {
        command->add_option(argument.substr(1, argument.size() - 2), *words)->expected(0, 1);
    } else if (!argument.empty()) {
        command->add_option(argument, *words)->required()->expected(1);
    }
    const std::string line = parent.get_name() + " " + name;
    command->callback([&plan, line, words, patience] {
        plan.action = [&plan, line, words, patience] {
            return run_command(plan.common, words->empty() ? line : line + " " + words->front(),
                               patience);
        };
    });
}

void add_batch_run(CLI::App& batch, Plan& plan) {
    CLI::App* command =
        add_command(batch, plan, "run", "Run a job, wait for it and print its result");
    command->add_option("pipeline", plan.batch_run.pipeline, "for example: by:$.section|agg:count")
        ->required();
    command->add_option("settings", plan.batch_run.settings,
                        "name=value, for example: prefix=pkg: name=words");
    command->add_flag("!--no-wait", plan.batch_run.wait, "print the job's id and return at once");
    command->add_option("--limit", plan.batch_run.limit,
                        "rows to print; 0: all (default: 100 in a table)");
    command->add_flag("!--no-progress", plan.batch_run.progress, "draw no progress bar");
    command->callback(
        [&plan] { plan.action = [&plan] { return run_batch_run(plan.common, plan.batch_run); }; });
}

void add_batch_commands(CLI::App& app, Plan& plan) {
    CLI::App* batch = app.add_subcommand("batch", "Jobs on the items of the server");
    batch->require_subcommand(1);
    add_batch_run(*batch, plan);

    CLI::App* command = add_command(*batch, plan, "wait", "Wait for the end of a job");
    command->add_option("job", plan.batch_wait.job, "id or name")->required();
    command->add_option("--timeout", plan.batch_wait.timeout_s, "give up after this many seconds");
    command->add_flag("!--no-progress", plan.batch_wait.progress, "draw no progress bar");
    command->callback([&plan] {
        plan.action = [&plan] { return run_batch_wait(plan.common, plan.batch_wait); };
    });

    command = add_command(*batch, plan, "get", "Print the rows of a finished job");
    command->add_option("job", plan.batch_get.job, "id or name")->required();
    command->add_option("--from", plan.batch_get.from, "the first row to print, from 0");
    command->add_option("--limit", plan.batch_get.limit,
                        "rows to print; 0: all (default: 100 in a table)");
    command->callback(
        [&plan] { plan.action = [&plan] { return run_batch_get(plan.common, plan.batch_get); }; });

    command = add_command(*batch, plan, "plan",
                          "Predict what a job costs; of a job that is known: what it has cost");
    command->add_option("pipeline", plan.batch_plan.pipeline, "or a job's id or name")->required();
    command->add_option("settings", plan.batch_plan.settings, "name=value, as for run");
    command->callback([&plan] {
        plan.action = [&plan] { return run_batch_plan(plan.common, plan.batch_plan); };
    });

    command = add_command(*batch, plan, "export", "Write all rows of a finished job to a file");
    command->add_option("job", plan.batch_export.job, "id or name")->required();
    command->add_option("--format", plan.batch_export.format, "jsonl or csv")
        ->check(CLI::IsMember({"jsonl", "csv"}))
        ->capture_default_str();
    command->add_option("-o,--output", plan.batch_export.file, "- is stdout")
        ->capture_default_str();
    command->callback([&plan] {
        plan.action = [&plan] { return run_batch_export(plan.common, plan.batch_export); };
    });

    add_plain(*batch, plan, "stat", "job", "Print the state of a job", kShortPatience);
    add_plain(*batch, plan, "stop", "job", "Stop a job", kShortPatience);
    add_plain(*batch, plan, "drop", "job", "Forget a job and remove its result", kShortPatience);
    add_plain(*batch, plan, "list", "", "Print all jobs", kShortPatience);
    add_plain(*batch, plan, "kernels", "", "Print the kernels the server has", kShortPatience);
}

/// A command about one snapshot: of the server, or with --dir of a directory.
void add_snapshot_verify(CLI::App& snapshot, Plan& plan) {
    SnapshotFilesOptions& files = plan.snapshot_files;
    CLI::App* command = add_command(snapshot, plan, "verify", "Read a whole snapshot and check it");
    command->add_option("name", files.name, "default: the committed one; with --dir: all of them");
    command->add_option("--dir", files.directory, "a directory of snapshots; no server is asked");
    command->callback([&plan] {
        plan.action = [&plan] {
            const SnapshotFilesOptions& options = plan.snapshot_files;
            if (!options.directory.empty()) return run_snapshot_verify(plan.common, options);
            const std::string space = options.name.empty() ? "" : " ";
            return run_command(plan.common, "snapshot verify" + space + options.name, kForEver);
        };
    });
}

void add_snapshot_files(CLI::App& snapshot, Plan& plan) {
    SnapshotFilesOptions& files = plan.snapshot_files;
    CLI::App* command = add_command(snapshot, plan, "dump",
                                    "Print the items of a snapshot, one JSON object a line");
    command->add_option("name", files.name, "default: the committed one");
    command->add_option("--dir", files.directory, "the directory of snapshots")->required();
    command->callback(
        [&plan] { plan.action = [&plan] { return run_snapshot_dump(plan.snapshot_files); }; });

    command = add_command(snapshot, plan, "convert",
                          "Write a snapshot again, as the committed one of another directory");
    command->add_option("name", files.name, "default: the committed one");
    command->add_option("--dir", files.directory, "the directory of snapshots")->required();
    command->add_option("--to", files.to, "the other directory")->required();
    command->add_option("--files", files.files, "shard files to write; default: as many as it has")
        ->check(CLI::Range(1, 256));
    command->add_option("--codec", files.codec, "none or zstd")
        ->check(CLI::IsMember({"none", "zstd"}))
        ->capture_default_str();
    command->add_option("--level", files.level, "of zstd")
        ->check(CLI::Range(1, 19))
        ->capture_default_str();
    command->callback([&plan] {
        plan.action = [&plan] { return run_snapshot_convert(plan.common, plan.snapshot_files); };
    });
}

void add_snapshot_commands(CLI::App& app, Plan& plan) {
    CLI::App* snapshot = app.add_subcommand("snapshot", "Snapshots of the server's contents");
    snapshot->require_subcommand(1);
    add_plain(*snapshot, plan, "save", "[name]", "Write a snapshot and wait until it is committed",
              kForEver);
    add_plain(*snapshot, plan, "list", "", "Print the snapshots the server has", kShortPatience);
    add_plain(*snapshot, plan, "stat", "[name]",
              "Print what is being saved or loaded, or a snapshot", kShortPatience);
    add_plain(*snapshot, plan, "stop", "", "Give up what is being saved", kShortPatience);
    add_plain(*snapshot, plan, "drop", "name", "Remove a snapshot", kShortPatience);
    add_plain(*snapshot, plan, "load", "[name]", "Load a snapshot beside what the server has",
              kForEver);
    add_snapshot_verify(*snapshot, plan);
    add_snapshot_files(*snapshot, plan);
}

int run(int argc, char** argv) {
    CLI::App app{
        "Command-line client for shardmill and other servers of memcached's text protocol.\n"
        "Exit code: 0 done, 1 refused, failed or not found, 2 wrong usage, 3 no connection.",
        "shardmill-cli"};
    Plan plan;
    app.set_version_flag("-V,--version", std::string("shardmill-cli ") + SHARDMILL_VERSION);
    app.add_option("-s,--server", plan.server, "host:port or the path of a unix socket")
        ->capture_default_str();
    app.require_subcommand(1);
    app.fallthrough();
    add_item_commands(app, plan);
    add_load_command(app, plan);
    add_batch_commands(app, plan);
    add_snapshot_commands(app, plan);
    try {
        app.parse(argc, argv);
        plan.common.server = client::Address::parse(plan.server);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? kExitOk : kExitUsage;
    } catch (const std::invalid_argument& error) {
        fmt::print(stderr, "shardmill-cli: --server: {}\n", error.what());
        return kExitUsage;
    }
    return plan.action();
}

int exit_code_of(const client::Error& error) {
    switch (error.kind()) {
        case client::Error::Kind::Argument:
            return kExitUsage;
        case client::Error::Kind::Server:
            return kExitFailed;
        case client::Error::Kind::Connect:
        case client::Error::Kind::Io:
        case client::Error::Kind::Protocol:
            return kExitConnection;
    }
    return kExitFailed;
}

/// Standard files that were handed over closed stay so, but nobody else gets their numbers: what is
/// printed must not go somewhere else.
void keep_standard_files() noexcept {
    for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        const int access = standard == STDERR_FILENO ? O_WRONLY : O_RDONLY;
        if (::fcntl(standard, F_GETFD) < 0) (void)::open("/dev/null", access);
    }
}

/// Half of an answer must not look like one: on a full disk the last of it is lost when it is
/// flushed.
int with_output_written(int code) {
    if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return code;
    fmt::print(stderr, "shardmill-cli: the output cannot be written: {}\n", std::strerror(errno));
    return code == kExitOk ? kExitFailed : code;
}

}  // namespace
}  // namespace shardmill::cli

int main(int argc, char** argv) {
    shardmill::cli::keep_standard_files();
    try {
        return shardmill::cli::with_output_written(shardmill::cli::run(argc, argv));
    } catch (const shardmill::client::Error& error) {
        std::fprintf(stderr, "shardmill-cli: %s\n", error.what());  // must not throw
        return shardmill::cli::exit_code_of(error);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "shardmill-cli: %s\n", error.what());
        return shardmill::cli::kExitFailed;
    }
}
