#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "compute/registry.h"
#include "engine/batch_parser.h"
#include "engine/job_manager.h"
#include "net/executor.h"

namespace shardmill::engine {

/// A job as `batch list` shows it: one JSON object.
std::string status_json(const JobStatus& status);

/// Why a job has no rows to give; empty: it has.
std::string why_no_rows(const JobStatus& status);

/// The text form of jobs: `batch <verb> ...` and `stats batch`. Every command is answered through
/// the replier, `wait` when there is something to say. Control thread only.
class BatchCommands {
 public:
    BatchCommands(JobManager& jobs, const JobResults& results, const compute::Registry& registry,
                  net::Replier& replier,
                  std::uint64_t (*clock_ns)() noexcept = base::monotonic_ns) noexcept
        : jobs_(jobs),
          results_(results),
          registry_(registry),
          replier_(replier),
          clock_ns_(clock_ns) {}

    /// `arguments`: the line behind `batch`; `payload`: what followed the line.
    void execute(std::string_view arguments, std::string_view payload,
                 net::ConnectionId connection);
    /// `stats batch`.
    void stats(net::ConnectionId connection);

 private:
    using Reply = std::string;
    /// Empty: answered, or to be answered, by the handler itself.
    using Handler = Reply (BatchCommands::*)(const BatchCommand& command,
                                             net::ConnectionId connection);

    Reply run(const BatchCommand& command, net::ConnectionId connection);
    Reply plan(const BatchCommand& command, net::ConnectionId connection);
    Reply stat(const BatchCommand& command, net::ConnectionId connection);
    Reply wait(const BatchCommand& command, net::ConnectionId connection);
    Reply get(const BatchCommand& command, net::ConnectionId connection);
    Reply stop(const BatchCommand& command, net::ConnectionId connection);
    Reply drop(const BatchCommand& command, net::ConnectionId connection);
    Reply list(const BatchCommand& command, net::ConnectionId connection);
    Reply kernels(const BatchCommand& command, net::ConnectionId connection);
    void answer_when_final(const std::string& id, net::ConnectionId connection,
                           std::optional<std::chrono::milliseconds> timeout,
                           std::string (*answer)(const JobStatus&));
    static std::string refused(const JobRefusal& refusal);

    JobManager& jobs_;
    const JobResults& results_;
    const compute::Registry& registry_;
    net::Replier& replier_;
    std::uint64_t (*const clock_ns_)() noexcept;  // for pages
};

}  // namespace shardmill::engine
