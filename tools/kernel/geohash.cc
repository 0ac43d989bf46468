// geohash:<latitude>,<longitude>[,<precision>]: how many items lie in each cell of a geohash grid.
// An example of a plug-in whose arguments are expressions, that counts by group and announces its
// memory, and that fails on single items. Build line and use: README.md beside this file.
//
// A geohash (G. Niemeyer, 2008) writes a cell of the earth's surface as text: the bits of longitude
// and latitude, halving the range each, take turns, five make a letter. 5 letters: about 5 km.

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "shardmill/kernel.hpp"

namespace k = shardmill::kernel;

namespace {

constexpr std::uint32_t kPrecisionMax = 12;
constexpr unsigned kBitsPerLetter = 5;

/// `precision` letters' bits of a place, the first one the highest.
std::uint64_t cell_of(double latitude, double longitude, std::uint32_t precision) {
    double low[2] = {-180, -90};
    double high[2] = {180, 90};
    const double place[2] = {longitude, latitude};
    std::uint64_t cell = 0;
    for (unsigned bit = 0; bit < precision * kBitsPerLetter; ++bit) {
        const unsigned axis = bit % 2;
        const double middle = (low[axis] + high[axis]) / 2;
        const bool upper = place[axis] >= middle;
        (upper ? low : high)[axis] = middle;
        cell = cell << 1 | static_cast<std::uint64_t>(upper);
    }
    return cell;
}

std::string letters_of(std::uint64_t cell, std::uint32_t precision) {
    static constexpr char kLetters[] = "0123456789bcdefghjkmnpqrstuvwxyz";
    std::string text(precision, '0');
    for (std::uint32_t letter = precision; letter > 0; --letter, cell >>= kBitsPerLetter)
        text[letter - 1] = kLetters[cell & 31];
    return text;
}

class Geohash {
 public:
    static constexpr k::Description description{
        "geohash", ":<latitude>,<longitude>[,<precision>]",
        "items in each cell of a geohash grid; precision 1 to 12 letters, 5 by default",
        SHARDMILL_KERNEL_NO_VALUES};

    explicit Geohash(std::span<const k::Argument> arguments) {
        if (arguments.size() < 2 || arguments.size() > 3)
            throw k::Error("needs a latitude and a longitude, and may have a precision");
        for (std::uint32_t index = 0; index < 2; ++index) {
            if (arguments[index].kind != SHARDMILL_ARGUMENT_EXPRESSION)
                throw k::Error("must be an expression", index + 1);
        }
        if (arguments.size() == 2) return;
        const k::Argument& precision = arguments[2];
        const bool whole =
            precision.kind == SHARDMILL_ARGUMENT_LITERAL && precision.value.kind == SHARDMILL_INT;
        if (!whole || precision.value.integer < 1 || precision.value.integer > kPrecisionMax)
            throw k::Error("the precision must be from 1 to 12", 3);
        precision_ = static_cast<std::uint32_t>(precision.value.integer);
    }
    std::vector<std::string> columns() const { return {"count"}; }

    class Partial {
     public:
        Partial(const Geohash& kernel, k::Host host) : precision_(kernel.precision_), host_(host) {}
        ~Partial() { host_.give(held(), static_cast<std::int64_t>(counts_.size())); }

        /// Items without coordinates are skipped; coordinates that are none fail their item.
        void map_item(const k::Block& block, std::size_t index) {
            const auto latitude = k::number_of(block.column(0)[index]);
            const auto longitude = k::number_of(block.column(1)[index]);
            if (!latitude || !longitude) return;
            if (!(*latitude >= -90 && *latitude <= 90 && *longitude >= -180 && *longitude <= 180))
                throw k::ItemError("no place on earth");
            add(cell_of(*latitude, *longitude, precision_), 1);
        }
        void merge(Partial& other) {
            for (const auto& [cell, count] : other.counts_) add(cell, count);
        }
        void save(k::Writer& writer) const {
            for (const auto& [cell, count] : counts_) {
                writer.number(cell);
                writer.number(count);
            }
        }
        void load(k::Reader& reader) {
            while (!reader.at_end()) {
                const auto cell = reader.number<std::uint64_t>();
                add(cell, reader.number<std::uint64_t>());
            }
        }
        void finish(k::Emitter& emitter) {
            for (const auto& [cell, count] : counts_) {
                const k::Value column = k::unsigned_value(count);
                emitter.row(letters_of(cell, precision_), {&column, 1});
            }
        }

     private:
        /// A node of the map with its share of the table, and what the allocator adds.
        static constexpr std::int64_t kCellBytes = 64;

        std::int64_t held() const { return static_cast<std::int64_t>(counts_.size()) * kCellBytes; }
        void add(std::uint64_t cell, std::uint64_t count) {
            const auto found = counts_.find(cell);
            if (found != counts_.end()) {
                found->second += count;
                return;
            }
            host_.take(kCellBytes, 1);
            counts_.emplace(cell, count);
        }

        const std::uint32_t precision_;
        k::Host host_;
        std::unordered_map<std::uint64_t, std::uint64_t> counts_;
    };

 private:
    std::uint32_t precision_ = 5;
};

}  // namespace

SHARDMILL_KERNEL_LIBRARY(Geohash);
