#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/number.h"
#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/reply_view.h"
#include "cli/table.h"
#include "text/json.h"

namespace shardmill::cli {

namespace {

using std::chrono::milliseconds;

constexpr std::uint64_t kPageRows = 5000;
constexpr std::uint64_t kTableRows = 100;
// How long one `batch wait` lasts: short where a bar is drawn.
constexpr milliseconds kWaitStep{2000};
constexpr milliseconds kWaitStepDrawn{150};

/// The server said no: prints why.
int refused(const Common& common, const client::CommandReply& reply, std::string_view what) {
    if (common.json) {
        fmt::print("{{{}}}\n", status_json(reply));
    }
    std::string reason = reply.line;
    if (reply.status() == "NF") reason = "there is no such job or kernel";
    if (reply.status() == "EX" && reply.rest().empty()) reason = "a job of that name is running";
    if (reply.line == "ERROR") reason = "this server does not know the command (is it shardmill?)";
    fmt::print(stderr, "shardmill-cli: {}: {}\n", what, reason);
    return kExitFailed;
}

bool is_over(const client::CommandReply& status) {
    const auto state = status.field("state").value_or("");
    return state != "queued" && state != "running";
}

bool is_done(const client::CommandReply& status) { return status.field("state") == "done"; }

/// For whoever interrupts the waiting: the job does not end with it. A handler can compose nothing,
/// so its words are ready before.
class InterruptNote {
 public:
    explicit InterruptNote(const std::string& job) {
        text_ = fmt::format("\nshardmill-cli: job {} goes on; batch stop {} ends it\n", job, job);
        std::signal(SIGINT, [](int) {
            [[maybe_unused]] const auto written =
                ::write(STDERR_FILENO, text_.data(), text_.size());
            ::_exit(kExitInterrupted);
        });
    }
    ~InterruptNote() { std::signal(SIGINT, SIG_DFL); }
    InterruptNote(const InterruptNote&) = delete;
    InterruptNote& operator=(const InterruptNote&) = delete;

