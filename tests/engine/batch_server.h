#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "control_fakes.h"
#include "engine/batch_commands.h"
#include "engine/control_service.h"
#include "engine/job_manager.h"
#include "engine/scan_driver.h"
#include "engine/snapshot_commands.h"
#include "engine/snapshot_manager.h"
#include "uring/file.h"

namespace shardmill::engine {

/// What a server has behind its connections, driven by hand. `directory` empty: nothing is kept on
/// disk.
class BatchServer {
 public:
    explicit BatchServer(const std::string& directory = {}, std::uint32_t history = 100,
                         std::uint64_t results_memory = 256u << 20,
                         uring::FileSystem& files = uring::real_file_system())
        : catalog_(open(files, directory)),
          results_(catalog_.get()),
          journal_(catalog_.get()),
          scans_({.shards = &world.shards,
                  .reactors = {&world.reactors[0], &world.reactors[1]},
                  .control = &world.control,
                  .workers = &world.workers,
                  .lanes = 2,
                  .make_workers = [this](std::uint32_t percent) { return own_workers(percent); },
                  .clock = now}),
          jobs({.control = &world.control,
                .scans = &scans_,
                .registry = &registry_,
                .results = &results_,
                .journal = &journal_,
                .shards = world.shards.size(),
                .lanes = 2,
                .replace_workers = [this](std::uint32_t more) { replaced_workers += more; },
                .changes = {.shards = &world.shards,
                            .reactors = {&world.reactors[0], &world.reactors[1]},
                            .started_at = 1,
                            .clock = now},
                .access = {},
                .limits = {},
                .history = history,
                .results_memory = results_memory,
                .clock = now}),
          batch_(jobs, results_, registry_, replier_, clock_ns),
          loader_({.shards = &world.shards, .catalog = catalog_.get(), .gate = &gate_}),
          snapshots_({.scans = &scans_,
                      .shards = &world.shards,
                      .control = &world.control,
                      .workers = &world.workers,
                      .catalog = catalog_.get(),
                      .facts = {},
                      .clock = now}),
          snapshot_commands_(snapshots_, loader_, replier_) {
        service_.connect({.control = &world.control,
                          .jobs = &jobs,
                          .batch = &batch_,
                          .snapshot = &snapshot_commands_});
    }
    ~BatchServer() {
        jobs.shut_down();
        world.run_all();
    }

    void submit(std::string line, std::string payload = {}, std::uint32_t connection = 1) {
        service_.submit({.kind = ControlRequest::Kind::Batch,
                         .arguments = std::move(line),
                         .payload = std::move(payload),
                         .connection = {0, connection, 1}});
        // Everything that reached the control thread before has to go first.
        const std::size_t answered = replier_.replies[connection].size();
        while (world.control.run_one() && replier_.replies[connection].size() == answered) {
        }
    }
    /// The command alone, without what it sets going.
    std::string command(std::string line, std::string payload = {}) {
        submit(std::move(line), std::move(payload));
        return last_reply().value_or("");
    }
    /// Runs a job to its end.
    std::string run(const std::string& arguments) {
        submit("run " + arguments);
        const std::string accepted = last_reply().value_or("");
        if (!accepted.starts_with("HD ")) return accepted;
        world.run_all();
        return command("stat " + id_of(accepted));
    }
    static std::string id_of(const std::string& line) {
        return line.substr(3, line.find(' ', 3) - 3);
    }

    std::optional<std::string> last_reply(std::uint32_t connection = 1) {
        auto& replies = replier_.replies[connection];
        if (replies.empty()) return std::nullopt;
        std::string reply = replies.back();
        replies.clear();
        return reply;
    }
    void close(std::uint32_t connection) {
        service_.connection_closed({0, connection, 1});
        world.control.run_one();
    }
    std::string stats() {
        service_.submit({.kind = ControlRequest::Kind::StatsBatch,
                         .arguments = {},
                         .payload = {},
                         .connection = {0, 1, 1}});
        world.control.run_one();
        return last_reply().value_or("");
    }

    static base::UnixSeconds now() noexcept { return ManualWorld::kNow; }

    /// Every look at the clock for pages takes so long.
    static inline std::uint64_t look_ns = 0;

    std::uint32_t replaced_workers = 0;
    std::uint32_t last_percent = 0;  // of a job with threads of its own

    ManualWorld world{{.memory_limit = 64u << 20, .shards = 4, .reactors = 2}};

 private:
    /// The one queue of all workers, again.
    struct SameWorkers final : runtime::TaskQueue {
        explicit SameWorkers(runtime::TaskQueue& workers) : queue(workers) {}
        void post(runtime::Task task) override { queue.post(std::move(task)); }
        runtime::TaskQueue& queue;
    };
    std::unique_ptr<runtime::TaskQueue> own_workers(std::uint32_t percent) {
        last_percent = percent;
        return std::make_unique<SameWorkers>(world.workers);
    }

    static std::uint64_t clock_ns() noexcept {
        static std::uint64_t now_ns = 0;
        return now_ns += look_ns;
    }

    static std::unique_ptr<snapshot::Catalog> open(uring::FileSystem& files,
                                                   const std::string& directory) {
        if (directory.empty()) return nullptr;
        auto catalog = snapshot::Catalog::open(files, directory);
        EXPECT_TRUE(catalog);
        return std::move(*catalog);
    }

    std::unique_ptr<snapshot::Catalog> catalog_;
    JobResults results_;
    JobJournal journal_;
    compute::Registry registry_ = compute::Registry::with_builtins();
    FakeReplier replier_;
    ScanDriver scans_;

 public:
    JobManager jobs;

 private:
    BatchCommands batch_;
    LoadGate gate_;
    ContentsLoader loader_;
    SnapshotManager snapshots_;
    SnapshotCommands snapshot_commands_;
    ControlService service_;
};

inline void fill_packages(ManualWorld& world) {
    for (int n = 0; n < 900; ++n) {
        const char* section = n % 3 == 0 ? "admin" : n % 3 == 1 ? "devel" : "x11";
        world.set("pkg:" + std::to_string(n),
                  fmt::format(R"({{"section":"{}","size":{}}})", section, n));
    }
    world.set("other", "no json");
}

}  // namespace shardmill::engine
