#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "config/command_line.h"
#include "conformance/case_table.h"
#include "engine/command_server.h"
#include "protocol/binary_parser.h"
#include "protocol/text_parser.h"

namespace shardmill::conformance {
namespace {

/// Every case of the tables against parser, executor and shards, without a socket.
class TableTest : public testing::Test {
 public:
    explicit TableTest(Case what) : case_(std::move(what)) {}

    void TestBody() override {
        constexpr std::size_t kNever = SIZE_MAX;
        for (const std::size_t upload_from : {kNever, std::size_t{1}}) {
            SCOPED_TRACE(upload_from == kNever ? "values in the request"
                                               : "values received straight into the log");
            run(upload_from);
        }
    }

 private:
    void run(std::size_t upload_from) {
        engine::CommandServer::Options chosen = options();
        chosen.upload_from = upload_from;
        engine::CommandServer server(chosen);
        Bound bound;
        for (const Exchange& exchange : case_.exchanges) {
            server.pass_time(exchange.wait);
            const std::string request = render(exchange.send, bound, server.now());
            const std::string reply = server.ask(request);
            const std::string problem = difference(exchange.reply, reply, bound);
            EXPECT_EQ(problem, "")
                << place() << "after " << shown(request) << "\ngot " << shown(reply);
            EXPECT_EQ(server.closed(), exchange.closes) << place() << "after " << shown(request);
            EXPECT_EQ(server.last_deferred(), 0u) << place() << "after " << shown(request);
            if (HasFailure() || exchange.closes) return;
        }
    }
    std::string place() const { return case_.table + ".txt:" + std::to_string(case_.line) + ": "; }
    engine::CommandServer::Options options() const {
        std::vector<std::string> arguments = case_.needs;
        std::erase(arguments, "fresh");
        arguments.insert(arguments.end(), {"-u", "root"});
        const auto parsed = config::parse_command_line(arguments);
        if (!parsed) throw std::runtime_error(place() + parsed.error().text);
        return {.memory_limit = parsed->memory_limit,
                .item_bytes_max = parsed->item_bytes_max,
                .evict = parsed->evict,
                .flush_enabled = parsed->flush_enabled,
                .cas_enabled = parsed->cas_enabled,
                .config = *parsed};
    }

    const Case case_;
};

std::string identifier(std::string_view text) {
    std::string name;
    for (const char byte : text)
        name += std::isalnum(static_cast<unsigned char>(byte)) != 0 ? byte : '_';
    return name;
}

void register_cases(const std::vector<Case>& cases) {
    for (const Case& one : cases) {
        if (one.needs_sockets) continue;
        const std::string name = identifier(one.name) + "_line_" + std::to_string(one.line);
        testing::RegisterTest(("Tables_" + one.table).c_str(), name.c_str(), nullptr, nullptr,
                              __FILE__, __LINE__,
                              [one]() -> TableTest* { return new TableTest(one); });
    }
}

/// All that the tables send, as far as it is known before.
std::vector<std::string>& requests() {
    static std::vector<std::string> all;
    return all;
}

bool some_request_has(std::string_view text) {
    return std::ranges::any_of(requests(), [&](const std::string& request) {
        return ("\n" + request).find("\n" + std::string(text)) != std::string::npos;
    });
}

TEST(TablesTest, HaveACaseForEveryCommandWord) {
    for (const std::string_view word : protocol::command_words()) {
        const std::string line(word);
        EXPECT_TRUE(some_request_has(line + " ") || some_request_has(line + "\r\n")) << word;
    }
}

TEST(TablesTest, HaveACaseForEveryBinaryOpcode) {
    for (const std::uint8_t opcode : protocol::binary_opcodes()) {
        const char head[] = {static_cast<char>(protocol::kRequestMagic), static_cast<char>(opcode)};
        const std::string_view wanted(head, sizeof(head));
        EXPECT_TRUE(std::ranges::any_of(
            requests(),
            [&](const std::string& request) { return request.find(wanted) != std::string::npos; }))
            << "opcode " << int{opcode};
    }
}

TEST(TablesTest, HaveACaseForEveryFlagOfEveryMetaCommand) {
    struct Flags {
        std::string_view word;
        std::string_view letters;
    };
    // The flags that act on each command. `me` has b alone.
    constexpr Flags kFlags[] = {
        {"mg", "bkcfhlstvOquCNRTE"},
        {"ms", "bcCEFIkOqsTMN"},
        {"md", "bCEIkOqTx"},
        {"ma", "bCENJDTMOqtcvk"},
        {"me", "b"},
    };
    for (const auto& [word, letters] : kFlags) {
        for (const char letter : letters) {
            const std::string begin = std::string(word) + " ";
            EXPECT_TRUE(std::ranges::any_of(
                requests(),
                [&](const std::string& request) {
                    const std::size_t line = ("\n" + request).find("\n" + begin);
                    if (line == std::string::npos) return false;
                    const std::string_view rest = std::string_view(request).substr(line);
                    return rest.substr(0, rest.find('\r')).find(" " + std::string(1, letter)) !=
                           std::string_view::npos;
                }))
                << word << " " << letter;
        }
    }
}

}  // namespace
}  // namespace shardmill::conformance

int main(int argc, char** argv) {
    using namespace shardmill::conformance;
    testing::InitGoogleTest(&argc, argv);
    const std::vector<Case> cases = read_cases(SHARDMILL_TABLES);
    for (const Case& one : cases) {
        for (const Exchange& exchange : one.exchanges) {
            for (const Piece& piece : exchange.send) requests().push_back(piece.bytes);
        }
    }
    register_cases(cases);
    return RUN_ALL_TESTS();
}
