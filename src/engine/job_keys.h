#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/command_replay.h"
#include "engine/contents_loader.h"
#include "engine/job_manager.h"
#include "net/executor.h"
#include "protocol/request.h"

namespace shardmill::engine {

/// Jobs for clients that know nothing but get, set and delete, by keys (protocol::is_job_key):
///
///     set ~b/run/<name>          the value is a pipeline, on its first line; options of `batch
///     run`
///                                may follow, a line each. Stored: the job is taken
///     get ~b/run/<name>          that pipeline
///     get ~b/stat/<name>         the job, one JSON object
///     get ~b/out/<name>[/<row>]  rows of a finished job from that row on, a JSON object a line, as
///                                many as fit an item; a miss before it is done and behind the end
///     delete ~b/run/<name>       stops and forgets it
///
/// In the text, meta and binary protocol; <name> may be an id but for run. Every command is
/// answered through the replier. Control thread only.
class JobKeys {
 public:
    struct Parts {
        JobManager* jobs = nullptr;
        const JobResults* results = nullptr;
        CommandReplay* replay = nullptr;
        net::Replier* replier = nullptr;
        const ContentsLoader* loader = nullptr;  // nullptr: the contents are complete
        std::uint64_t value_bytes_max = 0;       // of a page of rows
    };
    explicit JobKeys(const Parts& parts) noexcept : parts_(parts) {}

    /// `command`: all of it, as it came.
    void execute(std::string command, net::ConnectionId connection);

 private:
    /// What is wrong, for the client; nullopt: answered, or to be answered.
    using Refusal = std::optional<std::string>;

    Refusal read(const protocol::Request& request, const std::string& command,
                 net::ConnectionId connection);
    Refusal run(const protocol::Request& request, const std::string& command,
                net::ConnectionId connection);
    Refusal remove(const protocol::Request& request, const std::string& command,
                   net::ConnectionId connection);
    std::optional<std::string> value_of(std::string_view key) const;
    std::optional<std::string> rows_of(std::string_view name_and_row) const;

    const Parts parts_;
};

}  // namespace shardmill::engine
