// What a user does without jobs: stores the data of a bench, reads it out again and computes the
// answer in the client. Speaks memcached's text protocol and Redis's. Prints one JSON object.

#include <fmt/format.h>
#include <simdjson.h>
#include <time.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <chrono>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "readout/stream.h"

namespace {

using shardmill::readout::Stream;

constexpr std::size_t kInFlight = 16;  // requests, while filling 1024 times as many
constexpr std::size_t kKeysPerRequest = 100;

struct Options {
    std::string what;  // fill, read, memory
    std::string protocol = "memcached";
    std::string values = "plain";
    std::uint16_t port = 0;
    std::uint64_t items = 0;
};

std::string key_of(std::uint64_t number) { return fmt::format("key:{:020}", number); }

/// 100 bytes; or JSON of 1024 bytes with a text of frequent and less frequent words.
class Values {
 public:
    explicit Values(bool json) : json_(json) {}

    const std::string& of(std::uint64_t number) {
        if (!json_) return plain_;
        random_.seed(static_cast<std::uint32_t>(number + 1));
        value_.clear();
        fmt::format_to(std::back_inserter(value_),
                       R"({{"id":{},"country":"C{}","amount":{},"ok":{},"text":")", number,
                       random_() % 50, random_() % 100, random_() % 2 == 0);
        while (value_.size() < kJsonBytes - 12)
            fmt::format_to(std::back_inserter(value_), "word{} ", random_() % 5000);
        value_.resize(kJsonBytes - 2, '.');
        return value_ += "\"}";
    }

 private:
    static constexpr std::size_t kJsonBytes = 1024;
    const bool json_;
    const std::string plain_ = std::string(100, 'v');
    std::minstd_rand random_;
    std::string value_;
};

/// sum and count of amounts above 10 by country.
class Question {
 public:
    void add(std::string_view value) {
        ++items_;
        bytes_ += value.size();
        if (value.empty() || value.front() != '{') return;
        auto document = parser_.iterate(value.data(), value.size(), value.size() + 64);
        const std::string_view country = document["country"].get_string();
        const std::int64_t amount = document["amount"].get_int64();
        if (amount <= 10) return;
        auto found = groups_.find(country);
        if (found == groups_.end()) found = groups_.emplace(country, Group{}).first;
        ++found->second.count;
        found->second.sum += amount;
    }
    std::string answer() const {
        std::string text;
        for (const auto& [country, group] : groups_) {
            fmt::format_to(std::back_inserter(text), R"({}"{}":[{},{}])", text.empty() ? "" : ",",
                           country, group.count, group.sum);
        }
        return fmt::format(R"("items":{},"value_bytes":{},"answer":{{{}}})", items_, bytes_, text);
    }

 private:
    struct Group {
        std::uint64_t count = 0;
        std::int64_t sum = 0;
    };
    simdjson::ondemand::parser parser_;
    std::map<std::string, Group, std::less<>> groups_;
    std::uint64_t items_ = 0;
    std::uint64_t bytes_ = 0;
};

std::size_t number_of(std::string_view text) {
    std::size_t number = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), number).ec != std::errc())
        throw std::runtime_error("not a number: " + std::string(text));
    return number;
}

void fill(const Options& options, Stream& stream) {
    Values values(options.values == "json");
    const bool redis = options.protocol == "redis";
    std::uint64_t answered = 0;
    for (std::uint64_t number = 0; number < options.items; ++number) {
        const std::string key = key_of(number);
        const std::string& value = values.of(number);
        auto out = std::back_inserter(stream.output());
        if (redis) {
            fmt::format_to(out, "*3\r\n$3\r\nSET\r\n${}\r\n{}\r\n${}\r\n{}\r\n", key.size(), key,
                           value.size(), value);
        } else {
            fmt::format_to(out, "set {} 0 0 {}\r\n{}\r\n", key, value.size(), value);
        }
        if (number % 1024 == 1023 || number + 1 == options.items) stream.flush();
        const bool last = number + 1 == options.items;
        while (answered + (last ? 0 : kInFlight * 1024) <= number && answered < options.items) {
            const std::string_view reply = stream.line();
            if (reply != (redis ? "+OK" : "STORED")) throw std::runtime_error(std::string(reply));
            ++answered;
        }
    }
}

