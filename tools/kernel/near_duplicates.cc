// near_duplicates:<text>[,<percent>]: items whose texts are nearly the same. An example of a
// plug-in that keeps something of every item and does its main work at the end.
//
// MinHash (A. Broder, "On the resemblance and containment of documents", 1997): of the set of all
// runs of three words of a text, 64 different hash functions keep their smallest value each. Two
// texts agree in such a value with the probability of their resemblance (common runs / all runs),
// so that the share of values they agree in estimates it, with a standard error of at most 1 / 16.
// Candidates are found by banding (J. Leskovec et al., "Mining of Massive Datasets", chapter 3): 16
// bands of 4 values; texts that resemble each other by 80 % share a band in 99.98 of 100 cases.

#include <algorithm>
#include <array>
#include <cstdint>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "shardmill/kernel.hpp"

namespace k = shardmill::kernel;

namespace {

constexpr std::size_t kValues = 64;
constexpr std::size_t kBandValues = 4;
constexpr std::size_t kRunWords = 3;

using Signature = std::array<std::uint32_t, kValues>;

std::uint64_t mix(std::uint64_t number) {  // the finalizer of MurmurHash3
    number = (number ^ number >> 33) * 0xff51afd7ed558ccdu;
    number = (number ^ number >> 33) * 0xc4ceb9fe1a85ec53u;
    return number ^ number >> 33;
}

bool in_word(char byte) {
    const auto letter = static_cast<unsigned char>(byte | 0x20);
    return (letter >= 'a' && letter <= 'z') || (byte >= '0' && byte <= '9') ||
           static_cast<unsigned char>(byte) >= 0x80;
}

/// Hash functions by multiplying and adding, the upper half of the product being the value.
void add_run(Signature& signature, std::uint64_t run) {
    std::uint64_t factor = mix(run) | 1;
    for (std::uint32_t& smallest : signature) {
        factor = factor * 0x9e3779b97f4a7c15u + run;
        smallest = std::min(smallest, static_cast<std::uint32_t>(factor >> 32));
    }
}

/// False: the text has no word. Case does not matter.
bool sign(std::string_view text, Signature& signature) {
    signature.fill(UINT32_MAX);
    std::array<std::uint64_t, kRunWords> last{};
    std::size_t words = 0;
    for (std::size_t at = 0; at < text.size();) {
        std::uint64_t word = 0;
        std::size_t end = at;
        for (; end < text.size() && in_word(text[end]); ++end)
            word = (word ^ static_cast<unsigned char>(text[end] | 0x20)) * 0x100000001b3u;
        if (end == at) {
            ++at;
            continue;
        }
        at = end;
        last[words++ % kRunWords] = mix(word);
        if (words < kRunWords) continue;
        std::uint64_t run = 0;
        for (std::size_t index = 0; index < kRunWords; ++index)
            run = mix(run + last[(words + index) % kRunWords]);
        add_run(signature, run);
    }
    // Too short for a run: what there is stands for itself.
    if (words > 0 && words < kRunWords) add_run(signature, last[0] + mix(last[1]));
    return words > 0;
}

double resemblance(const Signature& left, const Signature& right) {
    std::size_t same = 0;
    for (std::size_t at = 0; at < kValues; ++at) same += left[at] == right[at];
    return static_cast<double>(same) / kValues;
}

class NearDuplicates {
 public:
    static constexpr k::Description description{
        "near_duplicates", ":<text>[,<percent>]",
        "items whose texts are alike by that much (80), with the first one they are like"};

    explicit NearDuplicates(std::span<const k::Argument> arguments) {
        if (arguments.empty() || arguments.size() > 2)
            throw k::Error("needs a text, and may have a percentage");
        if (arguments[0].kind != SHARDMILL_ARGUMENT_EXPRESSION)
            throw k::Error("must be an expression", 1);
        if (arguments.size() == 1) return;
        const k::Argument& percent = arguments[1];
        const bool whole =
            percent.kind == SHARDMILL_ARGUMENT_LITERAL && percent.value.kind == SHARDMILL_INT;
        if (!whole || percent.value.integer < 50 || percent.value.integer > 100)
            throw k::Error("the percentage must be from 50 to 100", 2);
        least_ = static_cast<double>(percent.value.integer) / 100;
    }
    std::vector<std::string> columns() const { return {"of", "resemblance"}; }

