#include "engine/job_results.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "base/number.h"
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
    {"ms", &JobFigures::ms},
    {"cpu_ms", &JobFigures::cpu_ms},
    {"rows", &JobFigures::rows},
    {"result_bytes", &JobFigures::result_bytes},
    {"peak_bytes", &JobFigures::peak_bytes},
};

constexpr std::string_view kResultPrefix = "result-";

std::uint64_t number_of(std::string_view text) {
    return base::parse_number<std::uint64_t>(text).value_or(0);
}

JobStatus status_of(const snapshot::Manifest& manifest) {
    JobStatus status;
    status.id = std::string_view(manifest.name).substr(kResultPrefix.size());
    status.name = manifest.fact("name");
    status.pipeline = manifest.fact("pipeline");
    status.prefix = manifest.fact("prefix");
    status.glob = manifest.fact("glob");
    status.state = JobState::Done;
    status.created = manifest.created;
    status.percent = 100;
    status.shards = status.shards_done = manifest.shards;
    for (const FigureFact& fact : kFigureFacts) {
        status.figures.*fact.figure = number_of(manifest.fact(fact.name));
    }
    return status;
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
    in_memory_[status.id] = {.rows = std::move(rows), .bytes = status.figures.result_bytes};
    return {};
}

std::expected<void, std::string> JobResults::save_to_disk(const JobStatus& status,
                                                          const std::vector<compute::Row>& rows) {
    const snapshot::WriterOptions options{.shards = status.shards, .created = status.created};
    auto writer =
        snapshot::SnapshotWriter::create(*catalog_, snapshot::Kind::Result, status.id, options);
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
    (*writer)->set_fact("name", status.name);
    (*writer)->set_fact("pipeline", status.pipeline);
    (*writer)->set_fact("prefix", status.prefix);
    (*writer)->set_fact("glob", status.glob);
    for (const FigureFact& fact : kFigureFacts) {
        (*writer)->set_fact(fact.name, std::to_string(status.figures.*fact.figure));
    }
    if (const auto committed = (*writer)->commit(); !committed) {
        return std::unexpected(committed.error().what);
    }
    return {};
}

std::expected<std::uint64_t, std::string> JobResults::read(const std::string& id,
                                                           std::uint64_t from, std::uint64_t rows,
                                                           const RowVisitor& visitor) const {
    if (catalog_ != nullptr) {
        auto reader = snapshot::SnapshotReader::open(catalog_->fs(), catalog_->directory(),
                                                     snapshot::Catalog::result_name(id));
        if (!reader) return std::unexpected(std::move(reader.error().what));
        const auto read = (*reader)->read_rows(from, rows, visitor);
        if (!read) return std::unexpected(read.error().what);
        return *read;
    }
    const std::lock_guard lock(mutex_);
    const auto found = in_memory_.find(id);
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

std::expected<void, std::string> JobResults::remove(const std::string& id) {
    if (catalog_ != nullptr) {
        auto removed = catalog_->remove(snapshot::Catalog::result_name(id));
        if (!removed && removed.error().kind != snapshot::ErrorKind::NotFound) {
            return std::unexpected(std::move(removed.error().what));
        }
        return {};
    }
    const std::lock_guard lock(mutex_);
    in_memory_.erase(id);
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
