#include "snapshot/writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "base/assert.h"
#include "snapshot/small_file.h"

namespace shardmill::snapshot {

namespace {

constexpr std::string_view kManifestFile = "MANIFEST";

WriterOptions sanitized(WriterOptions options) {
    options.block_bytes = std::clamp(options.block_bytes, 4096u, kSharedBlockBytesMax);
    options.keep = std::max(options.keep, 1u);
    if (options.id == 0) options.id = Catalog::random_id();
    if (options.created == 0) options.created = static_cast<std::uint64_t>(std::time(nullptr));
    return options;
}

bool is_fact_name(std::string_view name) noexcept {
    return !name.empty() && std::ranges::all_of(name, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
    });
}

}  // namespace

SnapshotWriter::SnapshotWriter(Catalog& catalog, const WriterOptions& options, Manifest manifest,
                               std::string directory)
    : catalog_(catalog),
      options_(options),
      directory_(std::move(directory)),
      manifest_(std::move(manifest)) {}

SnapshotWriter::~SnapshotWriter() {
    if (state_ == State::Writing) abort();
}

Result<std::unique_ptr<SnapshotWriter>> SnapshotWriter::create(Catalog& catalog, Kind kind,
                                                               std::string_view name,
                                                               const WriterOptions& asked_options) {
    if (auto result = catalog.require_lock(); !result) return std::unexpected(result.error());
    const WriterOptions options = sanitized(asked_options);
    Manifest manifest{.kind = kind,
                      .name = kind == Kind::Contents
                                  ? Catalog::snapshot_name(options.created, options.id)
                                  : Catalog::result_name(name),
                      .id = options.id,
                      .created = options.created,
                      .shards = options.shards,
                      .codec = options.codec};
    if (kind == Kind::Contents ? !name.empty() : !Catalog::is_result_name(manifest.name)) {
        return fail(ErrorKind::Invalid,
                    fmt::format("\"{}\" cannot be used as a name: up to 200 of A-Z a-z 0-9 . _ - "
                                "and not starting with a dot",
                                name));
    }
    uring::FileSystem& fs = catalog.fs();
    const auto taken = fs.stat(catalog.path_of(manifest.name));
    if (!taken) return fail(taken.error());
    if (*taken) {
        return fail(ErrorKind::Exists, catalog.path_of(manifest.name) + " is there already");
    }
    std::string directory = manifest.name;
    if (kind == Kind::Result) directory += kTemporarySuffix;
    if (auto result = catalog.begin_save(directory); !result) {
        return std::unexpected(result.error());
    }
    std::unique_ptr<SnapshotWriter> writer(
        new SnapshotWriter(catalog, options, std::move(manifest), directory));
    // What an interrupted run of the same job has left.
    const auto leftover = fs.stat(catalog.path_of(directory));
    if (!leftover) return fail(leftover.error());
    if (*leftover) {
        if (auto result = catalog.remove_tree(directory); !result) {
            return std::unexpected(result.error());
        }
    }
    if (auto result = fs.make_directory(catalog.path_of(directory)); !result) {
        return fail(result.error());
    }
    return writer;
}

Result<std::unique_ptr<ShardFileWriter>> SnapshotWriter::open_file() {
    std::uint32_t number = 0;
    {
        const std::lock_guard lock(mutex_);
        SHARDMILL_ASSERT(state_ == State::Writing);
        if (manifest_.files.size() == kFilesMax) {
            return fail(ErrorKind::Invalid, fmt::format("{} has too many files", name()));
        }
        number = static_cast<std::uint32_t>(manifest_.files.size());
        manifest_.files.emplace_back();
        finished_.push_back(false);
    }
    auto file =
        catalog_.fs().create(path_of(shard_file_name(number)) + std::string(kTemporarySuffix));
    if (!file) return fail(file.error());
    std::unique_ptr<ShardFileWriter> writer(new ShardFileWriter(*this, number, std::move(*file)));
    if (auto result = writer->begin(); !result) return std::unexpected(result.error());
    return writer;
}

void SnapshotWriter::set_fact(std::string_view fact_name, std::string_view value) {
    SHARDMILL_ASSERT(is_fact_name(fact_name));
    const std::lock_guard lock(mutex_);
    auto& facts = manifest_.facts;
    const auto known =
        std::ranges::find(facts, fact_name, &std::pair<std::string, std::string>::first);
    if (known != facts.end()) {
        known->second = value;
    } else {
        facts.emplace_back(fact_name, value);
    }
}

void SnapshotWriter::note_highest_cas(std::uint64_t cas) noexcept {
    const std::lock_guard lock(mutex_);
    manifest_.highest_cas = std::max(manifest_.highest_cas, cas);
}