    class Partial {
     public:
        Partial(const NearDuplicates& kernel, k::Host host) : least_(kernel.least_), host_(host) {}
        ~Partial() { host_.give(held_, static_cast<std::int64_t>(texts_.size())); }

        void map(const k::Block& block) {
            for (std::size_t index = 0; index < block.count(); ++index) {
                const k::Value& text = block.column(0)[index];
                Signature signature;
                if (k::has_bytes(text) && sign(k::bytes_of(text), signature))
                    add(k::key_of(block.items()[index]), signature);
            }
        }
        void merge(Partial& other) {
            for (const Text& text : other.texts_) add(text.key, text.signature);
        }
        void save(k::Writer& writer) const {
            for (const Text& text : texts_) {
                writer.string(text.key);
                for (const std::uint32_t value : text.signature) writer.number(value);
            }
        }
        void load(k::Reader& reader) {
            while (!reader.at_end()) {
                const std::string_view key = reader.string();
                Signature signature;
                for (std::uint32_t& value : signature) value = reader.number<std::uint32_t>();
                add(key, signature);
            }
        }
        void finish(k::Emitter& emitter) {
            // In the order of keys, so that the answer does not depend on who saw what.
            std::sort(texts_.begin(), texts_.end(), [](const Text& left, const Text& right) {
                return std::tie(left.key, left.signature) < std::tie(right.key, right.signature);
            });
            firsts_.resize(texts_.size());
            std::iota(firsts_.begin(), firsts_.end(), std::size_t{0});
            for (std::size_t band = 0; band < kValues; band += kBandValues) join_alike(band);
            for (std::size_t at = 0; at < texts_.size(); ++at) {
                const Text& first = texts_[first_of(at)];
                if (&first == &texts_[at]) continue;
                const k::Value columns[] = {
                    k::string_value(first.key),
                    k::double_value(resemblance(texts_[at].signature, first.signature))};
                emitter.row(texts_[at].key, columns);
            }
        }

     private:
        struct Text {
            std::string key;
            Signature signature;
        };
        /// Twice, as the vector grows by doubling; and what finish needs for it: its place among
        /// the firsts and in the buckets of a band.
        static constexpr std::int64_t kTextBytes = 2 * sizeof(Text) + 80;

        void add(std::string_view key, const Signature& signature) {
            const std::int64_t bytes = kTextBytes + static_cast<std::int64_t>(key.size());
            host_.take(bytes, 1);
            held_ += bytes;
            texts_.push_back({std::string(key), signature});
        }
        /// Texts that share the band are compared with the first and the last such before them: of
        /// many equal ones not every pair.
        void join_alike(std::size_t band) {
            std::unordered_map<std::uint64_t, std::pair<std::size_t, std::size_t>> buckets;
            for (std::size_t at = 0; at < texts_.size(); ++at) {
                std::uint64_t hash = 0;
                for (std::size_t value = band; value < band + kBandValues; ++value)
                    hash = mix(hash + texts_[at].signature[value]);
                const auto [bucket, added] = buckets.try_emplace(hash, at, at);
                if (added) continue;
                join(bucket->second.first, at);
                join(bucket->second.second, at);
                bucket->second.second = at;
            }
        }
        void join(std::size_t earlier, std::size_t later) {
            if (resemblance(texts_[earlier].signature, texts_[later].signature) < least_) return;
            const auto [first, second] = std::minmax({first_of(earlier), first_of(later)});
            firsts_[second] = first;
        }
        std::size_t first_of(std::size_t at) {
            while (firsts_[at] != at) at = firsts_[at] = firsts_[firsts_[at]];
            return at;
        }

        const double least_;
        k::Host host_;
        std::vector<Text> texts_;
        std::vector<std::size_t> firsts_;  // of each, an earlier one of its group, or itself
        std::int64_t held_ = 0;
    };

 private:
    double least_ = 0.8;
};

}  // namespace

SHARDMILL_KERNEL_LIBRARY(NearDuplicates);
