#include "engine/job_results.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/number.h"
#include "engine/job_cost.h"
#include "snapshot/reader.h"
#include "snapshot/writer.h"

namespace shardmill::engine {
namespace {

/// The figures by the names they have in the manifest.
struct FigureFact {
    const char* name;
    std::uint64_t JobFigures::* figure;
};
constexpr FigureFact kFigureFacts[] = {
    {"scanned", &JobFigures::scanned},
    {"matched", &JobFigures::matched},
    {"failed", &JobFigures::failed},
    {"bytes", &JobFigures::bytes},
    {"selected", &JobFigures::selected},
    {"selected_bytes", &JobFigures::selected_bytes},
    {"ms", &JobFigures::ms},
    {"cpu_ms", &JobFigures::cpu_ms},
    {"rows", &JobFigures::rows},
    {"result_bytes", &JobFigures::result_bytes},
    {"peak_bytes", &JobFigures::peak_bytes},
    {"workers", &JobFigures::workers},
    {"acted", &JobFigures::acted},
    {"gone", &JobFigures::gone},
    {"changed", &JobFigures::changed},
    {"refused", &JobFigures::refused},
};

/// The texts.
struct TextFact {
    const char* name;
    std::string JobStatus::* text;
};
constexpr TextFact kTextFacts[] = {
    {"id", &JobStatus::id},         {"name", &JobStatus::name},
    {"prefix", &JobStatus::prefix}, {"pipeline", &JobStatus::pipeline},
    {"glob", &JobStatus::glob},     {"settings", &JobStatus::settings},
};

constexpr std::string_view kResultPrefix = "result-";

std::uint64_t number_of(std::string_view text) {
    return base::parse_number<std::uint64_t>(text).value_or(0);
}

JobStatus status_of(const snapshot::Manifest& manifest) {
    JobStatus status;
    for (const TextFact& fact : kTextFacts) status.*fact.text = manifest.fact(fact.name);
    const std::string_view result = std::string_view(manifest.name).substr(kResultPrefix.size());
    if (status.id.empty()) status.id = result;
    if (status.id != result) status.result = result;
    status.ttl = number_of(manifest.fact("ttl"));
    status.ended = number_of(manifest.fact("ended"));
    status.predicted = parse_cost(manifest.fact("predicted"));
    status.measured = parse_cost(manifest.fact("measured"));
    status.state = JobState::Done;
    status.created = manifest.created;
    status.percent = 100;
    status.shards = status.shards_done = manifest.shards;
    for (const FigureFact& fact : kFigureFacts) {
        status.figures.*fact.figure = number_of(manifest.fact(fact.name));
    }
    return status;
}

/// What a job's rows are kept as.
const std::string& result_of(const JobStatus& status) {
    return status.result.empty() ? status.id : status.result;
}

snapshot::Item item_of(const compute::Row& row) {
    return {.key = row.key,
            .value = row.value,
            .client_flags = row.client_flags,
            .exptime = row.exptime};
}

}  // namespace

std::expected<void, std::string> JobResults::save(const JobStatus& status,
                                                  std::vector<compute::Row> rows) {
    if (catalog_ != nullptr) return save_to_disk(status, rows);
    const std::lock_guard lock(mutex_);
    in_memory_[result_of(status)] = {.rows = std::move(rows), .bytes = status.figures.result_bytes};
    return {};
}

std::expected<void, std::string> JobResults::save_to_disk(const JobStatus& status,
                                                          const std::vector<compute::Row>& rows) {
    const snapshot::WriterOptions options{.shards = status.shards, .created = status.created};
    auto writer = snapshot::SnapshotWriter::create(*catalog_, snapshot::Kind::Result,
                                                   result_of(status), options);
    if (!writer) return std::unexpected(std::move(writer.error().what));
    {
        auto file = (*writer)->open_file();
        if (!file) return std::unexpected(std::move(file.error().what));
        for (const compute::Row& row : rows) {
            const auto written = (*file)->append(item_of(row));
            if (!written) return std::unexpected(written.error().what);
        }
        if (const auto finished = (*file)->finish(); !finished) {
            return std::unexpected(finished.error().what);
        }
    }
    for (const TextFact& fact : kTextFacts) (*writer)->set_fact(fact.name, status.*fact.text);
    (*writer)->set_fact("ttl", std::to_string(status.ttl));
    (*writer)->set_fact("ended", std::to_string(status.ended));
    if (status.predicted) (*writer)->set_fact("predicted", cost_text(*status.predicted));
    if (status.measured) (*writer)->set_fact("measured", cost_text(*status.measured));
    for (const FigureFact& fact : kFigureFacts) {
        (*writer)->set_fact(fact.name, std::to_string(status.figures.*fact.figure));
    }
    if (const auto committed = (*writer)->commit(); !committed) {
        return std::unexpected(committed.error().what);
    }
    return {};
}

std::expected<std::uint64_t, std::string> JobResults::read(const JobStatus& status,
                                                           std::uint64_t from, std::uint64_t rows,
                                                           const RowVisitor& visitor) const {
    if (catalog_ != nullptr) {
        auto reader =
            snapshot::SnapshotReader::open(catalog_->fs(), catalog_->directory(),
                                           snapshot::Catalog::result_name(result_of(status)));
        if (!reader) return std::unexpected(std::move(reader.error().what));
        const auto read = (*reader)->read_rows(from, rows, visitor);
        if (!read) return std::unexpected(read.error().what);
        return *read;
    }
    const std::lock_guard lock(mutex_);
    const auto found = in_memory_.find(result_of(status));
    if (found == in_memory_.end()) return std::unexpected("the result is gone");
    const std::vector<compute::Row>& all = found->second.rows;
    std::uint64_t taken = 0;
    while (taken < rows && from + taken < all.size()) {
        const compute::Row& row = all[from + taken];
        ++taken;
        if (!visitor(item_of(row))) break;
    }
    return taken;
}

std::expected<void, std::string> JobResults::remove(const JobStatus& status) {
    if (catalog_ != nullptr) {
        auto removed = catalog_->remove(snapshot::Catalog::result_name(result_of(status)));
        if (!removed && removed.error().kind != snapshot::ErrorKind::NotFound) {
            return std::unexpected(std::move(removed.error().what));
        }
        return {};
    }
    const std::lock_guard lock(mutex_);
    in_memory_.erase(result_of(status));
    return {};
}

std::vector<JobStatus> JobResults::load_history() const {
    std::vector<JobStatus> history;
    if (catalog_ == nullptr) return history;
    const auto entries = catalog_->list();
    if (!entries) {
        base::log_error("cannot list the results of earlier jobs: {}", entries.error().what);
        return history;
    }
    for (const snapshot::CatalogEntry& entry : *entries) {
        if (!snapshot::Catalog::is_result_name(entry.name)) continue;
        if (entry.state == snapshot::CatalogEntry::State::Complete) {
            history.push_back(status_of(entry.manifest));
        } else if (entry.state == snapshot::CatalogEntry::State::Damaged) {
            base::log_error("{} is not listed: {}", entry.name, entry.problem);
        }
    }
    std::reverse(history.begin(), history.end());
    return history;
}

std::uint64_t JobResults::memory_bytes() const {
    const std::lock_guard lock(mutex_);
    std::uint64_t bytes = 0;
    for (const auto& [id, result] : in_memory_) bytes += result.bytes;
    return bytes;
}

}  // namespace shardmill::engine
