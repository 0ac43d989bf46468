#include "snapshot/catalog.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <random>

#include "snapshot/small_file.h"

namespace shardmill::snapshot {

namespace {

constexpr std::string_view kCurrentFile = "CURRENT";
constexpr std::string_view kLockFile = "LOCK";
constexpr std::string_view kManifestFile = "MANIFEST";
constexpr std::string_view kSnapshotPrefix = "snap-";
constexpr std::string_view kResultPrefix = "result-";
constexpr std::size_t kJobNameMax = 200;
constexpr std::size_t kLabelMax = 64;

/// Of a path without a '/' at its end.
std::string parent_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return ".";
    return slash == 0 ? "/" : path.substr(0, slash);
}

void trim_slashes(std::string& path) {
    while (path.size() > 1 && path.back() == '/') path.pop_back();
}

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_hex(char c) noexcept { return is_digit(c) || (c >= 'a' && c <= 'f'); }
bool is_name_char(char c) noexcept {
    return is_digit(c) || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '_' || c == '-';
}

/// Names of directories a save makes, finished or not.
bool is_ours(std::string_view name) noexcept {
    if (name.ends_with(kTemporarySuffix)) {
        return Catalog::is_result_name(name.substr(0, name.size() - kTemporarySuffix.size()));
    }
    return Catalog::is_snapshot_name(name) || Catalog::is_result_name(name);
}

/// Not what has a label, and not what is damaged.
bool may_be_pruned(const CatalogEntry& entry) {
    return entry.state == CatalogEntry::State::Complete && Catalog::is_snapshot_name(entry.name) &&
           entry.manifest.fact(Catalog::kLabelFact).empty();
}

}  // namespace

Result<std::unique_ptr<Catalog>> Catalog::open(uring::FileSystem& fs, std::string directory) {
    trim_slashes(directory);
    const auto present = fs.stat(directory);
    if (!present) return fail(present.error());
    if (!*present) {
        if (auto result = fs.make_directory(directory); !result) return fail(result.error());
        if (auto result = fs.sync_directory(parent_of(directory)); !result) {
            return fail(result.error());
        }
    } else if (!(*present)->is_directory) {
        return fail(ErrorKind::Invalid, directory + " is not a directory: give another one");
    }
    std::unique_ptr<Catalog> catalog(new Catalog(fs, std::move(directory)));
    auto lock = fs.lock(catalog->path_of(kLockFile));
    if (!lock) {
        if (lock.error().code != EWOULDBLOCK) return fail(lock.error());
        return fail(ErrorKind::Locked,
                    fmt::format("{} is in use by another server: stop it or use another directory",
                                catalog->directory_));
    }
    catalog->lock_ = std::move(*lock);
    return catalog;
}

Result<std::unique_ptr<Catalog>> Catalog::inspect(uring::FileSystem& fs, std::string directory) {
    trim_slashes(directory);
    const auto present = fs.stat(directory);
    if (!present) return fail(present.error());
    if (!*present || !(*present)->is_directory) {
        return fail(ErrorKind::NotFound, "there is no directory " + directory);
    }
    return std::unique_ptr<Catalog>(new Catalog(fs, std::move(directory)));
}

Result<std::vector<std::string>> Catalog::names() const {
    const auto entries = fs_.list(directory_);
    if (!entries) return fail(entries.error());
    std::vector<std::string> names;
    for (const uring::DirectoryEntry& entry : *entries) {
        if (entry.is_directory && is_ours(entry.name)) names.push_back(entry.name);
    }
    return names;
}

CatalogEntry Catalog::look_at(const std::string& name) const {
    CatalogEntry entry{.name = name};
    if (name.ends_with(kTemporarySuffix) || is_active(name)) return entry;
    const std::string path = fmt::format("{}/{}", path_of(name), kManifestFile);
    const auto text = read_small_file(fs_, path);
    if (!text && text.error().kind == ErrorKind::NotFound) return entry;
    auto manifest =
        text ? parse_manifest(*text, path) : Result<Manifest>(std::unexpected(text.error()));
    if (manifest && manifest->name != name) {
        manifest = fail(ErrorKind::Corrupt,
                        fmt::format("{} belongs to {}, not to {}", path, manifest->name, name));
    }
    if (manifest) {
        entry.state = CatalogEntry::State::Complete;
        entry.manifest = std::move(*manifest);
    } else {
        entry.state = CatalogEntry::State::Damaged;
        entry.problem = manifest.error().what;
    }
    return entry;
}

Result<std::vector<CatalogEntry>> Catalog::list() const {
    const auto known = names();
    if (!known) return std::unexpected(known.error());
    const std::string current_name = current().value_or(std::nullopt).value_or(std::string());
    std::vector<CatalogEntry> entries;
    for (const std::string& name : *known) {
        entries.push_back(look_at(name));
        entries.back().current = name == current_name;
    }
    std::ranges::stable_sort(entries, [](const CatalogEntry& a, const CatalogEntry& b) {
        if (a.manifest.created != b.manifest.created)
            return a.manifest.created > b.manifest.created;
        return a.name > b.name;
    });
    return entries;
}

