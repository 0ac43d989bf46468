#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace shardmill::engine {

/// A directory of its own, gone with the object.
class TemporaryDirectory {
 public:
    TemporaryDirectory() {
        std::string name = ::testing::TempDir() + "/shardmill-XXXXXX";
        path_ = ::mkdtemp(name.data());
    }
    ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::string& path() const { return path_; }

 private:
    std::string path_;
};

}  // namespace shardmill::engine
