#include "uring/file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <thread>

namespace shardmill::uring {
namespace {

/// A directory of its own for each test, removed afterwards.
class FileTest : public ::testing::Test {
 protected:
    void SetUp() override {
        std::string pattern = ::testing::TempDir() + "shardmill-file-XXXXXX";
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }

    std::string path(const std::string& name) const { return directory_ + "/" + name; }

    std::unique_ptr<File> create(const std::string& name) {
        auto file = fs_.create(path(name));
        EXPECT_TRUE(file) << file.error().what;
        return file ? std::move(*file) : nullptr;
    }

    std::string read_back(const std::string& name) {
        const auto file = fs_.open(path(name));
        if (!file) return file.error().what;
        std::string text(static_cast<std::size_t>(*(*file)->size()) + 10, '?');
        text.resize(*(*file)->read(text));
        return text;
    }

    FileSystem& fs_ = real_file_system();
    std::string directory_;
};

TEST_F(FileTest, AppendsAndReadsBack) {
    const auto file = create("a");
    ASSERT_TRUE(file->append(std::string_view("one ")));
    ASSERT_TRUE(file->append({}));
    ASSERT_TRUE(file->append(std::string_view("two")));
    EXPECT_EQ(*file->size(), 7u);
    ASSERT_TRUE(file->sync_data());
    ASSERT_TRUE(file->sync());
    EXPECT_EQ(read_back("a"), "one two");
    EXPECT_EQ(file->path(), path("a"));
}

TEST_F(FileTest, WritingSomewhereDoesNotMoveTheEnd) {
    const auto file = create("a");
    ASSERT_TRUE(file->append(std::string_view("0123")));
    ASSERT_TRUE(file->write_at(1, std::string_view("ab")));
    ASSERT_TRUE(file->append(std::string_view("45")));
    EXPECT_EQ(read_back("a"), "0ab345");
}

TEST_F(FileTest, ReadsInOrderAndAnywhere) {
    const auto file = create("a");
    ASSERT_TRUE(file->append(std::string_view("0123456789")));
    std::array<char, 4> out{};
    EXPECT_EQ(*file->read(out), 4u);
    EXPECT_EQ(*file->read_at(1, out), 4u);
    EXPECT_EQ(std::string_view(out.data(), 4), "1234");
    EXPECT_EQ(*file->read(out), 4u);
    EXPECT_EQ(std::string_view(out.data(), 4), "4567");
    EXPECT_EQ(*file->read(out), 2u) << "the file ends";
    EXPECT_EQ(*file->read(out), 0u);
    EXPECT_EQ(*file->read_at(100, out), 0u);
}

TEST_F(FileTest, KeepsAllOfALargeFileWhileItWritesBack) {
    // Several write-back windows, in pieces that do not fit them.
    std::string piece(777'777, '\0');
    for (std::size_t i = 0; i < piece.size(); ++i) piece[i] = static_cast<char>(i * 31 % 251);
    const auto file = create("a");
    for (int i = 0; i < 50; ++i) ASSERT_TRUE(file->append(piece));
    ASSERT_TRUE(file->sync());
    std::string back(piece.size(), '\0');
    for (std::uint64_t i = 0; i < 50; ++i) {
        ASSERT_EQ(*file->read_at(i * piece.size(), back), piece.size());
        ASSERT_TRUE(back == piece) << i;
    }
    EXPECT_EQ(*file->size(), 50 * piece.size());
}

TEST_F(FileTest, MixesLargeAlignedWritesWithOthers) {
    constexpr std::size_t kLarge = 1u << 20;
    const std::unique_ptr<char, decltype(&std::free)> memory(
        static_cast<char*>(std::aligned_alloc(4096, kLarge)), &std::free);
    std::string expected;
    const auto file = create("a");
    const auto append = [&](std::span<const char> bytes) {
        ASSERT_TRUE(file->append(bytes));
        expected.append(bytes.data(), bytes.size());
    };
    for (int round = 0; round < 4; ++round) {
        for (std::size_t i = 0; i < kLarge; ++i) {
            memory.get()[i] = static_cast<char>(i * 31 % 251 + static_cast<std::size_t>(round));
        }
        append({memory.get(), kLarge});
        // After this round nothing is aligned any more, after the next one it is again.
        append({memory.get(), round % 2 == 0 ? std::size_t{1000} : std::size_t{3096}});
        append({memory.get() + 4096, kLarge - 4096});
    }
    ASSERT_TRUE(file->sync());
    std::string back(expected.size() + 1, '\0');
    EXPECT_EQ(*file->read_at(0, back), expected.size());
    back.pop_back();
    EXPECT_TRUE(back == expected);
    EXPECT_TRUE(read_back("a") == expected);
}

/// Memory as direct writes need it.
std::unique_ptr<char, decltype(&std::free)> aligned(std::size_t bytes) {
    return {static_cast<char*>(std::aligned_alloc(4096, bytes)), &std::free};
}

TEST_F(FileTest, WritesSeveralPiecesAtATimeFromSeveralThreads) {
    constexpr std::size_t kPiece = 512u << 10;
    constexpr unsigned kSlots = 4;
    const auto memory = aligned(kPiece * kSlots);
    const auto file = create("a");
    const auto queue = file->write_queue(kSlots);
    ASSERT_TRUE(queue->wait(0)) << "free";
    std::string expected;
    for (unsigned n = 0; n < 24; ++n) {
        // A thread that is gone has left its writes on their way.
        std::thread([&] {
            const unsigned slot = n % kSlots;
            ASSERT_TRUE(queue->wait(slot));
            char* const piece = memory.get() + slot * kPiece;
            // The last one is no multiple of anything.
            const std::size_t bytes = n == 23 ? 12'345 : kPiece;
            for (std::size_t i = 0; i < bytes; ++i) piece[i] = static_cast<char>(i * 31 % 251 + n);
            queue->start(slot, expected.size(), {piece, bytes});
            expected.append(piece, bytes);
        }).join();
    }
    for (unsigned slot = 0; slot < kSlots; ++slot) ASSERT_TRUE(queue->wait(slot));
    ASSERT_TRUE(file->sync());
    std::string back(expected.size() + 1, '\0');
    EXPECT_EQ(*file->read_at(0, back), expected.size());
    back.pop_back();
    EXPECT_TRUE(back == expected);
}

TEST_F(FileTest, AQueueThatIsGivenUpWaitsForWhatIsOnItsWay) {
    const auto memory = aligned(4u << 20);
    std::fill_n(memory.get(), 4u << 20, 'x');
    const auto file = create("a");
    {
        const auto queue = file->write_queue(2);
        queue->start(0, 0, {memory.get(), 2u << 20});
        queue->start(1, 2u << 20, {memory.get() + (2u << 20), 2u << 20});
    }
    EXPECT_TRUE(read_back("a") == std::string(4u << 20, 'x'));
}

TEST_F(FileTest, CreatesOnlyWhatIsNotThereAndOpensOnlyWhatIs) {
    create("a");
    EXPECT_EQ(fs_.create(path("a")).error().code, EEXIST);
    EXPECT_EQ(fs_.open(path("b")).error().code, ENOENT);
}

TEST_F(FileTest, FilesAreNotForEverybody) {
    create("a");
    struct stat info{};
    ASSERT_EQ(::stat(path("a").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07, 0u);
    ASSERT_TRUE(fs_.make_directory(path("d")));
    ASSERT_EQ(::stat(path("d").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07, 0u);
}

TEST_F(FileTest, RenamesOverAFile) {
    ASSERT_TRUE(create("a")->append(std::string_view("new")));
    ASSERT_TRUE(create("b")->append(std::string_view("old")));
    ASSERT_TRUE(fs_.rename(path("a"), path("b")));
    EXPECT_EQ(read_back("b"), "new");
    EXPECT_FALSE(fs_.stat(path("a"))->has_value());
    ASSERT_TRUE(fs_.sync_directory(directory_));
}

TEST_F(FileTest, MakesListsAndRemovesDirectories) {
    ASSERT_TRUE(fs_.make_directory(path("d")));
    EXPECT_EQ(fs_.make_directory(path("d")).error().code, EEXIST);
    create("d/file");
    create("a");
    const auto entries = fs_.list(directory_);
    ASSERT_TRUE(entries);
    ASSERT_EQ(entries->size(), 2u);
    EXPECT_EQ((*entries)[0].name, "a");
    EXPECT_FALSE((*entries)[0].is_directory);
    EXPECT_EQ((*entries)[1].name, "d");
    EXPECT_TRUE((*entries)[1].is_directory);
    EXPECT_EQ(fs_.remove_directory(path("d")).error().code, ENOTEMPTY);
    ASSERT_TRUE(fs_.unlink(path("d/file")));
    ASSERT_TRUE(fs_.remove_directory(path("d")));
    EXPECT_EQ(fs_.list(path("d")).error().code, ENOENT);
    EXPECT_EQ(fs_.unlink(path("d/file")).error().code, ENOENT);
    EXPECT_EQ(fs_.sync_directory(path("d")).error().code, ENOENT);
}

TEST_F(FileTest, SaysWhatThereIs) {
    ASSERT_TRUE(create("a")->append(std::string_view("12345")));
    EXPECT_EQ((*fs_.stat(path("a")))->bytes, 5u);
    EXPECT_FALSE((*fs_.stat(path("a")))->is_directory);
    EXPECT_TRUE((*fs_.stat(directory_))->is_directory);
    EXPECT_FALSE(fs_.stat(path("b"))->has_value());
    EXPECT_EQ(fs_.stat(path("a/b")).error().code, ENOTDIR);
}

TEST_F(FileTest, LocksOutASecondHolderUntilTheFirstIsGone) {
    auto lock = fs_.lock(path("LOCK"));
    ASSERT_TRUE(lock);
    EXPECT_EQ(fs_.lock(path("LOCK")).error().code, EWOULDBLOCK);
    lock->reset();
    EXPECT_TRUE(fs_.lock(path("LOCK")));
}

TEST_F(FileTest, LocksOutAnotherProcess) {
    const auto lock = fs_.lock(path("LOCK"));
    ASSERT_TRUE(lock);
    const pid_t child = ::fork();
    if (child == 0) ::_exit(fs_.lock(path("LOCK")) ? 1 : 0);
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(FileTest, ErrorsSayWhichFileAndWhatToDo) {
    EXPECT_EQ(fs_.create(path("no/file")).error().what,
              "cannot create " + path("no/file") +
                  ": No such file or directory; check that the directory exists and is mounted");
    EXPECT_EQ(make_file_error("write", "/d/f", ENOSPC).what,
              "cannot write /d/f: No space left on device; free some space on that file system or "
              "use a directory on another one");
    for (const int code : {EACCES, EROFS, EDQUOT, EMFILE, EFBIG, EIO, EEXIST}) {
        const FileError error = make_file_error("write", "/d/f", code);
        EXPECT_EQ(error.code, code);
        EXPECT_NE(error.what.find("; "), std::string::npos) << error.what;
    }
    EXPECT_EQ(make_file_error("write", "/d/f", 0).code, EIO);
}

TEST_F(FileTest, ASpentFileSizeLimitIsAnError) {
    // In a child, because the limit holds for a whole process.
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{.rlim_cur = 1000, .rlim_max = 1000};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
        const auto file = fs_.create(path("a"));
        const auto written = (*file)->append(std::string(4096, 'x'));
        ::_exit(!written && written.error().code == EFBIG ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(FileTest, AQueueTellsOfTheWriteThatFailedAndGoesOn) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{.rlim_cur = 1u << 20, .rlim_max = 1u << 20};
        if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) ::_exit(2);
        const auto file = fs_.create(path("a"));
        const auto memory = aligned(1u << 20);
        const auto queue = (*file)->write_queue(2);
        queue->start(0, 512u << 10, {memory.get(), 1u << 20});  // half of it fits
        queue->start(1, 0, {memory.get(), 512u << 10});
        const auto failed = queue->wait(0);
        const bool right = !failed && failed.error().code == EFBIG && queue->wait(1) &&
                           queue->wait(0) && *(*file)->size() == 1u << 20;
        ::_exit(right ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
}

TEST_F(FileTest, WithoutARingAQueueWritesOneAfterTheOther) {
    const pid_t child = ::fork();
    if (child == 0) {
        const auto file = fs_.create(path("a"));
        const int used = ::dup(0);  // no more descriptors: no ring
        const rlimit limit{.rlim_cur = static_cast<rlim_t>(used),
                           .rlim_max = static_cast<rlim_t>(used)};
        ::close(used);
        if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::_exit(2);
        const auto queue = (*file)->write_queue(2);
        queue->start(0, 0, std::string_view("0123"));
        queue->start(1, 4, std::string_view("45"));
        const bool right = queue->wait(0) && queue->wait(1) && *(*file)->size() == 6;
        ::_exit(right ? 0 : 1);
    }
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    EXPECT_EQ(read_back("a"), "012345");
}

TEST_F(FileTest, AFileOpenedForReadingCannotBeWritten) {
    create("a");
    const auto file = fs_.open(path("a"));
    ASSERT_TRUE(file);
    EXPECT_EQ((*file)->append(std::string_view("x")).error().code, EBADF);
}

/// Moves a few bytes at a time, and none at all when told to.
class ShortFile final : public File {
 public:
    ShortFile() : File("short") {}
    FileResult<std::uint64_t> size() const override { return bytes.size(); }
    FileResult<void> sync() override { return {}; }
    FileResult<void> sync_data() override { return {}; }
    std::string bytes;
    std::size_t step = 3;

 protected:
    FileResult<std::size_t> write_some_at(std::uint64_t offset, std::span<const char> in) override {
        const std::size_t count = std::min(step, in.size());
        bytes.resize(std::max<std::size_t>(bytes.size(), offset + count));
        std::copy_n(in.begin(), count, bytes.begin() + static_cast<long>(offset));
        return count;
    }
    FileResult<std::size_t> read_some_at(std::uint64_t offset, std::span<char> out) const override {
        const std::size_t count = std::min({step, out.size(), bytes.size() - offset});
        std::copy_n(bytes.begin() + static_cast<long>(offset), count, out.begin());
        return count;
    }
};

TEST(ShortTransferTest, AreMadeWhole) {
    ShortFile file;
    ASSERT_TRUE(file.append(std::string_view("0123456789")));
    ASSERT_TRUE(file.append(std::string_view("abcd")));
    EXPECT_EQ(file.bytes, "0123456789abcd");
    std::array<char, 8> out{};
    EXPECT_EQ(*file.read(out), 8u);
    EXPECT_EQ(*file.read(out), 6u);
    EXPECT_EQ(std::string_view(out.data(), 6), "89abcd");
}

TEST(ShortTransferTest, AreMadeWholeInAQueueToo) {
    ShortFile file;
    const auto queue = file.write_queue(2);
    queue->start(0, 0, std::string_view("0123456789"));
    queue->start(1, 10, std::string_view("abcd"));
    ASSERT_TRUE(queue->wait(0));
    ASSERT_TRUE(queue->wait(1));
    EXPECT_EQ(file.bytes, "0123456789abcd");
}

TEST(ShortTransferTest, AWriteThatNeverMovesIsAnError) {
    ShortFile file;
    file.step = 0;
    EXPECT_EQ(file.append(std::string_view("x")).error().code, EIO);
    const auto queue = file.write_queue(1);
    queue->start(0, 0, std::string_view("x"));
    EXPECT_EQ(queue->wait(0).error().code, EIO);
}

}  // namespace
}  // namespace shardmill::uring