Result<CatalogEntry> Catalog::find(std::string_view name) const {
    const auto entries = list();
    if (!entries) return std::unexpected(entries.error());
    for (const CatalogEntry& entry : *entries) {
        if (!is_snapshot_name(entry.name) || entry.state == CatalogEntry::State::Incomplete) {
            continue;
        }
        const bool is_it = name.empty()
                               ? entry.current
                               : entry.name == name || entry.manifest.fact(kLabelFact) == name;
        if (is_it) return entry;
    }
    return fail(ErrorKind::NotFound,
                name.empty() ? fmt::format("there is no committed snapshot in {}", directory_)
                             : fmt::format("there is no snapshot {} in {}", name, directory_));
}

Result<std::optional<std::string>> Catalog::current() const {
    const std::string path = path_of(kCurrentFile);
    auto text = read_small_file(fs_, path);
    if (!text) {
        if (text.error().kind == ErrorKind::NotFound) return std::nullopt;
        return std::unexpected(text.error());
    }
    if (text->empty() || text->back() != '\n')
        return fail(ErrorKind::Corrupt, path + " is cut off");
    text->pop_back();
    if (!is_snapshot_name(*text)) {
        return fail(ErrorKind::Corrupt, path + " does not name a snapshot");
    }
    const auto there = fs_.stat(path_of(*text));
    if (!there) return fail(there.error());
    if (!*there) {
        return fail(ErrorKind::Corrupt,
                    fmt::format("{} names {}, which is not there", path, *text));
    }
    return *text;
}

Result<std::vector<std::string>> Catalog::complete_snapshots() const {
    const auto entries = list();
    if (!entries) return std::unexpected(entries.error());
    std::vector<std::string> complete;
    for (const CatalogEntry& entry : *entries) {
        if (entry.state == CatalogEntry::State::Complete && is_snapshot_name(entry.name)) {
            complete.push_back(entry.name);
        }
    }
    return complete;
}

Result<std::vector<std::string>> Catalog::load_candidates() const {
    const auto committed = current();
    if (!committed) return std::unexpected(committed.error());
    auto candidates = complete_snapshots();
    if (!candidates) return candidates;
    if (*committed) {
        std::erase(*candidates, **committed);
        candidates->insert(candidates->begin(), **committed);
    }
    return candidates;
}

Result<std::vector<std::string>> Catalog::results() const {
    const auto entries = list();
    if (!entries) return std::unexpected(entries.error());
    std::vector<std::string> jobs;
    for (const CatalogEntry& entry : *entries) {
        if (entry.state == CatalogEntry::State::Complete && is_result_name(entry.name)) {
            jobs.push_back(entry.name.substr(kResultPrefix.size()));
        }
    }
    return jobs;
}

Result<void> Catalog::remove(std::string_view name) {
    if (auto result = require_lock(); !result) return result;
    const std::string current_name = current().value_or(std::nullopt).value_or(std::string());
    if (name == current_name || is_active(name)) {
        return fail(ErrorKind::Invalid, fmt::format("{} is in use", name));
    }
    const auto there = is_ours(name) ? fs_.stat(path_of(name)) : std::nullopt;
    if (!there) return fail(there.error());
    if (!*there) return fail(ErrorKind::NotFound, fmt::format("there is no {}", path_of(name)));
    return remove_tree(name);
}

Result<void> Catalog::retire_snapshots() {
    if (auto result = require_lock(); !result) return result;
    const auto committed = current();
    const auto entries = list();
    if (!entries) return std::unexpected(entries.error());
    // The commitment first: what is left over when this breaks off is complete, but not committed.
    if (!committed || *committed) {
        if (auto result = clear_current(); !result) return result;
    }
    for (const CatalogEntry& entry : *entries) {
        if (!may_be_pruned(entry) || is_active(entry.name)) continue;
        if (auto result = remove_tree(entry.name); !result) return result;
    }
    return {};
}

Result<std::size_t> Catalog::remove_leftovers() {
    if (auto result = require_lock(); !result) return std::unexpected(result.error());
    const auto known = names();
    if (!known) return std::unexpected(known.error());
    std::size_t removed = 0;
    for (const std::string& name : *known) {
        if (is_active(name) || look_at(name).state != CatalogEntry::State::Incomplete) continue;
        if (auto result = remove_tree(name); !result) return std::unexpected(result.error());
        ++removed;
    }
    const std::string half_current = path_of(kCurrentFile) + std::string(kTemporarySuffix);
    const auto there = fs_.stat(half_current);
    if (!there) return fail(there.error());
    if (*there) {
        if (auto result = fs_.unlink(half_current); !result) return fail(result.error());
        ++removed;
    }
    return removed;
}

