#include "compute/plugin_loader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "compute/plugin_file.h"
#include "run.h"

namespace shardmill::compute::test {
namespace {

/// A directory of its own with copies of what is named.
class PluginLoaderTest : public testing::Test {
 protected:
    PluginLoaderTest() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "shardmill-plugins-XXXXXX").string();
        directory_ = std::filesystem::canonical(::mkdtemp(pattern.data()));
    }
    ~PluginLoaderTest() override { std::filesystem::remove_all(directory_); }

    std::string install(const std::string& plugin, const std::string& name = {}) {
        const auto target = directory_ / (name.empty() ? plugin : name);
        std::filesystem::copy_file(std::filesystem::path(SHARDMILL_TEST_PLUGINS) / plugin, target);
        std::filesystem::permissions(target, std::filesystem::perms::owner_all);
        return target.string();
    }

    /// Loads the directory, of which one thing is refused.
    std::string only_refusal() {
        const auto refused_files = load_plugins(directory_.string(), registry_);
        EXPECT_EQ(refused_files.size(), 1u) << testing::PrintToString(refused_files);
        return refused_files.empty() ? "" : refused_files[0];
    }

    std::filesystem::path directory_;
    Registry registry_ = Registry::with_builtins();
};

TEST_F(PluginLoaderTest, RunsAKernelFromAFile) {
    const std::string path = install("line_count_plugin.so");
    EXPECT_TRUE(load_plugins(directory_.string(), registry_).empty());
    const auto kernels = registry_.list();
    const auto lines = std::ranges::find(kernels, "lines", &KernelInfo::name);
    ASSERT_NE(lines, kernels.end());
    EXPECT_EQ(lines->origin, path);
    const auto result =
        run_with(compiled("lines:value", {}, registry_), items_of({"a\nb\n", "c\n", "d"}), {});
    ASSERT_TRUE(result.has_value());
    EXPECT_EQ(rows_of(*result), R"(* {"lines":3})");
}

TEST_F(PluginLoaderTest, RefusesAnotherVersionWithBothNumbers) {
    const std::string path = install("future_plugin.so");
    EXPECT_EQ(only_refusal(), path + ": built for kernel ABI 3, this server has 2");
    EXPECT_EQ(registry_.list().size(), builtins().list().size());
}

TEST_F(PluginLoaderTest, NamesFilesThatAreNoPlugins) {
    std::ofstream(directory_ / "broken.so") << "not a library";
    std::ofstream(directory_ / "readme.txt") << "not looked at";
    install("line_count_plugin.so");
    EXPECT_EQ(only_refusal(),
              (directory_ / "broken.so").string() + ": not a shared library (no ELF file)");
    EXPECT_EQ(registry_.list().size(), builtins().list().size() + 1);
}

TEST_F(PluginLoaderTest, RefusesAFileCutOffAnywhere) {
    const std::string path = install("line_count_plugin.so");
    std::string whole;
    {
        std::ifstream file(path, std::ios::binary);
        whole.assign(std::istreambuf_iterator<char>(file), {});
    }
    int refused_files = 0;
    for (std::size_t size = 0; size < whole.size(); size += 1 + size / 3) {
        std::filesystem::remove(path);  // a mapped file must not change under the linker
        std::ofstream(path, std::ios::binary) << whole.substr(0, size);
        Registry registry = Registry::with_builtins();
        // Only section headers, which nobody needs to load it, may be missing.
        for (const std::string& reason : load_plugins(directory_.string(), registry)) {
            ++refused_files;
            const char* const expected =
                size < 4 ? "not a shared library" : "cut off: the file has";
            EXPECT_NE(reason.find(expected), std::string::npos) << size << ": " << reason;
        }
    }
    EXPECT_GT(refused_files, 10);
}

TEST_F(PluginLoaderTest, RefusesALibraryWithoutTheEntry) {
    const std::string path = install("no_entry_plugin.so");
    EXPECT_EQ(only_refusal(), path + ": not a kernel library (it exports no shardmill_kernels)");
}

TEST_F(PluginLoaderTest, NamesASymbolThatIsMissing) {
    const std::string path = install("unresolved_plugin.so");
    EXPECT_EQ(only_refusal(), path + ": undefined symbol: shardmill_no_such_function");
}

TEST_F(PluginLoaderTest, TheFirstOfTwoKernelsWithOneNameIsKept) {
    const std::string first = install("line_count_plugin.so", "a.so");
    const std::string second = install("line_count_plugin.so", "b.so");
    EXPECT_EQ(only_refusal(), second + ": the name lines is taken: " + first);
}

TEST_F(PluginLoaderTest, RefusesWhatOthersMayWriteTo) {
    using std::filesystem::perms;
    const std::string path = install("line_count_plugin.so");
    for (const perms others : {perms::group_write, perms::others_write}) {
        std::filesystem::permissions(path, perms::owner_all | others);
        EXPECT_NE(only_refusal().find("others may write to it"), std::string::npos);
    }
    std::filesystem::permissions(path, perms::owner_all);
    std::filesystem::permissions(directory_, perms::owner_all | perms::others_write);
    EXPECT_EQ(only_refusal(), directory_.string() +
                                  ": no kernel is loaded: others may write to it (mode 0702); "
                                  "chmod go-w");
    EXPECT_EQ(registry_.list().size(), builtins().list().size());
}

TEST_F(PluginLoaderTest, FollowsLinksWithinTheDirectoryOnly) {
    const std::string inside = install("line_count_plugin.so", "lines-1.2");
    std::filesystem::create_symlink("lines-1.2", directory_ / "lines.so");
    const std::string outside =
        std::filesystem::canonical(std::filesystem::path(SHARDMILL_TEST_PLUGINS) /
                                   "line_count_plugin.so")
            .string();
    std::filesystem::create_symlink(outside, directory_ / "out.so");
    EXPECT_EQ(only_refusal(),
              (directory_ / "out.so").string() + ": leads out of the directory, to " + outside);
    EXPECT_NE(registry_.find("lines"), nullptr);
}

TEST(TrustProblemTest, OnlyRootAndTheServersUserMayOwnCode) {
    struct stat status{};
    status.st_mode = S_IFREG | 0755;
    status.st_uid = 0;
    EXPECT_EQ(trust_problem(status, 1000), "");
    status.st_uid = 1000;
    EXPECT_EQ(trust_problem(status, 1000), "");
    status.st_uid = 1001;
    EXPECT_EQ(trust_problem(status, 1000),
              "owned by user 1001, not by root or by user 1000 as whom the server runs");
    EXPECT_NE(trust_problem(status, 0), "");
    status.st_uid = 0;
    status.st_mode = S_IFREG | 0775;
    EXPECT_EQ(trust_problem(status, 1000), "others may write to it (mode 0775); chmod go-w");
}

TEST_F(PluginLoaderTest, SaysWhenTheDirectoryIsMissing) {
    const auto refused_files = load_plugins((directory_ / "missing").string(), registry_);
    ASSERT_EQ(refused_files.size(), 1u);
    EXPECT_NE(refused_files[0].find("missing: No such file"), std::string::npos);
}

}  // namespace
}  // namespace shardmill::compute::test
