#include <optional>
#include <string>
#include <string_view>

#include "engine/commands_admin.h"
#include "engine/exptime.h"
#include "engine/stat_packets.h"
#include "engine/version.h"
#include "protocol/binary_parser.h"
#include "protocol/binary_reply.h"

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

/// What STAT may be asked for, as `stats` has it; nullopt: no packets are made of it. Of some only
/// the beginning counts.
std::optional<std::string_view> topic_of(std::string_view asked) noexcept {
    static constexpr struct {
        std::string_view name;
        bool only_beginning;
    } kTopics[] = {{"", false},           {"reset", true},     {"settings", true},
                   {"items", false},      {"slabs", false},    {"sizes", false},
                   {"detail dump", true}, {"detail on", true}, {"detail off", true}};
    for (const auto& topic : kTopics) {
        const bool meant =
            topic.only_beginning ? asked.starts_with(topic.name) : asked == topic.name;
        if (meant) return topic.name;
    }
    return std::nullopt;
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
    if (is_kept_out(context)) return reply_error(context, request, BinaryStatus::TemporaryFailure);
    context.parts.counters->add(Counter::CmdFlush);
    const auto delay = static_cast<std::uint32_t>(request.exptime);
    flush_shards(context,
                 delay == 0 ? context.now
                            : deadline_of_unsigned(delay, context.now, context.config.started_at));
    reply_success(context, request);
}

void run_binary_stat(AdminContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    const auto topic = topic_of(request.arguments);
    if (!topic) return reply_error(context, request, BinaryStatus::NotFound);
    const ControlRequest asked{.kind = ControlRequest::Kind::Stats,
                               .arguments = std::string(*topic),
                               .payload = {},
                               .connection = operation.connection,
                               .packet = request.binary};
    if (Statistics::is_long_report(*topic) && context.parts.control != nullptr) {
        operation.deferred = true;
        return context.parts.control->submit(asked);
    }
    std::string report;
    context.parts.statistics->report(*topic, context.now, report);
    append_stat_packets(context.replies.text, asked, report);
}

/// The connection closes behind this.
void run_binary_quit(AdminContext& context, net::Operation& operation) noexcept {
    reply_success(context, *operation.request);
}

void run_binary_sasl(AdminContext& context, net::Operation& operation) noexcept {
    const Request& request = *operation.request;
    if (!context.config.sasl || context.parts.control == nullptr) {
        return reply_error(context, request, BinaryStatus::UnknownCommand);
    }
    if (request.key.size() > protocol::kMaxMechanismBytes) {
        return reply_error(context, request, BinaryStatus::InvalidArguments);
    }
    if (request.bad_data_chunk) return reply_error(context, request, BinaryStatus::NoMemory);
    operation.deferred = true;
    context.parts.control->submit({.kind = ControlRequest::Kind::Sasl,
                                   .arguments = std::string(request.key),
                                   .payload = std::string(request.value),
                                   .connection = operation.connection,

                                   .packet = request.binary});
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
