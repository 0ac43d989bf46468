#include "bench/report.h"

#include <fmt/format.h>

#include <iterator>

#include "text/json.h"

namespace shardmill::bench {

namespace {

double per(double amount, double count) { return count > 0 ? amount / count : 0; }

double us(std::uint64_t ns) { return static_cast<double>(ns) / 1000.0; }

template <typename... Args>
void add(std::string& out, fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(out), format, std::forward<Args>(args)...);
}

Histogram all_latencies(const Report& report) {
    Histogram all = report.total.get_latency;
    all.merge(report.total.set_latency);
    return all;
}

void add_latency_row(std::string& out, std::string_view name, const Histogram& h) {
    if (h.count() == 0) return;
    add(out, "{:<9}{:>12}{:>11.1f}{:>11.1f}{:>11.1f}{:>11.1f}{:>11.1f}{:>11.1f}\n", name, h.count(),
        h.mean_ns() / 1000.0, us(h.quantile_ns(0.50)), us(h.quantile_ns(0.90)),
        us(h.quantile_ns(0.99)), us(h.quantile_ns(0.999)), us(h.max_ns()));
}

std::string latency_json(const Histogram& h) {
    return fmt::format(
        R"({{"count":{},"mean":{:.3f},"p50":{:.3f},"p90":{:.3f},"p99":{:.3f},"p99_9":{:.3f},"max":{:.3f}}})",
        h.count(), h.mean_ns() / 1000.0, us(h.quantile_ns(0.50)), us(h.quantile_ns(0.90)),
        us(h.quantile_ns(0.99)), us(h.quantile_ns(0.999)), us(h.max_ns()));
}

void add_cpu_rows(std::string& out, const Report& report) {
    const auto requests = static_cast<double>(report.total.requests());
    const auto operations = static_cast<double>(report.total.operations());
    add(out, "generator CPU {:>8.3f} s  {:>8.3f} us per request  busiest thread {:.0f} %\n",
        report.client_cpu_s, per(report.client_cpu_s * 1e6, requests), report.busiest_thread * 100);
    if (report.server_cpu_s) {
        add(out, "server CPU    {:>8.3f} s  {:>8.3f} us per request  {:.3f} us per key\n",
            *report.server_cpu_s, per(*report.server_cpu_s * 1e6, requests),
            per(*report.server_cpu_s * 1e6, operations));
    }
}

}  // namespace

std::string to_table(const Report& report, const Options& options) {
    const Counters& total = report.total;
    std::string out;
    add(out, "{} connections, {} threads, {} in flight each, {} keys of {} bytes\n",
        options.connections, options.threads, options.pipeline, options.keys, options.key_bytes);
    add(out,
        "{} requests in {:.3f} s: {:.0f} requests/s, {:.0f} keys/s, {:.1f} MB/s in, {:.1f} MB/s "
        "out\n",
        total.requests(), report.seconds,
        per(static_cast<double>(total.requests()), report.seconds),
        per(static_cast<double>(total.operations()), report.seconds),
        per(static_cast<double>(total.bytes_in) / 1e6, report.seconds),
        per(static_cast<double>(total.bytes_out) / 1e6, report.seconds));
    add(out, "hits {}  misses {}  stored {}  errors {}", total.hits,
        total.get_keys - std::min(total.hits, total.get_keys), total.sets, total.errors);
    if (options.verify) add(out, "  wrong values {}", total.wrong);
    add(out, "\n\n{:<9}{:>12}{:>11}{:>11}{:>11}{:>11}{:>11}{:>11}\n", "us", "requests", "mean",
        "p50", "p90", "p99", "p99.9", "max");
    add_latency_row(out, "get", total.get_latency);
    add_latency_row(out, "set", total.set_latency);
    if (total.gets > 0 && total.sets > 0) add_latency_row(out, "all", all_latencies(report));
    add(out, "\n");
    add_cpu_rows(out, report);
    if (report.generator_is_the_limit()) {
        add(out,
            "The load generator is the limit: its busiest thread had no time left. "
            "Add threads with -t.\n");
    }
    if (!total.first_error.empty()) add(out, "first error: {}\n", total.first_error);
    for (const auto& failure : report.failures) add(out, "failed: {}\n", failure);
    return out;
}

std::string to_json(const Report& report, const Options& options) {
    const Counters& total = report.total;
    const auto requests = static_cast<double>(total.requests());
    const auto operations = static_cast<double>(total.operations());
    std::string out;
    add(out,
        R"({{"seconds":{:.6f},"requests":{},"keys":{},"requests_per_s":{:.1f},"keys_per_s":{:.1f},)",
        report.seconds, total.requests(), total.operations(), per(requests, report.seconds),
        per(operations, report.seconds));
    add(out,
        R"("gets":{},"sets":{},"hits":{},"misses":{},"errors":{},"wrong":{},"bytes_in":{},"bytes_out":{},)",
        total.gets, total.sets, total.hits, total.get_keys - std::min(total.hits, total.get_keys),
        total.errors, total.wrong, total.bytes_in, total.bytes_out);
    add(out, R"("latency_us":{{"get":{},"set":{},"all":{}}},)", latency_json(total.get_latency),
        latency_json(total.set_latency), latency_json(all_latencies(report)));
    add(out,
        R"("generator_cpu_s":{:.6f},"generator_cpu_us_per_request":{:.4f},"generator_busiest_thread":{:.4f},"generator_is_the_limit":{},)",
        report.client_cpu_s, per(report.client_cpu_s * 1e6, requests), report.busiest_thread,
        report.generator_is_the_limit());
    if (report.server_cpu_s) {
        add(out,
            R"("server_cpu_s":{:.6f},"server_cpu_us_per_request":{:.4f},"server_cpu_us_per_key":{:.4f},)",
            *report.server_cpu_s, per(*report.server_cpu_s * 1e6, requests),
            per(*report.server_cpu_s * 1e6, operations));
    }
    add(out, R"("connections":{},"threads":{},"pipeline":{},"multiget":{},"failures":[)",
        options.connections, options.threads, options.pipeline, options.multiget);
    for (std::size_t i = 0; i < report.failures.size(); ++i) {
        add(out, "{}{}", i == 0 ? "" : ",", text::json_string(report.failures[i]));
    }
    add(out, R"(],"first_error":{}}})", text::json_string(total.first_error));
    return out + "\n";
}

}  // namespace shardmill::bench
