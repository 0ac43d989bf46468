#include "kernel/items.h"

#include <fmt/format.h>

#include <fstream>
#include <random>
#include <stdexcept>

#include "base/hash.h"

namespace shardmill::kernel_check {

namespace {

constexpr std::uint64_t kMemory = 128u << 20;

std::string words(std::mt19937_64& random, std::size_t count) {
    static constexpr const char* kWords[] = {"the",         "cache", "Holds", "every",
                                             "item",        "twice", "or",    "42",
                                             "caf\xc3\xa9", "never", "again"};
    std::string text;
    for (std::size_t word = 0; word < count; ++word)
        text += fmt::format("{}{} ", kWords[random() % std::size(kWords)], random() % 40);
    return text;
}

SampleItem usual_item(std::mt19937_64& random, const std::string& prefix, std::size_t number) {
    SampleItem item{.key = fmt::format("{}:{}:{}", prefix, random() % 100, number)};
    if (random() % 4 == 0) item.client_flags = static_cast<std::uint32_t>(random() % 9);
    if (random() % 3 == 0) item.exptime = kNow + 1 + static_cast<std::uint32_t>(random() % 900'000);
    switch (random() % 16) {
        case 0:
            item.value = std::to_string(random() % 1000);
            return item;
        case 1:
            item.value = words(random, random() % 200) + "\n";
            return item;
        default:
            item.value = fmt::format(
                R"({{"id":{},"n":{},"d":{}.5,"lat":{}.25,"lon":{}.75,"group":"g{}","ok":{},"time":{},)"
                R"("text":"{}","list":[{},2],"none":null}})",
                number, random() % 100, random() % 100, random() % 90, random() % 180,
                random() % 20, random() % 2 == 0, kNow - random() % 100'000,
                words(random, random() % 30), random() % 10);
            return item;
    }
}

}  // namespace

StoredItems::StoredItems(const std::vector<SampleItem>& items)
    : shards_({.memory_limit = kMemory, .shards = 1, .item_bytes_max = 16u << 20, .evict = false}),
      size_(items.size()) {
    for (const SampleItem& item : items) {
        const store::NewItem fresh{.key = {item.key, base::hash_key(item.key)},
                                   .value_head = item.value,
                                   .client_flags = item.client_flags,
                                   .exptime = item.exptime};
        if (!shards_.lock(0)->put(fresh, nullptr, kNow)) {
            throw std::runtime_error(
                fmt::format("the items do not fit into {} MiB", kMemory >> 20));
        }
    }
    shards_.begin_cut(kNow);
    cut_ = shards_.collect_cut(0);
    for (const store::PinnedSegment& segment : cut_.segments) segment.claim();
}

StoredItems::~StoredItems() { shards_.release_cut(cut_.segments); }

std::vector<SampleItem> usual_items(const std::string& prefix, std::size_t count) {
    std::mt19937_64 random(base::hash_key(prefix));
    std::vector<SampleItem> items;
    for (std::size_t number = 0; number < count; ++number)
        items.push_back(usual_item(random, prefix, number));
    return items;
}

std::vector<SampleItem> items_of_lines(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    if (!file) throw std::runtime_error(path + " cannot be read");
    std::vector<SampleItem> items;
    for (std::string line; std::getline(file, line);)
        items.push_back({.key = fmt::format("line:{}", items.size() + 1), .value = line});
    if (items.empty()) throw std::runtime_error(path + " has no lines");
    return items;
}

std::vector<SampleItem> hostile_items() {
    std::string every_byte;
    for (int byte = 0; byte < 256; ++byte) every_byte += static_cast<char>(byte);
    std::vector<std::string> values = {"",
                                       std::string(1, '\0'),
                                       std::string(5, '\0'),
                                       "\n",
                                       " ",
                                       "-",
                                       "\"",
                                       "'",
                                       "\\",
                                       every_byte,
                                       std::string(300, '\xff'),
                                       "\xed\xa0\x80\xc0\xaf",
                                       "null",
                                       "true",
                                       "[]",
                                       "{}",
                                       "{",
                                       "[1,",
                                       "{\"text\":\"",
                                       R"({"text":"\u0000\ud800"})",
                                       R"({"text":""})",
                                       R"({"text":null,"n":"12","lat":"x"})",
                                       R"({"n":1e999})",
                                       R"({"n":-9223372036854775809})",
                                       R"({"n":18446744073709551615,"lat":91,"lon":-181})",
                                       R"({"lat":1e308,"lon":-1e308})",
                                       "18446744073709551616",
                                       "-9223372036854775808",
                                       "1e308",
                                       "-1e-320",
                                       "nan",
                                       "inf",
                                       "0x10",
                                       std::string(100, '9'),
                                       "0." + std::string(400, '0') + "1",
                                       std::string(2000, '['),
                                       std::string(2000, '{') + "\"a\":",
                                       std::string(1u << 20, 'a'),
                                       std::string((1u << 20) - 1, '\n'),
                                       std::string(70'000, '\xc3'),
                                       "{\"text\":\"" + std::string(100'000, ' ') + "\"}"};
    std::vector<SampleItem> items;
    for (std::string& value : values) {
        const std::size_t number = items.size();
        SampleItem& item = items.emplace_back(SampleItem{.key = fmt::format("hostile:{}", number)});
        item.value = std::move(value);
        item.client_flags = number % 2 == 0 ? 0 : UINT32_MAX;
        item.exptime = number % 3 == 0 ? 0 : number % 3 == 1 ? UINT32_MAX : kNow + 1;
    }
    const std::string longest = every_byte.substr(0, 250);
    for (const std::string& key : {std::string("k"), std::string(1, '\0'), std::string(250, ':'),
                                   std::string(250, '\xff'), longest}) {
        items.push_back({.key = key, .value = "value"});
    }
    return items;
}

}  // namespace shardmill::kernel_check
