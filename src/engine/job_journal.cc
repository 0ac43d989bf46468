#include "engine/job_journal.h"

#include <fmt/format.h>

#include <array>
#include <iterator>
#include <string>
#include <string_view>

#include "base/hash.h"
#include "base/log.h"
#include "base/number.h"
#include "snapshot/small_file.h"

namespace shardmill::engine {
namespace {

constexpr std::string_view kHead = "shardmill jobs 1 ";

/// The texts of a line, in their order.
constexpr std::array<std::string JobStatus::*, 7> kTexts = {
    &JobStatus::id,   &JobStatus::name,     &JobStatus::pipeline, &JobStatus::prefix,
    &JobStatus::glob, &JobStatus::settings, &JobStatus::reason};

/// Tabs and line ends separate.
void append_escaped(std::string& out, std::string_view text) {
    for (const char byte : text) {
        switch (byte) {
            case '\\':
                out += "\\\\";
                break;
            case '\t':
                out += "\\t";
                break;
            case '\n':
                out += "\\n";
                break;
            default:
                out += byte;
        }
    }
}

std::string unescaped(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\' || at + 1 == text.size()) {
            out += text[at];
            continue;
        }
        const char escape = text[++at];
        out += escape == 't' ? '\t' : escape == 'n' ? '\n' : escape;
    }
    return out;
}

std::string_view take_until(std::string_view& rest, char separator) {
    const std::string_view part = rest.substr(0, rest.find(separator));
    rest.remove_prefix(std::min(part.size() + 1, rest.size()));
    return part;
}

std::string line_of(const JobStatus& job) {
    std::string line =
        fmt::format("{}\t{}\t{}", static_cast<unsigned>(job.state), job.created, job.ended);
    for (const auto text : kTexts) {
        line += '\t';
        append_escaped(line, job.*text);
    }
    return line + '\n';
}

JobStatus status_of(std::string_view line) {
    const auto number = [&line] {
        return base::parse_number<std::uint64_t>(take_until(line, '\t')).value_or(0);
    };
    JobStatus job;
    const std::uint64_t state = number();
    job.state = state < kJobStates ? static_cast<JobState>(state) : JobState::Lost;
    job.created = number();
    job.ended = number();
    for (const auto text : kTexts) job.*text = unescaped(take_until(line, '\t'));
    if (is_final(job.state)) return job;
    job.state = JobState::Lost;
    job.reason = "the server ended while it was waiting or running";
    return job;
}

std::string checksum_text(std::string_view body) {
    return fmt::format("{:016x}", base::checksum(body.data(), body.size()));
}

}  // namespace

std::string JobJournal::path() const { return catalog_->directory() + "/jobs"; }

void JobJournal::write(std::span<const JobStatus> jobs) {
    if (!on_disk()) return;
    std::string body;
    for (const JobStatus& job : jobs) body += line_of(job);
    const std::string text = fmt::format("{}{}\n{}", kHead, checksum_text(body), body);
    if (const auto written = snapshot::replace_small_file(catalog_->fs(), path(), text); !written) {
        base::log_error("jobs under way will not be known after a crash: {}", written.error().what);
    }
}

std::vector<JobStatus> JobJournal::load() const {
    std::vector<JobStatus> jobs;
    if (!on_disk()) return jobs;
    const auto text = snapshot::read_small_file(catalog_->fs(), path());
    if (!text) {
        if (text.error().kind != snapshot::ErrorKind::NotFound) {
            base::log_error("earlier jobs are not known: {}", text.error().what);
        }
        return jobs;
    }
    std::string_view rest = *text;
    const std::string_view head = take_until(rest, '\n');
    if (head != std::string(kHead) + checksum_text(rest)) {
        base::log_error("earlier jobs are not known: {} is damaged", path());
        return jobs;
    }
    while (!rest.empty()) jobs.push_back(status_of(take_until(rest, '\n')));
    return jobs;
}

}  // namespace shardmill::engine
