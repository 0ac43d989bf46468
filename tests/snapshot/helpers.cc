#include "snapshot/helpers.h"

namespace shardmill::snapshot {

Items random_items(std::uint64_t seed, std::size_t count, std::size_t value_bytes_max) {
    std::mt19937_64 random(seed);
    const auto text = [&random](std::size_t bytes, bool binary) {
        std::string out(bytes, '\0');
        for (char& c : out) c = static_cast<char>(binary ? random() : 'a' + random() % 4);
        return out;
    };
    Items items;
    for (std::size_t i = 0; i < count; ++i) {
        OwnedItem item;
        const bool binary = random() % 4 == 0;
        item.key = text(1 + random() % 250, binary);
        if (random() % 10 != 0) item.value = text(random() % (value_bytes_max + 1), binary);
        if (random() % 2 == 0) item.client_flags = static_cast<std::uint32_t>(random());
        if (random() % 2 == 0) item.exptime = static_cast<std::uint32_t>(random());
        if (random() % 2 == 0) item.cas = random();
        item.header_bits = static_cast<std::uint32_t>(random()) & kKeptHeaderBits;
        items.push_back(std::move(item));
    }
    return items;
}

std::unique_ptr<Catalog> open_catalog(uring::FileSystem& fs, const std::string& path) {
    auto catalog = Catalog::open(fs, path);
    if (!catalog) ADD_FAILURE() << problem(catalog);
    return catalog ? std::move(*catalog) : nullptr;
}

Result<Manifest> save(Catalog& catalog, const std::vector<Items>& files,
                      const WriterOptions& options, Kind kind, std::string_view name) {
    auto writer = SnapshotWriter::create(catalog, kind, name, options);
    if (!writer) return std::unexpected(writer.error());
    for (const Items& items : files) {
        auto file = (*writer)->open_file();
        if (!file) return std::unexpected(file.error());
        for (const OwnedItem& item : items) {
            if (auto result = (*file)->append(item.view()); !result) {
                return std::unexpected(result.error());
            }
        }
        if (auto result = (*file)->finish(); !result) return std::unexpected(result.error());
    }
    return (*writer)->commit();
}

Result<Items> load(uring::FileSystem& fs, std::string_view name, const std::string& path) {
    const auto reader = SnapshotReader::open(fs, path, name);
    if (!reader) return std::unexpected(reader.error());
    Items items;
    const auto result = (*reader)->visit_all([&items](std::span<const Item> batch) {
        for (const Item& item : batch) items.emplace_back(item);
        return true;
    });
    if (!result) return std::unexpected(result.error());
    return items;
}

Items joined(const std::vector<Items>& files) {
    Items all;
    for (const Items& items : files) all.insert(all.end(), items.begin(), items.end());
    return all;
}

}  // namespace shardmill::snapshot