Result<void> Catalog::prune(unsigned keep, std::string_view previous) {
    if (auto result = require_lock(); !result) return result;
    const auto committed = current();
    if (!committed) return std::unexpected(committed.error());
    if (!*committed) return {};
    const auto entries = list();
    if (!entries) return std::unexpected(entries.error());
    std::vector<std::string> complete;
    for (const CatalogEntry& entry : *entries) {
        if (entry.current || may_be_pruned(entry)) complete.push_back(entry.name);
    }
    // Those to be kept come first.
    std::ranges::stable_sort(complete, [&](const std::string& a, const std::string& b) {
        const auto rank = [&](const std::string& name) {
            return name == **committed ? 0 : name == previous ? 1 : 2;
        };
        return rank(a) < rank(b);
    });
    for (std::size_t at = std::max(keep, 1u); at < complete.size(); ++at) {
        if (auto result = remove_tree(complete[at]); !result) return result;
    }
    return {};
}

Result<void> Catalog::remove_tree(std::string_view name) {
    const std::string path = path_of(name);
    const auto entries = fs_.list(path);
    if (!entries) {
        if (entries.error().code == ENOENT) return {};
        return fail(entries.error());
    }
    // The manifest goes first, so that a removal cut short is seen as what it is.
    const auto has_manifest = std::ranges::any_of(
        *entries, [](const uring::DirectoryEntry& entry) { return entry.name == kManifestFile; });
    const auto unlink = [&](std::string_view file) {
        return fs_.unlink(fmt::format("{}/{}", path, file));
    };
    if (has_manifest) {
        if (auto result = unlink(kManifestFile); !result) return fail(result.error());
    }
    for (const uring::DirectoryEntry& entry : *entries) {
        if (entry.name == kManifestFile) continue;
        if (auto result = unlink(entry.name); !result) return fail(result.error());
    }
    if (auto result = fs_.remove_directory(path); !result) return fail(result.error());
    return {};
}

Result<void> Catalog::set_current(std::string_view name) {
    return replace_small_file(fs_, path_of(kCurrentFile), fmt::format("{}\n", name));
}

Result<void> Catalog::clear_current() {
    if (auto result = fs_.unlink(path_of(kCurrentFile)); !result) return fail(result.error());
    return {};
}

Result<void> Catalog::require_lock() const {
    if (lock_ != nullptr) return {};
    return fail(ErrorKind::Invalid, directory_ + " was opened for looking only");
}

Result<void> Catalog::begin_save(const std::string& name) {
    const std::lock_guard lock(mutex_);
    if (active_.contains(name)) return fail(ErrorKind::Exists, name + " is being written");
    const bool saving = std::ranges::any_of(active_, is_snapshot_name);
    if (saving && is_snapshot_name(name)) {
        return fail(ErrorKind::Invalid, "another snapshot is being saved");
    }
    active_.insert(name);
    return {};
}

void Catalog::end_save(const std::string& name) noexcept {
    const std::lock_guard lock(mutex_);
    active_.erase(name);
}

bool Catalog::is_active(std::string_view name) const {
    const std::lock_guard lock(mutex_);
    return active_.contains(name);
}

std::string Catalog::path_of(std::string_view name) const {
    return fmt::format("{}/{}", directory_, name);
}

std::string Catalog::snapshot_name(std::uint64_t created, std::uint64_t id) {
    const auto time = static_cast<std::time_t>(created);
    std::tm utc{};
    ::gmtime_r(&time, &utc);
    return fmt::format("{}{:%Y%m%dT%H%M%SZ}-{:08x}", kSnapshotPrefix, utc, id >> 32);
}

std::string Catalog::result_name(std::string_view job) {
    return fmt::format("{}{}", kResultPrefix, job);
}

bool Catalog::is_label(std::string_view label) noexcept {
    return !label.empty() && label.size() <= kLabelMax && label.front() != '.' &&
           !label.starts_with(kSnapshotPrefix) && !label.starts_with(kResultPrefix) &&
           std::ranges::all_of(label, is_name_char);
}

bool Catalog::is_snapshot_name(std::string_view name) noexcept {
    // D: a digit, x: a hexadecimal digit, everything else itself.
    constexpr std::string_view kPattern = "snap-DDDDDDDDTDDDDDDZ-xxxxxxxx";
    return name.size() == kPattern.size() &&
           std::ranges::equal(name, kPattern, [](char c, char pattern) {
               return pattern == 'D' ? is_digit(c) : pattern == 'x' ? is_hex(c) : c == pattern;
           });
}

bool Catalog::is_result_name(std::string_view name) noexcept {
    if (!name.starts_with(kResultPrefix)) return false;
    const std::string_view job = name.substr(kResultPrefix.size());
    return !job.empty() && job.size() <= kJobNameMax && job.front() != '.' &&
           !job.ends_with(kTemporarySuffix) && std::ranges::all_of(job, is_name_char);
}

std::uint64_t Catalog::random_id() {
    std::random_device random;
    for (;;) {
        const std::uint64_t id = std::uint64_t{random()} << 32 | random();
        if (id != 0) return id;
    }
}

}  // namespace shardmill::snapshot