 private:
    static inline std::string text_;
};

/// Waits for the end of a job, drawing a bar. The last status, which may be a refusal, or that of a
/// job still running when the time was up.
client::CommandReply wait_for_job(client::Client& client, const std::string& job, bool progress,
                                  std::optional<double> timeout_s) {
    Progress bar("running", progress);
    const InterruptNote note(job);
    const auto start = std::chrono::steady_clock::now();
    for (;;) {
        auto step = bar.active() ? kWaitStepDrawn : kWaitStep;
        if (timeout_s) {
            const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
            const auto left = milliseconds(
                static_cast<std::int64_t>(std::max(0.0, *timeout_s - spent.count()) * 1000));
            step = std::min(step, left);
        }
        auto status = client.command(fmt::format("batch wait {} timeout={}", job, step.count()));
        if (status.status() != "HD" || is_over(status)) return status;
        if (timeout_s && step < (bar.active() ? kWaitStepDrawn : kWaitStep)) return status;
        const auto percent = base::parse_number<unsigned>(status.field("percent").value_or("0"));
        bar.update(percent.value_or(0) / 100.0, [&] {
            return fmt::format("{} items looked at, {} matched",
                               status.field("scanned").value_or("0"),
                               status.field("matched").value_or("0"));
        });
    }
}

struct Rows {
    std::vector<client::Row> rows;
    std::uint64_t more = 0;  // not fetched
};

/// Fetches the rows of a finished job page by page; `limit` 0: all. nullopt: `reply` says why not.
std::optional<Rows> fetch_rows(client::Client& client, const std::string& job, std::uint64_t from,
                               std::uint64_t limit, client::CommandReply& reply) {
    Rows result;
    for (;;) {
        const auto wanted =
            limit == 0 ? kPageRows : std::min(kPageRows, limit - result.rows.size());
        reply = client.command(fmt::format("batch get {} from={} rows={}", job, from, wanted));
        if (reply.status() != "EN") return std::nullopt;
        for (auto& row : reply.rows) result.rows.push_back(std::move(row));
        const auto next = reply.field("more");
        if (!next) return result;
        const auto next_row = base::parse_number<std::uint64_t>(*next);
        if (!next_row || *next_row <= from) {
            throw client::Error(client::Error::Kind::Protocol,
                                "the server's rows do not go on where they ended: " + reply.line);
        }
        from = *next_row;
        if (limit != 0 && result.rows.size() >= limit) {
            result.more = 1;
            return result;
        }
    }
}

std::uint64_t rows_to_print(const Common& common, std::optional<std::uint64_t> limit) {
    return limit.value_or(common.json ? 0 : kTableRows);
}

void print_rows(const Rows& rows) {
    if (rows.rows.empty()) {
        fmt::print("no rows\n");
        return;
    }
    fmt::print("{}", rows_table(rows.rows));
    if (rows.more > 0) {
        fmt::print("(the first {} rows; --limit 0 prints all)\n", rows.rows.size());
    }
}

/// Prints a finished job and its rows, or why it did not finish.
int print_result(const Common& common, client::Client& client, const std::string& job,
                 const client::CommandReply& status, std::optional<std::uint64_t> limit) {
    if (status.status() != "HD") return refused(common, status, "waiting for job " + job);
    if (!is_done(status)) {
        if (common.json) fmt::print("{{{}}}\n", status_json(status));
        fmt::print(stderr, "shardmill-cli: job {}\n", status_text(status));
        return kExitFailed;
    }
    client::CommandReply reply;
    const auto rows = fetch_rows(client, job, 0, rows_to_print(common, limit), reply);
    if (!rows) return refused(common, reply, "reading the rows of job " + job);
    if (common.json) {
        fmt::print("{{{},\"rows\":{}}}\n", status_json(status), rows_json(rows->rows));
        return kExitOk;
    }
    print_rows(*rows);
    fmt::print("\njob {}\n", status_text(status));
    return kExitOk;
}

/// A pipeline that would not survive on the line goes as a payload.
client::CommandReply submit(client::Client& client, std::string_view verb,
                            const std::string& pipeline, const std::vector<std::string>& settings) {
    const bool as_payload =
        pipeline.find_first_of(" \t\r\n") != std::string::npos || pipeline.size() > 1024;
    std::string line = as_payload ? fmt::format("batch {} - payload={}", verb, pipeline.size())
                                  : fmt::format("batch {} {}", verb, pipeline);
    for (const auto& setting : settings) line += " " + setting;
    return as_payload ? client.command(line, pipeline) : client.command(line);
}

}  // namespace

int run_batch_run(const Common& common, const BatchRunOptions& options) {
    client::Client client(common.server);
    const auto accepted = submit(client, "run", options.pipeline, options.settings);
    if (accepted.status() != "HD") return refused(common, accepted, "batch run");
    const auto words = split_status(accepted.rest());
    if (words.plain.empty()) return refused(common, accepted, "batch run");
    const std::string& job = words.plain.front();
    if (!options.wait) {
        if (common.json) {
            fmt::print("{{{}}}\n", status_json(accepted));
        } else {
            fmt::print("{}\n", job);
        }
        return kExitOk;
    }
    const auto status = wait_for_job(client, job, options.progress, std::nullopt);
    return print_result(common, client, job, status, options.limit);
}

int run_batch_wait(const Common& common, const BatchWaitOptions& options) {
    client::Client client(common.server);
    const auto status = wait_for_job(client, options.job, options.progress, options.timeout_s);
    if (status.status() != "HD") return refused(common, status, "batch wait " + options.job);
    if (common.json) {
        fmt::print("{{{}}}\n", status_json(status));
    } else {
        fmt::print("{}\n", status_text(status));
    }
    return is_done(status) ? kExitOk : kExitFailed;
}

int run_batch_get(const Common& common, const BatchGetOptions& options) {
    client::Client client(common.server);
    client::CommandReply reply;
    const auto rows =
        fetch_rows(client, options.job, options.from, rows_to_print(common, options.limit), reply);
    if (!rows) return refused(common, reply, "batch get " + options.job);
    if (common.json) {
        fmt::print("{}\n", rows_json(rows->rows));
    } else {
        print_rows(*rows);
    }
    return kExitOk;
}

int run_batch_plan(const Common& common, const BatchPlanOptions& options) {
    client::Client client(common.server);
    const auto reply = submit(client, "plan", options.pipeline, options.settings);
    if (reply.status() != "EN" || reply.rows.size() != 1)
        return refused(common, reply, "batch plan");
    const client::Row& row = reply.rows.front();
    if (common.json) {
        fmt::print("{}\n", row_json(row));
        return kExitOk;
    }
    fmt::print("{}\njob {}; batch run {} runs it\n", cost_table(row), row.key, row.key);
    return kExitOk;
}

int run_batch_export(const Common& common, const BatchExportOptions& options) {
    client::Client client(common.server);
    client::CommandReply reply;
    auto page = fetch_rows(client, options.job, 0, kPageRows, reply);
    const auto fail = [&] {
        fmt::print(stderr, "shardmill-cli: {}: {}\n", options.file, std::strerror(errno));
        return kExitFailed;
    };
    const bool to_stdout = options.file == "-";
    // Until there are rows the file keeps what it has.
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> opened(
        to_stdout || !page ? nullptr : std::fopen(options.file.c_str(), "w"), &std::fclose);
    std::FILE* const file = to_stdout ? stdout : opened.get();
    if (page && file == nullptr) return fail();
    CsvWriter csv;
    for (std::uint64_t from = 0; page;) {
        std::string text;
        if (options.format == "csv") {
            text = csv.lines(page->rows);
        } else {
            for (const auto& row : page->rows) text += row_json(row) + "\n";
        }
        const bool written = std::fwrite(text.data(), 1, text.size(), file) == text.size();
        from += page->rows.size();
        const bool last = page->more == 0 || page->rows.empty();
        if (!written || (last && std::fflush(file) != 0)) return fail();
        if (last) return kExitOk;
        page = fetch_rows(client, options.job, from, kPageRows, reply);
    }
    return refused(common, reply, "batch export " + options.job);
}

int run_command(const Common& common, const std::string& line, milliseconds patience) {
    client::Client client(common.server, {.reply_timeout = patience});
    const auto reply = client.command(line);
    if (reply.status() != "HD" && reply.status() != "EN" && reply.status() != "OK") {
        return refused(common, reply, line);
    }
    if (common.json) {
        // A list is its rows, a status its words.
        if (reply.status() == "EN") {
            fmt::print("{}\n", rows_json(reply.rows));
        } else {
            fmt::print("{{{}}}\n", status_json(reply));
        }
        return kExitOk;
    }
    if (!reply.rows.empty()) fmt::print("{}", rows_table(reply.rows));
    if (reply.status() == "EN" && reply.rows.empty()) fmt::print("none\n");
    if (reply.status() == "HD") fmt::print("{}\n", status_text(reply));
    return kExitOk;
}

}  // namespace shardmill::cli