/// The client knows all keys: only the values travel.
void read_memcached(const Options& options, Stream& stream, Question& question) {
    std::uint64_t next = 0;
    std::size_t open = 0;
    const auto ask = [&] {
        if (next == options.items) return;
        stream.output() += "get";
        for (std::size_t key = 0; key < kKeysPerRequest && next < options.items; ++key)
            (stream.output() += ' ') += key_of(next++);
        stream.output() += "\r\n";
        stream.flush();
        ++open;
    };
    for (std::size_t request = 0; request < kInFlight; ++request) ask();
    while (open > 0) {
        const std::string_view line = stream.line();
        if (line == "END") {
            --open;
            ask();
            continue;
        }
        question.add(stream.block(number_of(line.substr(line.rfind(' ') + 1))));
    }
}

/// SCAN for keys, MGET for what they hold; the next SCAN is asked for together with the MGET.
void read_redis(Stream& stream, Question& question) {
    const auto array = [&stream] { return number_of(stream.line().substr(1)); };
    const auto bulk = [&stream] { return stream.block(number_of(stream.line().substr(1))); };
    const auto scan = [&stream](std::string_view cursor) {
        fmt::format_to(std::back_inserter(stream.output()),
                       "*4\r\n$4\r\nSCAN\r\n${}\r\n{}\r\n$5\r\nCOUNT\r\n$4\r\n1000\r\n",
                       cursor.size(), cursor);
    };
    scan("0");
    stream.flush();
    for (bool more = true; more;) {
        array();
        const std::string cursor(bulk());
        const std::size_t keys = array();
        more = cursor != "0";
        std::string request = fmt::format("*{}\r\n$4\r\nMGET\r\n", keys + 1);
        for (std::size_t key = 0; key < keys; ++key) {
            const std::string_view name = bulk();
            fmt::format_to(std::back_inserter(request), "${}\r\n{}\r\n", name.size(), name);
        }
        if (keys > 0) stream.output() += request;
        if (more) scan(cursor);
        stream.flush();
        for (std::size_t value = keys > 0 ? array() : 0; value > 0; --value) question.add(bulk());
    }
}

/// Bytes a second that one core reads from memory in order: the best of some rounds.
double read_memory() {
    std::vector<std::uint64_t> words(std::size_t{1} << 27, 1);  // 1 GiB
    double best = 0;
    std::uint64_t sum = 0;
    for (int round = 0; round < 5; ++round) {
        const auto start = std::chrono::steady_clock::now();
        for (const std::uint64_t word : words) sum += word;
        const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
        best = std::max(best, static_cast<double>(words.size() * 8) / took.count());
    }
    return sum == 0 ? 0 : best;
}

double cpu_seconds() {
    timespec time{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

void run(const Options& options) {
    if (options.what == "memory") {
        fmt::print("{{\"bytes_per_s\":{:.0f}}}\n", read_memory());
        return;
    }
    Stream stream(options.port);
    Question question;
    const auto start = std::chrono::steady_clock::now();
    if (options.what == "fill") {
        fill(options, stream);
    } else if (options.protocol == "redis") {
        read_redis(stream, question);
    } else {
        read_memcached(options, stream, question);
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    fmt::print("{{\"seconds\":{:.6f},\"cpu_s\":{:.6f},\"received\":{},\"sent\":{},{}}}\n",
               took.count(), cpu_seconds(), stream.received(), stream.sent(), question.answer());
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{"Stores a bench's data, or reads it out and computes the answer in the client."};
    app.add_option("what", options.what)
        ->required()
        ->check(CLI::IsMember({"fill", "read", "memory"}));
    app.add_option("--protocol", options.protocol)->check(CLI::IsMember({"memcached", "redis"}));
    app.add_option("--values", options.values)->check(CLI::IsMember({"plain", "json"}));
    app.add_option("--port", options.port);
    app.add_option("--items", options.items);
    CLI11_PARSE(app, argc, argv);
    try {
        run(options);
        return 0;
    } catch (const std::exception& error) {
        fmt::print(stderr, "readout: {}\n", error.what());
        return 1;
    }
}
