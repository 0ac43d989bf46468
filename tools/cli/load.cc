#include <fmt/core.h>

#include <chrono>
#include <deque>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "cli/commands.h"
#include "cli/progress.h"
#include "cli/record.h"
#include "text/json.h"

namespace shardmill::cli {

namespace {

// What may be in flight: enough to keep the server busy, little enough that its replies fit the
// socket's buffers.
constexpr std::size_t kWindowRequests = 4096;
constexpr std::size_t kWindowBytes = 4 << 20;
constexpr std::size_t kReadBuffer = 1 << 20;

bool is_tsv(const LoadOptions& options) {
    if (!options.format.empty()) return options.format == "tsv";
    return options.file.ends_with(".tsv") || options.file.ends_with(".tab");
}

/// Reads records, stores them, and keeps count. One use.
class Loader {
 public:
    Loader(const Common& common, const LoadOptions& options)
        : options_(options),
          json_(common.json),
          tsv_(is_tsv(options)),
          record_(tsv_ ? make_tsv_record() : make_json_record()),
          client_(common.server),
          progress_("loading", options.progress && !common.json) {
        if (!options.key.empty()) key_.emplace(options.key);
        if (!options.value.empty()) value_.emplace(options.value);
        if (!tsv_ && !key_) throw RecordError("JSON lines need --key <field or template>");
        open();
    }

    int run() {
        const auto start = std::chrono::steady_clock::now();
        start_ = start;
        std::string line;
        while (std::getline(*input_, line)) {
            ++line_number_;
            bytes_read_ += line.size() + 1;
            if (line.ends_with('\r')) line.pop_back();
            if (!line.empty()) store(line);
        }
        if (input_->bad()) throw RecordError("cannot read " + options_.file);
        collect(0);
        progress_.wipe();
        return report();
    }

 private:
    struct Sent {
        std::uint64_t line;
        std::size_t bytes;
        std::string key;
    };

    void open() {
        if (options_.file == "-") {
            std::ios::sync_with_stdio(false);
            input_ = &std::cin;
            return;
        }
        buffer_.resize(kReadBuffer);
        file_.rdbuf()->pubsetbuf(buffer_.data(), static_cast<std::streamsize>(buffer_.size()));
        file_.open(options_.file, std::ios::binary | std::ios::ate);
        if (!file_) throw RecordError("cannot open " + options_.file);
        total_bytes_ = static_cast<double>(file_.tellg());
        file_.seekg(0);
        input_ = &file_;
    }

    std::string value_of(const std::string& line) {
        if (value_) return value_->fill(*record_);
        if (key_) return line;
        const auto tab = line.find('\t');
        if (tab == std::string::npos) throw RecordError("there is no tab between key and value");
        return line.substr(tab + 1);
    }

    void store(const std::string& line) {
        std::string key;
        try {
            record_->read(line);
            key = key_ ? key_->fill(*record_) : record_->field("1");
            const std::string value = value_of(line);
            if (const auto problem = client::key_problem(key)) throw RecordError(*problem);
            client_.send_set(key, value, options_.flags, options_.exptime);
            in_flight_bytes_ += key.size() + value.size();
            sent_.push_back({line_number_, key.size() + value.size(), std::move(key)});
        } catch (const RecordError& error) {
            fail(line_number_, key, error.what());
        }
        if (sent_.size() >= kWindowRequests) collect(kWindowRequests / 2);
        if (in_flight_bytes_ >= kWindowBytes) collect(sent_.size() / 2);
        progress_.update(total_bytes_ > 0
                             ? std::optional(static_cast<double>(bytes_read_) / total_bytes_)
                             : std::nullopt,
                         [this] { return rates(); });
    }

    /// Reads replies until only `left` requests wait for theirs.
    void collect(std::size_t left) {
        std::string refusal;
        while (sent_.size() > left) {
            const Sent& oldest = sent_.front();
            if (client_.read_stored(&refusal)) {
                ++stored_;
                stored_bytes_ += oldest.bytes;
            } else {
                fail(oldest.line, oldest.key, "the server answered: " + refusal);
            }
            in_flight_bytes_ -= oldest.bytes;
            sent_.pop_front();
        }
    }

    void fail(std::uint64_t line, const std::string& key, const std::string& reason) {
        if (failed_++ >= options_.show_failures) return;
        progress_.wipe();
        fmt::print(stderr, "line {}{}: {}\n", line, key.empty() ? "" : ", key '" + key + "'",
                   reason);
    }

    double seconds() const {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }
    std::string rates() const {
        const double elapsed = std::max(seconds(), 1e-9);
        return fmt::format("{} items, {} items/s, {:.1f} MB/s{}", stored_,
                           short_number(static_cast<double>(stored_) / elapsed),
                           static_cast<double>(stored_bytes_) / elapsed / 1e6,
                           failed_ > 0 ? fmt::format(", {} failed", failed_) : "");
    }

    int report() const {
        const double elapsed = std::max(seconds(), 1e-9);
        if (json_) {
            fmt::print(
                "{{\"lines\":{},\"stored\":{},\"failed\":{},\"bytes\":{},\"seconds\":{:.6f}}}\n",
                line_number_, stored_, failed_, stored_bytes_, elapsed);
        } else {
            fmt::print(
                "loaded {} items, {:.1f} MB in {:.2f} s ({} items/s, {:.1f} MB/s), {} failed\n",
                stored_, static_cast<double>(stored_bytes_) / 1e6, elapsed,
                short_number(static_cast<double>(stored_) / elapsed),
                static_cast<double>(stored_bytes_) / elapsed / 1e6, failed_);
        }
        if (failed_ > options_.show_failures) {
            fmt::print(stderr, "{} more failures were not shown (--show-failures)\n",
                       failed_ - options_.show_failures);
        }
        return failed_ == 0 ? kExitOk : kExitFailed;
    }

    const LoadOptions& options_;
    bool json_;
    bool tsv_;
    std::unique_ptr<Record> record_;
    std::optional<Template> key_;
    std::optional<Template> value_;
    client::Client client_;
    Progress progress_;
    std::vector<char> buffer_;
    std::ifstream file_;
    std::istream* input_ = nullptr;
    double total_bytes_ = 0;
    std::chrono::steady_clock::time_point start_;
    std::deque<Sent> sent_;
    std::size_t in_flight_bytes_ = 0;
    std::uint64_t line_number_ = 0;
    std::uint64_t bytes_read_ = 0;
    std::uint64_t stored_ = 0;
    std::uint64_t stored_bytes_ = 0;
    std::uint64_t failed_ = 0;
};

}  // namespace

int run_load(const Common& common, const LoadOptions& options) {
    try {
        return Loader(common, options).run();
    } catch (const RecordError& error) {
        fmt::print(stderr, "shardmill-cli: {}\n", error.what());
        return kExitUsage;
    }
}

}  // namespace shardmill::cli
