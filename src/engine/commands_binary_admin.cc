#include <algorithm>
#include <string>
#include <string_view>

#include "engine/commands_admin.h"
#include "engine/exptime.h"
#include "engine/version.h"
#include "protocol/binary_reply.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::BinaryStatus;
using protocol::Request;

void reply_success(AdminContext& context, const Request& request) noexcept {
    if (!request.no_reply) protocol::append_binary_success(context.replies.text, request);
}

void reply_error(AdminContext& context, const Request& request, BinaryStatus status) noexcept {
    protocol::append_binary_error(context.replies.text, request, status);
}

/// What STAT may be asked for. Other sub-commands of `stats` have no binary form.
bool is_binary_topic(std::string_view topic) noexcept {
    return topic.empty() || topic == "reset" || topic == "settings" || topic == "items" ||
           topic == "slabs" || topic == "sizes" || topic.starts_with("detail ");
}

/// Takes the next line off `text`, without its CR LF.
std::string_view next_line(std::string_view& text) noexcept {
    const std::size_t end = std::min(text.find("\r\n"), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 2, text.size()));
    return line;
}

/// The text of a report as packets, one a line.
void append_report(std::string& out, const Request& request, std::string_view report) noexcept {
    constexpr std::string_view kStat = "STAT ";
    constexpr std::string_view kDetail = "detail ";
    if (request.arguments.starts_with(kDetail) && report != protocol::replies::kOk) {
        // The dump of prefixes is one value, END included, as memcached has it.
        protocol::append_binary_stat(out, request, "detailed", report);
        report = {};
    }
    while (report.starts_with(kStat)) {
        const std::string_view line = next_line(report).substr(kStat.size());
        const std::size_t name_end = std::min(line.find(' '), line.size());
        protocol::append_binary_stat(out, request, line.substr(0, name_end),
                                     line.substr(std::min(name_end + 1, line.size())));
    }
    protocol::append_binary_stat(out, request, {}, {});
}

}  // namespace

void run_binary_noop(AdminContext& context, net::Operation& operation) noexcept {
    reply_success(context, *operation.request);
}

void run_binary_version(AdminContext& context, net::Operation& operation) noexcept {
    protocol::append_binary_text(context.replies.text, *operation.request, BinaryStatus::Ok,
                                 kProtocolVersion);
}

void run_binary_flush(AdminContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    if (!context.config.flush_enabled) {
        return reply_error(context, request, BinaryStatus::AuthError);
    }
    context.parts.counters->add(Counter::CmdFlush);
    const auto delay = static_cast<std::uint32_t>(request.exptime);
    flush_shards(context,
                 delay == 0 ? context.now
                            : deadline_of_unsigned(delay, context.now, context.config.started_at));
    reply_success(context, request);
}

void run_binary_stat(AdminContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    if (!is_binary_topic(request.arguments)) {
        return reply_error(context, request, BinaryStatus::NotFound);
    }
    std::string report;
    context.parts.statistics->report(request.arguments, context.now, report);
    if (report.starts_with("ERROR") || report.starts_with("CLIENT_ERROR")) {
        return reply_error(context, request, BinaryStatus::NotFound);
    }
    append_report(context.replies.text, request, report);
}

/// The connection closes behind this.
void run_binary_quit(AdminContext& context, net::Operation& operation) noexcept {
    reply_success(context, *operation.request);
}

void run_binary_sasl(AdminContext& context, net::Operation& operation) noexcept {
    reply_error(context, *operation.request, BinaryStatus::UnknownCommand);
}

/// The line's own handler answers, in text, and that becomes the value of a packet. What is
/// answered later is wrapped when it comes.
void run_binary_line(AdminContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    net::ReplyArena answer;
    AdminContext inner{context.config, context.parts, context.now, answer};
    admin_command(request.binary.line_verb)(inner, operation);
    if (operation.deferred) return;
    std::string& text = context.replies.text;
    protocol::append_binary_line_head(text, request.binary.opaque,
                                      static_cast<std::uint32_t>(answer.text.size()));
    text.append(answer.text);
}

void run_binary_invalid(AdminContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    reply_error(context, request, request.binary.status);
}

}  // namespace shardmill::engine
