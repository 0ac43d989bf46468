#include "compute/plugin_loader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "run.h"

namespace shardmill::compute::test {
namespace {

/// A directory of its own with copies of what is named.
class PluginLoaderTest : public testing::Test {
 protected:
    PluginLoaderTest() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "shardmill-plugins-XXXXXX").string();
        directory_ = ::mkdtemp(pattern.data());
    }
    ~PluginLoaderTest() override { std::filesystem::remove_all(directory_); }

    std::string install(const std::string& plugin) {
        const auto target = directory_ / plugin;
        std::filesystem::copy_file(std::filesystem::path(SHARDMILL_TEST_PLUGINS) / plugin, target);
        return target.string();
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
    const auto refused_files = load_plugins(directory_.string(), registry_);
    ASSERT_EQ(refused_files.size(), 1u);
    EXPECT_EQ(refused_files[0], path + ": built for kernel ABI 3, this server has 2");
    EXPECT_EQ(registry_.list().size(), builtins().list().size());
}

TEST_F(PluginLoaderTest, NamesFilesThatAreNoPlugins) {
    std::ofstream(directory_ / "broken.so") << "not a library";
    std::ofstream(directory_ / "readme.txt") << "not looked at";
    install("line_count_plugin.so");
    const auto refused_files = load_plugins(directory_.string(), registry_);
    ASSERT_EQ(refused_files.size(), 1u);
    EXPECT_NE(refused_files[0].find("broken.so"), std::string::npos);
    EXPECT_EQ(registry_.list().size(), builtins().list().size() + 1);
}

TEST_F(PluginLoaderTest, SaysWhenTheDirectoryIsMissing) {
    const auto refused_files = load_plugins((directory_ / "missing").string(), registry_);
    ASSERT_EQ(refused_files.size(), 1u);
    EXPECT_NE(refused_files[0].find("missing: No such file"), std::string::npos);
}

}  // namespace
}  // namespace shardmill::compute::test
