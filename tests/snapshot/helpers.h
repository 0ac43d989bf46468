#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "snapshot/catalog.h"
#include "snapshot/reader.h"
#include "snapshot/writer.h"
#include "support/memory_file_system.h"

namespace shardmill::snapshot {

/// An item that owns its text.
struct OwnedItem {
    std::string key;
    std::string value;
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;
    std::uint64_t cas = 0;
    std::uint32_t header_bits = 0;

    OwnedItem() = default;
    OwnedItem(std::string k, std::string v) : key(std::move(k)), value(std::move(v)) {}
    explicit OwnedItem(const Item& item)
        : key(item.key),
          value(item.value),
          client_flags(item.client_flags),
          exptime(item.exptime),
          cas(item.cas),
          header_bits(item.header_bits) {}
    Item view() const {
        return {.key = key,
                .value = value,
                .client_flags = client_flags,
                .exptime = exptime,
                .cas = cas,
                .header_bits = header_bits};
    }
    bool operator==(const OwnedItem&) const = default;
};

using Items = std::vector<OwnedItem>;

inline constexpr const char* kDirectory = "/data";

/// Items with all combinations of fields, binary keys and bytes, a tenth of the values empty.
Items random_items(std::uint64_t seed, std::size_t count, std::size_t value_bytes_max);

std::unique_ptr<Catalog> open_catalog(uring::FileSystem& fs, const std::string& path = kDirectory);

/// One shard file per list. Small snapshots made with the same options are the same bytes.
Result<Manifest> save(Catalog& catalog, const std::vector<Items>& files,
                      const WriterOptions& options, Kind kind = Kind::Contents,
                      std::string_view name = {});

/// Everything in the order of the files, or why not.
Result<Items> load(uring::FileSystem& fs, std::string_view name,
                   const std::string& path = kDirectory);

Items joined(const std::vector<Items>& files);

/// For messages: "" when all went well.
template <typename T>
std::string problem(const Result<T>& result) {
    return result ? std::string() : result.error().what;
}

#define ASSERT_SUCCESS(expression)                            \
    do {                                                      \
        const auto& outcome = (expression);                   \
        ASSERT_TRUE(outcome.has_value()) << problem(outcome); \
    } while (false)

}  // namespace shardmill::snapshot
