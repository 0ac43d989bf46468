#include <fmt/core.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/base64.h"
#include "base/utf8.h"
#include "cli/commands.h"
#include "snapshot/catalog.h"
#include "snapshot/reader.h"
#include "snapshot/side_by_side.h"
#include "snapshot/writer.h"
#include "text/json.h"

namespace shardmill::cli {

namespace {

using snapshot::CatalogEntry;

int failed(const snapshot::Error& error) {
    fmt::print(stderr, "shardmill-cli: {}\n", error.what);
    return kExitFailed;
}

/// "name":"text", or "name_base64":"..." where JSON has no way to say it.
void append_text(std::string& out, std::string_view name, std::string_view text) {
    if (base::is_utf8(text)) {
        out += fmt::format("\"{}\":{}", name, text::json_string(text));
    } else {
        out += fmt::format("\"{}_base64\":\"{}\"", name, base::base64_encode(text));
    }
}

std::string item_json(const snapshot::Item& item) {
    std::string out = "{";
    append_text(out, "key", item.key);
    if (item.client_flags != 0) out += fmt::format(",\"flags\":{}", item.client_flags);
    if (item.exptime != 0) out += fmt::format(",\"exptime\":{}", item.exptime);
    if (item.cas != 0) out += fmt::format(",\"cas\":{}", item.cas);
    const auto flag = [&](std::uint32_t bit, const char* name) {
        if ((item.header_bits & bit) != 0) out += fmt::format(",\"{}\":true", name);
    };
    flag(store::ItemHeader::kHit, "fetched");
    flag(store::ItemHeader::kStale, "stale");
    flag(store::ItemHeader::kWin, "win");
    flag(store::ItemHeader::kBinaryKey, "binary_key");
    out += ',';
    append_text(out, "value", item.value);
    out += "}\n";
    return out;
}

struct Opened {
    std::unique_ptr<snapshot::Catalog> catalog;
    std::unique_ptr<snapshot::SnapshotReader> reader;
};

/// Results of jobs can be looked at by the name of their directory.
snapshot::Result<std::unique_ptr<snapshot::SnapshotReader>> open_reader(
    const snapshot::Catalog& catalog, const std::string& name) {
    std::string directory = name;
    if (!snapshot::Catalog::is_result_name(name)) {
        const auto entry = catalog.find(name);
        if (!entry) return std::unexpected(entry.error());
        directory = entry->name;
    }
    return snapshot::SnapshotReader::open(catalog.fs(), catalog.directory(), directory);
}

snapshot::Result<Opened> open(const SnapshotFilesOptions& options) {
    auto catalog = snapshot::Catalog::inspect(uring::real_file_system(), options.directory);
    if (!catalog) return std::unexpected(std::move(catalog.error()));
    auto reader = open_reader(**catalog, options.name);
    if (!reader) return std::unexpected(std::move(reader.error()));
    return Opened{std::move(*catalog), std::move(*reader)};
}

/// In the order in which eviction would have taken the items.
snapshot::Result<void> visit_in_order(const snapshot::SnapshotReader& reader,
                                      const snapshot::BlockVisitor& visitor) {
    snapshot::SideBySide files(reader);
    for (std::uint32_t file = 0; file < reader.files(); ++file) {
        if (auto added = files.add(file); !added) return std::unexpected(added.error());
    }
    while (!files.empty()) {
        if (auto read = files.step(visitor); !read) return read;
    }
    return {};
}

void print_sound(const Common& common, const snapshot::Manifest& manifest, std::uint64_t ms) {
    const snapshot::Totals totals = manifest.totals();
    if (common.json) {
        fmt::print("{{\"name\":{},\"state\":\"sound\",\"items\":{},\"bytes\":{},\"ms\":{}}}\n",
                   text::json_string(manifest.name), totals.items, totals.file_bytes, ms);
    } else {
        fmt::print("{}  sound  items {}  bytes {}  ms {}\n", manifest.name, totals.items,
                   totals.file_bytes, ms);
    }
}

bool verify_one(const Common& common, const snapshot::Catalog& catalog, const std::string& name) {
    const auto started = std::chrono::steady_clock::now();
    const auto reader = open_reader(catalog, name);
    if (!reader) {
        failed(reader.error());
        return false;
    }
    const auto read = (*reader)->visit_all([](std::span<const snapshot::Item>) { return true; });
    if (!read) {
        failed(read.error());
        return false;
    }
    const auto spent = std::chrono::steady_clock::now() - started;
    print_sound(common, (*reader)->manifest(),
                static_cast<std::uint64_t>(
                    std::chrono::duration_cast<std::chrono::milliseconds>(spent).count()));
    return true;
}

/// The items of one snapshot spread over the files of another.
snapshot::Result<snapshot::Manifest> copy(const snapshot::SnapshotReader& from,
                                          snapshot::Catalog& to,
                                          const SnapshotFilesOptions& options) {
    const snapshot::Manifest& manifest = from.manifest();
    constexpr unsigned kKeepAll = ~0u;
    auto writer = snapshot::SnapshotWriter::create(
        to, snapshot::Kind::Contents, {},
        {.shards = manifest.shards,
         .created = manifest.created,
         .codec = options.codec == "none" ? snapshot::Codec::None : snapshot::Codec::Zstd,
         .zstd_level = options.level,
         .keep = kKeepAll});
    if (!writer) return std::unexpected(std::move(writer.error()));
    (*writer)->note_highest_cas(manifest.highest_cas);
    for (const auto& [name, value] : manifest.facts) (*writer)->set_fact(name, value);
    std::vector<std::unique_ptr<snapshot::ShardFileWriter>> files;
    const std::uint32_t count = options.files != 0 ? options.files : from.files();
    while (files.size() < std::max(count, 1u)) {
        auto file = (*writer)->open_file();
        if (!file) return std::unexpected(std::move(file.error()));
        files.push_back(std::move(*file));
    }
    snapshot::Result<void> written;
    std::size_t next = 0;
    const auto read = visit_in_order(from, [&](std::span<const snapshot::Item> items) {
        for (const snapshot::Item& item : items) {
            written = files[next]->append(item);
            if (!written) return false;
            next = (next + 1) % files.size();
        }
        return true;
    });
    if (!written) return std::unexpected(std::move(written.error()));
    if (!read) return std::unexpected(read.error());
    for (const auto& file : files) {
        if (auto finished = file->finish(); !finished) return std::unexpected(finished.error());
    }
    files.clear();
    return (*writer)->commit();
}

}  // namespace

int run_snapshot_verify(const Common& common, const SnapshotFilesOptions& options) {
    const auto catalog = snapshot::Catalog::inspect(uring::real_file_system(), options.directory);
    if (!catalog) return failed(catalog.error());
    if (!options.name.empty()) {
        return verify_one(common, **catalog, options.name) ? kExitOk : kExitFailed;
    }
    const auto entries = (*catalog)->list();
    if (!entries) return failed(entries.error());
    bool sound = true;
    std::size_t checked = 0;
    for (const CatalogEntry& entry : *entries) {
        if (entry.state == CatalogEntry::State::Incomplete) continue;
        ++checked;
        sound = verify_one(common, **catalog, entry.name) && sound;
    }
    if (const auto current = (*catalog)->current(); !current) return failed(current.error());
    if (checked == 0)
        fmt::print(stderr, "shardmill-cli: nothing is kept in {}\n", options.directory);
    return sound && checked != 0 ? kExitOk : kExitFailed;
}

int run_snapshot_dump(const SnapshotFilesOptions& options) {
    const auto opened = open(options);
    if (!opened) return failed(opened.error());
    const auto read = visit_in_order(*opened->reader, [](std::span<const snapshot::Item> items) {
        for (const snapshot::Item& item : items) {
            const std::string line = item_json(item);
            if (std::fwrite(line.data(), 1, line.size(), stdout) != line.size()) return false;
        }
        return true;
    });
    if (std::ferror(stdout) != 0 || std::fflush(stdout) != 0) {
        return failed({snapshot::ErrorKind::Io, "the output cannot be written"});
    }
    return read ? kExitOk : failed(read.error());
}

int run_snapshot_convert(const Common& common, const SnapshotFilesOptions& options) {
    const auto opened = open(options);
    if (!opened) return failed(opened.error());
    if (opened->reader->manifest().kind != snapshot::Kind::Contents) {
        return failed({snapshot::ErrorKind::Invalid, options.name + " is the result of a job"});
    }
    const auto catalog = snapshot::Catalog::open(uring::real_file_system(), options.to);
    if (!catalog) return failed(catalog.error());
    const auto manifest = copy(*opened->reader, **catalog, options);
    if (!manifest) return failed(manifest.error());
    if (common.json) {
        fmt::print("{{\"name\":{},\"items\":{},\"bytes\":{},\"files\":{}}}\n",
                   text::json_string(manifest->name), manifest->totals().items,
                   manifest->totals().file_bytes, manifest->files.size());
    } else {
        fmt::print("{}/{}  items {}  bytes {}  files {}\n", options.to, manifest->name,
                   manifest->totals().items, manifest->totals().file_bytes, manifest->files.size());
    }
    return kExitOk;
}

}  // namespace shardmill::cli
