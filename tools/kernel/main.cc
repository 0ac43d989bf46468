// shardmill-kernel-check: what a kernel's author wants to know before a server loads it.

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "compute/plugin_file.h"
#include "compute/program.h"
#include "kernel/checks.h"
#include "kernel/isolated.h"

namespace {

using namespace shardmill;
using namespace shardmill::kernel_check;

constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;

struct Options {
    std::string file;
    std::vector<std::string> calls;
    std::string items_file;
    std::size_t items = 5000;  // of each of three parts
    unsigned seconds = 60;
};

/// Loading runs the file's code: what kills a process there is a finding, too.
bool loads(const std::string& path) {
    const std::string problem = run_isolated(
        [&path]() -> std::string {
            const auto file = compute::PluginFile::load(path);
            return file ? "" : file.error();
        },
        10);
    if (!problem.empty()) fmt::print("  FAIL  loads: {}\n", problem);
    return problem.empty();
}

std::optional<std::vector<std::string>> registered(const std::string& path,
                                                   compute::Registry& registry) {
    const auto file = compute::PluginFile::load(path);
    if (!file) return std::nullopt;
    std::vector<std::string> names;
    for (std::uint32_t index = 0; index < file->library().count; ++index) {
        const shardmill_kernel* const kernel = file->library().kernels[index];
        const auto added = kernel != nullptr
                               ? registry.add(*kernel, path)
                               : std::unexpected(std::string("is missing from the list"));
        if (!added) {
            fmt::print("  FAIL  kernel {}: {}\n", index, added.error());
            return std::nullopt;
        }
        names.emplace_back(kernel->name);
    }
    return names;
}

void advise_on_trust(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return;
    const std::string problem = compute::trust_problem(status, ::geteuid());
    if (!problem.empty())
        fmt::print("  note  a server of this user would not load it: {}\n", problem);
}

class Run {
 public:
    explicit Run(const Options& options)
        : options_(options), registry_(compute::Registry::with_builtins()) {}

    int all() {
        fmt::print("{}\n", options_.file);
        // The dynamic linker would search for a name without a slash elsewhere.
        const std::string path = std::filesystem::absolute(options_.file).string();
        if (!loads(path)) return kExitFailed;
        const auto names = registered(path, registry_);
        if (!names) return kExitFailed;
        fmt::print("  ok    loads: kernel ABI {}, {}\n", SHARDMILL_KERNEL_ABI,
                   fmt::join(*names, ", "));
        advise_on_trust(path);
        make_items();
        for (const std::string& call : options_.calls.empty() ? *names : options_.calls)
            check(call, *names);
        fmt::print("{} checks, {} failed\n", checks_, failed_);
        return failed_ == 0 ? 0 : kExitFailed;
    }

 private:
    void make_items() {
        std::vector<SampleItem> all;
        const std::vector<SampleItem> given = options_.items_file.empty()
                                                  ? std::vector<SampleItem>{}
                                                  : items_of_lines(options_.items_file);
        for (std::size_t part = 0; part < 3; ++part) {
            std::vector<SampleItem> items;
            if (given.empty()) items = usual_items(std::string(1, "abc"[part]), options_.items);
            for (std::size_t index = part; index < given.size(); index += 3)
                items.push_back(given[index]);
            parts_.push_back(std::make_unique<StoredItems>(items));
            all.insert(all.end(), items.begin(), items.end());
        }
        whole_ = std::make_unique<StoredItems>(all);
        hostile_ = std::make_unique<StoredItems>(hostile_items());
    }

    void check(const std::string& call, const std::vector<std::string>& names) {
        fmt::print("{}\n", call);
        ++checks_;
        const std::string name = call.substr(0, call.find(':'));
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            ++failed_;
            fmt::print("  FAIL  the file has no kernel {}\n", name);
            return;
        }
        const auto program = compute::compile(call, registry_);
        if (!program) {
            ++failed_;
            fmt::print("  FAIL  opens: {}; a call with arguments can be given: {} '{}:...'\n",
                       program.error().text(), options_.file, name);
            return;
        }
        fmt::print("  ok    opens\n");
        const Subject subject{.program = *program,
                              .registry = &registry_,
                              .kernel = name,
                              .parts = {parts_[0].get(), parts_[1].get(), parts_[2].get()},
                              .whole = whole_.get(),
                              .hostile = hostile_.get()};
        for (const Check& check : all_checks()) {
            ++checks_;
            const std::string problem =
                run_isolated([&] { return check.run(subject); }, options_.seconds);
            failed_ += problem.empty() ? 0 : 1;
            if (problem.empty()) {
                fmt::print("  ok    {}\n", check.name);
            } else {
                fmt::print("  FAIL  {}: {}\n", check.name, problem);
            }
        }
    }

    const Options& options_;
    compute::Registry registry_;
    std::vector<std::unique_ptr<StoredItems>> parts_;
    std::unique_ptr<StoredItems> whole_;
    std::unique_ptr<StoredItems> hostile_;
    int checks_ = 1;
    int failed_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{
        "Checks a shardmill kernel library: that it loads, that its kernels merge in any order, "
        "survive being\n"
        "saved, hostile items and damaged bytes, and announce the memory they take. Each check "
        "runs in a\n"
        "process of its own. Exit code: 0 all is well, 1 something failed, 2 wrong usage.\n"};
    app.add_option("file", options.file, "the .so file")->required();
    app.add_option(
        "calls", options.calls,
        "kernels as a pipeline calls them, name:arguments (default: each without arguments)");
    app.add_option("--values", options.items_file,
                   "a file each line of which is the value of an item")
        ->check(CLI::ExistingFile);
    app.add_option("--items", options.items, "how many made-up items in each of three parts")
        ->capture_default_str()
        ->check(CLI::Range(1, 100'000));
    app.add_option("--seconds", options.seconds, "each check may take this long")
        ->capture_default_str()
        ->check(CLI::Range(1, 3600));
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : kExitUsage;
    }
    try {
        return Run(options).all();
    } catch (const std::exception& error) {
        fmt::print(stderr, "shardmill-kernel-check: {}\n", error.what());
        return kExitUsage;
    }
}
