// lru_crawler: the words behind it and what they need before they run.

#include <cstddef>
#include <string>
#include <string_view>

#include "engine/admin_arguments.h"
#include "engine/commands_admin.h"
#include "engine/runtime_settings.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::replies::kBadLine;
using protocol::replies::kError;
using protocol::replies::kOk;

using Answer = std::string_view;  // empty: the word has appended its reply, or deferred it

constexpr Answer kCrawlerDisabled = "CLIENT_ERROR lru crawler disabled\r\n";

Answer to_control(AdminContext& context, net::Operation& operation, std::string_view word,
                  const AdminArguments& arguments) noexcept {
    defer(context, operation, ControlRequest::Kind::Crawler,
          std::string(word).append(" ").append(arguments.text(2)));
    return {};
}

Answer crawl(AdminContext& context, net::Operation& operation,
             const AdminArguments& arguments) noexcept {
    if (!context.parts.settings->lru_crawler) return kCrawlerDisabled;
    return to_control(context, operation, "crawl", arguments);
}

Answer metadump(AdminContext& context, net::Operation& operation,
                const AdminArguments& arguments) noexcept {
    if (!context.parts.settings->lru_crawler) return kCrawlerDisabled;
    if (!context.parts.statistics->providers().config->dump_enabled) {
        return "ERROR metadump not allowed\r\n";
    }
    if (operation.pipelined) return "ERROR cannot pipeline other commands before metadump\r\n";
    return to_control(context, operation, "metadump", arguments);
}

Answer mgdump(AdminContext& context, net::Operation& operation,
              const AdminArguments& arguments) noexcept {
    if (!context.parts.settings->lru_crawler) return kCrawlerDisabled;
    if (!context.parts.statistics->providers().config->dump_enabled) {
        return "ERROR key dump not allowed\r\n";
    }
    if (operation.pipelined) return "ERROR cannot pipeline other commands before mgdump\r\n";
    return to_control(context, operation, "mgdump", arguments);
}

Answer set_tocrawl(AdminContext& context, net::Operation&,
                   const AdminArguments& arguments) noexcept {
    const auto items = arguments.u32(2);
    if (!items) return kBadLine;
    context.parts.settings->lru_crawler_tocrawl = *items;
    return kOk;
}

Answer set_sleep(AdminContext& context, net::Operation&, const AdminArguments& arguments) noexcept {
    constexpr std::uint32_t kSleepMax = 1'000'000;
    const auto sleep_us = arguments.u32(2);
    if (!sleep_us) return kBadLine;
    if (*sleep_us > kSleepMax) return "CLIENT_ERROR sleep must be one second or less\r\n";
    context.parts.settings->lru_crawler_sleep_us = *sleep_us;
    return kOk;
}

Answer enable(AdminContext& context, net::Operation&, const AdminArguments&) noexcept {
    const bool was_enabled = context.parts.settings->lru_crawler.exchange(true);
    return was_enabled ? "ERROR failed to start lru crawler thread\r\n" : kOk;
}

Answer disable(AdminContext& context, net::Operation&, const AdminArguments&) noexcept {
    context.parts.settings->lru_crawler = false;
    return kOk;
}

struct CrawlerWord {
    std::string_view word;  // may be abbreviated
    std::size_t tokens;     // of the whole line
    Answer (*run)(AdminContext&, net::Operation&, const AdminArguments&) noexcept;
};

// The order decides what an ambiguous abbreviation means.
constexpr CrawlerWord kWords[] = {
    {"crawl", 3, crawl},         {"metadump", 3, metadump}, {"mgdump", 3, mgdump},
    {"tocrawl", 3, set_tocrawl}, {"sleep", 3, set_sleep},   {"enable", 2, enable},
    {"disable", 2, disable},
};

}  // namespace

void run_lru_crawler(AdminContext& context, net::Operation& operation) noexcept {
    const AdminArguments arguments(*operation.request);
    for (const CrawlerWord& word : kWords) {
        if (arguments.count() != word.tokens || !arguments.abbreviates(1, word.word)) continue;
        return append_answer(context, operation, word.run(context, operation, arguments));
    }
    append_answer(context, operation, kError);
}

}  // namespace shardmill::engine
