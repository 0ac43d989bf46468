#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <iostream>
#include <iterator>

#include "cli/commands.h"
#include "cli/table.h"
#include "text/json.h"

namespace shardmill::cli {

int run_set(const Common& common, const SetOptions& options) {
    std::string value;
    if (options.value) {
        value = *options.value;
    } else {
        value.assign(std::istreambuf_iterator<char>(std::cin), {});
    }
    client::Client client(common.server);
    client.set(options.key, value, options.flags, options.exptime);
    if (common.json) {
        fmt::print("{{\"key\":{},\"bytes\":{},\"stored\":true}}\n", text::json_string(options.key),
                   value.size());
    }
    return kExitOk;
}

int run_get(const Common& common, const GetOptions& options) {
    client::Client client(common.server);
    int exit_code = kExitOk;
    for (const auto& key : options.keys) {
        const auto value = client.get(key);
        if (!value) {
            fmt::print(stderr, "shardmill-cli: not found: {}\n", key);
            exit_code = kExitFailed;
        } else if (common.json) {
            fmt::print("{{\"key\":{},\"flags\":{},\"value\":{}}}\n", text::json_string(key),
                       value->flags, text::json_string(value->data));
        } else {
            std::fwrite(value->data.data(), 1, value->data.size(), stdout);
            if (!options.raw) std::fputc('\n', stdout);
        }
    }
    return exit_code;
}

int run_stats(const Common& common, const std::string& arguments) {
    client::Client client(common.server);
    const auto stats = client.stats(arguments);
    if (common.json) {
        std::string out = "{";
        for (const client::Row& row : stats) {
            const std::string& value = row.value;
            if (out.size() > 1) out += ',';
            out += text::json_string(row.key) + ":";
            const bool number = looks_like_number(value) &&
                                (value[0] != '0' || value.size() == 1 || value[1] == '.');
            out += number ? value : text::json_string(value);
        }
        fmt::print("{}}}\n", out);
        return kExitOk;
    }
    std::size_t width = 0;
    for (const auto& row : stats) width = std::max(width, row.key.size());
    for (const auto& row : stats) fmt::print("{:<{}}  {}\n", row.key, width, row.value);
    return kExitOk;
}

}  // namespace shardmill::cli