void SnapshotWriter::file_finished(std::uint32_t file, const FileEntry& entry,
                                   std::uint64_t highest_cas) {
    const std::lock_guard lock(mutex_);
    manifest_.files[file] = entry;
    manifest_.highest_cas = std::max(manifest_.highest_cas, highest_cas);
    finished_[file] = true;
}

Result<Manifest> SnapshotWriter::commit() {
    SHARDMILL_ASSERT(state_ == State::Writing);
    if (auto result = commit_steps(); !result) {
        abort();
        return std::unexpected(result.error());
    }
    state_ = State::Committed;
    catalog_.end_save(manifest_.kind == Kind::Result ? name() + std::string(kTemporarySuffix)
                                                     : name());
    return manifest_;
}

Result<void> SnapshotWriter::commit_steps() {
    if (auto result = name_files(); !result) return result;
    if (auto result = write_manifest(); !result) return result;
    return manifest_.kind == Kind::Contents ? commit_contents() : commit_result();
}

Result<void> SnapshotWriter::name_files() {
    const std::lock_guard lock(mutex_);
    for (std::uint32_t file = 0; file < finished_.size(); ++file) {
        const std::string path = path_of(shard_file_name(file));
        if (!finished_[file]) {
            return fail(ErrorKind::Invalid, path + " was not finished: nothing is committed");
        }
        if (auto result = catalog_.fs().rename(path + std::string(kTemporarySuffix), path);
            !result) {
            return fail(result.error());
        }
    }
    return {};
}

Result<void> SnapshotWriter::write_manifest() {
    uring::FileSystem& fs = catalog_.fs();
    const std::string path = path_of(kManifestFile);
    const std::string text = format_manifest(manifest_);
    if (text.size() > kSmallFileBytesMax) {
        return fail(ErrorKind::Invalid, path + ": the facts to be kept are too long");
    }
    if (auto result = prepare_small_file(fs, path, text); !result) return result;
    // The shard files' names first: a manifest on disk promises that they are there.
    if (auto result = fs.sync_directory(catalog_.path_of(directory_)); !result) {
        return fail(result.error());
    }
    if (auto result = fs.rename(path + std::string(kTemporarySuffix), path); !result) {
        return fail(result.error());
    }
    if (auto result = fs.sync_directory(catalog_.path_of(directory_)); !result) {
        return fail(result.error());
    }
    return {};
}

Result<void> SnapshotWriter::commit_contents() {
    uring::FileSystem& fs = catalog_.fs();
    // A CURRENT that cannot be read is replaced all the same: a sound snapshot is better than none.
    const std::optional<std::string> previous = catalog_.current().value_or(std::nullopt);
    // The directory's own name must be on disk before CURRENT says it.
    if (auto result = fs.sync_directory(catalog_.directory()); !result) return fail(result.error());
    if (auto result = catalog_.set_current(name()); !result) return result;
    if (auto result = fs.sync_directory(catalog_.directory()); !result) {
        restore_current(previous);
        return fail(result.error());
    }
    // From here on it is committed, whatever becomes of the old ones: the next save tries again.
    catalog_.end_save(name());
    (void)catalog_.prune(options_.keep, previous.value_or(std::string()));
    return {};
}

void SnapshotWriter::restore_current(const std::optional<std::string>& previous) noexcept {
    // Nobody knows which of the two names the disk holds now, so both directories stay until a
    // later save succeeds.
    keep_on_abort_ = true;
    if (auto result = previous ? catalog_.set_current(*previous) : catalog_.clear_current();
        result) {
        (void)catalog_.fs().sync_directory(catalog_.directory());
    }
}

Result<void> SnapshotWriter::commit_result() {
    uring::FileSystem& fs = catalog_.fs();
    if (auto result = fs.rename(catalog_.path_of(directory_), catalog_.path_of(name())); !result) {
        return fail(result.error());
    }
    directory_ = name();
    if (auto result = fs.sync_directory(catalog_.directory()); !result) return fail(result.error());
    return {};
}

void SnapshotWriter::abort() noexcept {
    if (state_ != State::Writing) return;
    state_ = State::Aborted;
    if (!keep_on_abort_) (void)catalog_.remove_tree(directory_);
    catalog_.end_save(manifest_.kind == Kind::Result ? name() + std::string(kTemporarySuffix)
                                                     : name());
}

std::string SnapshotWriter::path_of(std::string_view file) const {
    return fmt::format("{}/{}", catalog_.path_of(directory_), file);
}

}  // namespace shardmill::snapshot
