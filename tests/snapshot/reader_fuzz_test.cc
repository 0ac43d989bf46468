#include "snapshot/reader_fuzz.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace shardmill::snapshot {
namespace {

/// A few changes: flipped bits, sizes replaced by awkward ones, parts repeated, moved or cut out.
std::string mutated(std::string file, std::mt19937_64& random) {
    static constexpr std::uint32_t kAwkward[] = {0, 1, 7, 8, 0x7fffffff, 0x80000000, 0xffffffff};
    for (std::uint64_t change = 1 + random() % 4; change != 0 && file.size() > 8; --change) {
        const std::size_t at = random() % (file.size() - 4);
        const std::size_t bytes = random() % std::min<std::size_t>(file.size() - at, 200);
        switch (random() % 5) {
            case 0:
                file[at] = static_cast<char>(file[at] ^ (1 << random() % 8));
                break;
            case 1: {
                const std::uint32_t value = kAwkward[random() % std::size(kAwkward)];
                std::copy_n(reinterpret_cast<const char*>(&value), 4,
                            file.begin() + static_cast<long>(at));
                break;
            }
            case 2:
                file.erase(at, bytes);
                break;
            case 3:
                file.insert(at, file.substr(random() % file.size(), bytes));
                break;
            default:
                file[at] = static_cast<char>(random());
        }
    }
    return file;
}

class ReaderFuzzTest : public ::testing::TestWithParam<bool> {};

TEST_P(ReaderFuzzTest, SurvivesMutatedFiles) {
    std::mt19937_64 random(1);
    const std::string sound = fuzz_seed_file(1, GetParam());
    fuzz_reader(sound);
    for (int round = 0; round < 3000; ++round) fuzz_reader(mutated(sound, random));
}

TEST_P(ReaderFuzzTest, SurvivesMutatedFilesWhoseChecksumsAreRight) {
    std::mt19937_64 random(2);
    const std::string sound = fuzz_seed_file(2, GetParam());
    std::string same = sound;
    repair_checksums(same);
    ASSERT_TRUE(same == sound) << "repairing a sound file must change nothing";
    for (int round = 0; round < 3000; ++round) {
        std::string file = mutated(sound, random);
        repair_checksums(file);
        fuzz_reader(file);
    }
}

INSTANTIATE_TEST_SUITE_P(Codecs, ReaderFuzzTest, ::testing::Bool(),
                         [](const auto& param) { return param.param ? "Zstd" : "None"; });

TEST(ReaderNoiseTest, IsSurvived) {
    std::mt19937_64 random(3);
    for (int round = 0; round < 2000; ++round) {
        std::string noise(random() % 400, '\0');
        for (char& c : noise) c = static_cast<char>(random());
        fuzz_reader(noise);
        repair_checksums(noise);
        fuzz_reader(noise);
    }
}

}  // namespace
}  // namespace shardmill::snapshot
