#include "snapshot/reader.h"

#include <fmt/format.h>

#include <array>

#include "snapshot/catalog.h"
#include "snapshot/shard_file_reader.h"
#include "snapshot/small_file.h"

namespace shardmill::snapshot {

namespace {

constexpr std::size_t kBatchItems = 1024;

/// Hands over the items of one block and counts them.
Result<void> visit_block(const ShardFileReader& reader, const BlockHeader& header,
                         RecordParser& parser, const BlockVisitor& visitor, Totals& seen) {
    std::array<Item, kBatchItems> batch;
    for (std::uint32_t left = header.items; left != 0;) {
        std::size_t count = 0;
        for (; left != 0 && count < batch.size(); --left, ++count) {
            const std::uint64_t at = parser.offset();
            if (const char* why = parser.next(batch[count]); why != nullptr) {
                return reader.bad_record(at, why);
            }
            ++seen.items;
            seen.key_bytes += batch[count].key.size();
            seen.value_bytes += batch[count].value.size();
        }
        if (!visitor(std::span(batch).first(count))) {
            return fail(ErrorKind::Stopped, "stopped as asked");
        }
    }
    if (!parser.done()) return reader.bad_record(parser.offset(), "bytes behind the last record");
    return {};
}

}  // namespace

FileVisit::FileVisit(const Manifest& manifest, std::unique_ptr<ShardFileReader> file)
    : manifest_(&manifest), file_(std::move(file)) {}
FileVisit::FileVisit(FileVisit&&) noexcept = default;
FileVisit& FileVisit::operator=(FileVisit&&) noexcept = default;
FileVisit::~FileVisit() = default;

bool FileVisit::at_end() const noexcept { return !has_header_ && file_->at_end(); }

Result<void> FileVisit::take_header() {
    if (has_header_) return {};
    if (const auto header = file_->next_block(); !header) return std::unexpected(header.error());
    has_header_ = true;
    return {};
}

Result<void> FileVisit::next(const BlockVisitor& visitor) {
    if (auto taken = take_header(); !taken) return taken;
    has_header_ = false;
    const auto records = file_->records();
    if (!records) return std::unexpected(records.error());
    RecordParser parser(manifest_->kind, *records);
    return visit_block(*file_, file_->header(), parser, visitor, seen_);
}

Result<bool> FileVisit::skip(std::uint64_t items) {
    if (auto taken = take_header(); !taken) return std::unexpected(taken.error());
    if (file_->header().items > items) return false;
    skipped_ += file_->header().items;
    has_header_ = false;
    return true;
}

Result<void> FileVisit::finish() const {
    return skipped_ == 0 ? file_->finish(seen_) : file_->finish();
}

SnapshotReader::SnapshotReader(uring::FileSystem& fs, std::string path, Manifest manifest,
                               const ReaderOptions& options)
    : fs_(fs), path_(std::move(path)), manifest_(std::move(manifest)), options_(options) {}

std::string SnapshotReader::file_path(std::uint32_t file) const {
    return fmt::format("{}/{}", path_, shard_file_name(file));
}

Result<std::unique_ptr<SnapshotReader>> SnapshotReader::open(uring::FileSystem& fs,
                                                             std::string directory,
                                                             std::string_view name,
                                                             const ReaderOptions& options) {
    // Names come from clients: nothing but a name of ours may become part of a path.
    if (!Catalog::is_snapshot_name(name) && !Catalog::is_result_name(name)) {
        return fail(ErrorKind::NotFound, fmt::format("\"{}\" is not a snapshot's name", name));
    }
    std::string path = fmt::format("{}/{}", directory, name);
    const std::string manifest_path = path + "/MANIFEST";
    const auto text = read_small_file(fs, manifest_path);
    if (!text) return std::unexpected(text.error());
    auto manifest = parse_manifest(*text, manifest_path);
    if (!manifest) return std::unexpected(manifest.error());
    const bool is_contents = manifest->kind == Kind::Contents;
    if (manifest->name != name || is_contents != Catalog::is_snapshot_name(name)) {
        return fail(ErrorKind::Corrupt, fmt::format("{} belongs to {}, not to {}", manifest_path,
                                                    manifest->name, name));
    }
    std::unique_ptr<SnapshotReader> reader(
        new SnapshotReader(fs, std::move(path), std::move(*manifest), options));
    if (auto result = reader->check_files(); !result) return std::unexpected(result.error());
    return reader;
}

Result<void> SnapshotReader::check_files() const {
    for (std::uint32_t file = 0; file < files(); ++file) {
        const auto info = fs_.stat(file_path(file));
        if (!info) return fail(info.error());
        if (!*info || (*info)->is_directory) {
            return fail(ErrorKind::Corrupt, file_path(file) + " is missing");
        }
        const std::uint64_t expected = manifest_.files[file].totals.file_bytes;
        if ((*info)->bytes != expected) {
            return fail(ErrorKind::Corrupt,
                        fmt::format("{} at byte {}: the file ends here, the manifest says at {}",
                                    file_path(file), (*info)->bytes, expected));
        }
    }
    return {};
}

Result<FileVisit> SnapshotReader::visit(std::uint32_t file) const {
    if (file >= files()) {
        return fail(ErrorKind::NotFound, fmt::format("{} has no file {}", path_, file));
    }
    auto reader =
        ShardFileReader::open(fs_, file_path(file), manifest_, file, options_.block_bytes_max);
    if (!reader) return std::unexpected(reader.error());
    return FileVisit(manifest_, std::move(*reader));
}

Result<void> SnapshotReader::visit_file(std::uint32_t file, const BlockVisitor& visitor) const {
    auto opened = visit(file);
    if (!opened) return std::unexpected(opened.error());
    while (!opened->at_end()) {
        if (auto result = opened->next(visitor); !result) return result;
    }
    return opened->finish();
}

Result<void> SnapshotReader::check_file(std::uint32_t file) const {
    return visit_file(file, [](std::span<const Item>) { return true; });
}

Result<void> SnapshotReader::visit_all(const BlockVisitor& visitor) const {
    for (std::uint32_t file = 0; file < files(); ++file) {
        if (auto result = visit_file(file, visitor); !result) return result;
    }
    return {};
}

Result<std::uint64_t> SnapshotReader::read_rows(
    std::uint64_t from, std::uint64_t rows, const std::function<bool(const Item&)>& visitor) const {
    Page page{.skip = from, .left = rows};
    for (std::uint32_t file = 0; file < files() && page.left != 0; ++file) {
        const std::uint64_t items = manifest_.files[file].totals.items;
        if (page.skip >= items) {
            page.skip -= items;
            continue;
        }
        if (auto result = read_page(file, page, visitor); !result) {
            return std::unexpected(result.error());
        }
    }
    return page.taken;
}

Result<void> SnapshotReader::read_page(std::uint32_t file, Page& page,
                                       const std::function<bool(const Item&)>& visitor) const {
    const auto reader =
        ShardFileReader::open(fs_, file_path(file), manifest_, file, options_.block_bytes_max);
    if (!reader) return std::unexpected(reader.error());
    while (!(*reader)->at_end() && page.left != 0) {
        const auto header = (*reader)->next_block();
        if (!header) return std::unexpected(header.error());
        if (page.skip >= header->items) {
            page.skip -= header->items;
            continue;
        }
        const auto records = (*reader)->records();
        if (!records) return std::unexpected(records.error());
        RecordParser parser(manifest_.kind, *records);
        for (std::uint32_t row = 0; row < header->items && page.left != 0; ++row) {
            const std::uint64_t at = parser.offset();
            Item item;
            if (const char* why = parser.next(item); why != nullptr) {
                return (*reader)->bad_record(at, why);
            }
            if (page.skip != 0) {
                --page.skip;
                continue;
            }
            ++page.taken;
            page.left = visitor(item) ? page.left - 1 : 0;
        }
    }
    return {};
}

}  // namespace shardmill::snapshot
