#include "protocol/reply.h"

#include <algorithm>
#include <cstring>

#include "base/base64.h"
#include "base/number.h"
#include "base/short_bytes.h"

namespace shardmill::protocol {
namespace {

constexpr std::size_t kMaxU32Text = 10;

/// More than any meta reply without its value: code, size, key in base64, opaque, and less than
/// thirty numbers and letters.
constexpr std::size_t kMaxMetaLineBytes = 1536;

/// Appends what `fill` writes; `fill` gets room for `max_bytes` and returns where it stopped.
template <typename Fill>
void append_filled(std::string& out, std::size_t max_bytes, Fill fill) noexcept {
    const std::size_t before = out.size();
    out.resize_and_overwrite(before + max_bytes, [&](char* data, std::size_t) noexcept {
        return static_cast<std::size_t>(fill(data + before) - data);
    });
}

inline char* put(char* out, std::string_view bytes) noexcept {
    std::memcpy(out, bytes.data(), bytes.size());
    return out + bytes.size();
}

char* put_crlf(char* out) noexcept {
    *out++ = '\r';
    *out++ = '\n';
    return out;
}

// ---- classic ----

std::size_t max_value_line_bytes(std::string_view key) noexcept {
    return key.size() + 2 * kMaxU32Text + base::kMaxNumberText + sizeof("VALUE    \r\n");
}

[[gnu::always_inline]] inline char* put_value_line(
    char* out, std::string_view key, std::uint32_t client_flags, std::uint32_t value_bytes,
    const std::optional<std::uint64_t>& cas) noexcept {
    out = put(out, "VALUE ");
    out = base::copy_bytes(out, key.data(), key.size());
    *out++ = ' ';
    out = base::write_number(out, client_flags);
    *out++ = ' ';
    out = base::write_number(out, value_bytes);
    if (cas) {
        *out++ = ' ';
        out = base::write_number(out, *cas);
    }
    return put_crlf(out);
}

// ---- meta ----

/// Writes return flags, each with the space before it.
class FlagWriter {
 public:
    explicit FlagWriter(char* out) noexcept : out_(out) {}

    void letter(char name) noexcept {
        *out_++ = ' ';
        *out_++ = name;
    }
    template <typename Number>
    void number(char name, Number value) noexcept {
        letter(name);
        out_ = base::write_number(out_, value);
    }
    void text(char name, std::string_view value) noexcept {
        letter(name);
        out_ = put(out_, value);
    }
    /// k: a binary key is sent as base64, and b says so.
    void key(std::string_view key, bool binary) noexcept {
        letter('k');
        if (!binary) {
            out_ = put(out_, key);
            return;
        }
        out_ = base::base64_encode(key, out_);
        letter('b');
    }
    char* end() const noexcept { return out_; }

 private:
    char* out_;
};

std::string_view status_text(MetaStatus status) noexcept {
    switch (status) {
        case MetaStatus::Done:
            return "HD";
        case MetaStatus::NotStored:
            return "NS";
        case MetaStatus::Exists:
            return "EX";
        case MetaStatus::NotFound:
            return "NF";
    }
    return "NS";
}

/// Calls `answer(letter)` for each of the request's flags, in the order sent.
template <typename Answer>
void for_each_flag(const Request& request, Answer answer) noexcept {
    std::string_view rest = request.meta.text;
    for (std::string_view flag = next_key(rest); !flag.empty(); flag = next_key(rest))
        answer(flag[0]);
}

/// O and k in the request's form, which every reply has.
bool put_request_flag(FlagWriter& flags, const Request& request, char letter) noexcept {
    switch (letter) {
        case 'O':
            flags.text('O', request.meta.opaque);
            return true;
        case 'k':
            flags.key(request.key, request.binary_key);
            return true;
        default:
            return false;
    }
}

/// t depends on what T and N before it have changed.
class TtlOfMoment {
 public:
    explicit TtlOfMoment(const MetaItem& item) noexcept : item_(item), ttl_(item.ttl) {}
    std::int64_t ttl() const noexcept { return ttl_; }
    void pass(char letter) noexcept {
        if (letter == 'T') ttl_ = item_.touched_ttl;
        if (letter == 'N' && item_.created) ttl_ = item_.vivified_ttl;
    }

 private:
    const MetaItem& item_;
    std::int64_t ttl_;
};

char* put_meta_get_flags(char* out, const Request& request, const MetaItem& item) noexcept {
    FlagWriter flags(out);
    TtlOfMoment ttl(item);
    for_each_flag(request, [&](char letter) noexcept {
        switch (letter) {
            case 'k':
                return flags.key(item.key, item.key_is_binary);
            case 'O':
                return flags.text('O', request.meta.opaque);
            case 'c':
                return flags.number('c', item.cas);
            case 'f':
                return flags.number('f', item.client_flags);
            case 'h':
                return flags.number('h', item.fetched ? 1 : 0);
            case 'l':
                return flags.number('l', item.idle_seconds);
            case 's':
                return flags.number('s', item.value_bytes);
            case 't':
                return flags.number('t', ttl.ttl());
            default:
                return ttl.pass(letter);
        }
    });
    if (item.token_sent) flags.letter('Z');
    if (item.stale) flags.letter('X');
    if (item.won) flags.letter('W');
    return put_crlf(flags.end());
}

char* put_value_code(char* out, std::uint64_t value_bytes) noexcept {
    return base::write_number(put(out, "VA "), value_bytes);
}

/// The whole reply of a status with O and k.
void append_status_line(std::string& out, const Request& request, std::string_view code) noexcept {
    append_filled(out, kMaxMetaLineBytes, [&](char* at) noexcept {
        FlagWriter flags(put(at, code));
        for_each_flag(request,
                      [&](char letter) noexcept { put_request_flag(flags, request, letter); });
        return put_crlf(flags.end());
    });
}

}  // namespace

void append_value(std::string& out, std::string_view key, std::uint32_t client_flags,
                  std::string_view value, std::optional<std::uint64_t> cas) noexcept {
    append_filled(out, max_value_line_bytes(key) + value.size() + 2, [&](char* at) noexcept {
        at = put_value_line(at, key, client_flags, static_cast<std::uint32_t>(value.size()), cas);
        return put_crlf(put(at, value));
    });
}

void append_only_value(std::string& out, std::string_view key, std::uint32_t client_flags,
                       std::string_view value) noexcept {
    constexpr std::string_view kBehind = "\r\nEND\r\n";
    append_filled(out, max_value_line_bytes(key) + value.size() + kBehind.size(),
                  [&](char* at) noexcept {
                      const auto value_bytes = static_cast<std::uint32_t>(value.size());
                      at = put_value_line(at, key, client_flags, value_bytes, std::nullopt);
                      return put(put(at, value), kBehind);
                  });
}

void append_value_line(std::string& out, std::string_view key, std::uint32_t client_flags,
                       std::uint32_t value_bytes, std::optional<std::uint64_t> cas) noexcept {
    append_filled(out, max_value_line_bytes(key), [&](char* at) noexcept {
        return put_value_line(at, key, client_flags, value_bytes, cas);
    });
}

void append_number_line(std::string& out, std::uint64_t number) noexcept {
    append_filled(out, base::kMaxNumberText + 2,
                  [&](char* at) noexcept { return put_crlf(base::write_number(at, number)); });
}

void append_stat(std::string& out, std::string_view name, std::string_view value) noexcept {
    append_filled(out, name.size() + value.size() + sizeof("STAT  \r\n"), [&](char* at) noexcept {
        at = put(put(at, "STAT "), name);
        *at++ = ' ';
        return put_crlf(put(at, value));
    });
}

void append_stat(std::string& out, std::string_view name, std::uint64_t value) noexcept {
    char text[base::kMaxNumberText];
    const char* end = base::write_number(text, value);
    append_stat(out, name, std::string_view(text, static_cast<std::size_t>(end - text)));
}

void append_meta_get(std::string& out, const Request& request, const MetaItem& item,
                     bool send_value, std::string_view value) noexcept {
    if (!send_value) value = {};
    append_filled(out, kMaxMetaLineBytes + value.size() + 2, [&](char* at) noexcept {
        at = send_value ? put_value_code(at, value.size()) : put(at, "HD");
        at = put_meta_get_flags(at, request, item);
        return send_value ? put_crlf(put(at, value)) : at;
    });
}

void append_meta_get_line(std::string& out, const Request& request, const MetaItem& item) noexcept {
    append_filled(out, kMaxMetaLineBytes, [&](char* at) noexcept {
        return put_meta_get_flags(put_value_code(at, item.value_bytes), request, item);
    });
}

void append_meta_miss(std::string& out, const Request& request) noexcept {
    if (!request.meta.has('q')) append_status_line(out, request, "EN");
}

void append_meta_status(std::string& out, const Request& request, MetaStatus status) noexcept {
    if (status == MetaStatus::Done && request.meta.has('q')) return;
    append_status_line(out, request, status_text(status));
}

void append_meta_store(std::string& out, const Request& request, MetaStatus status,
                       std::uint64_t cas, std::uint32_t value_bytes) noexcept {
    if (status == MetaStatus::Done && request.meta.has('q')) return;
    append_filled(out, kMaxMetaLineBytes, [&](char* at) noexcept {
        FlagWriter flags(put(at, status_text(status)));
        for_each_flag(request, [&](char letter) noexcept {
            if (put_request_flag(flags, request, letter)) return;
            if (letter == 'c') flags.number('c', cas);
            if (letter == 's') flags.number('s', value_bytes);
        });
        return put_crlf(flags.end());
    });
}

void append_meta_number(std::string& out, const Request& request, const MetaItem& item,
                        std::uint64_t number) noexcept {
    if (request.meta.has('q')) return;
    char digits[base::kMaxNumberText];
    const std::string_view value(
        digits, static_cast<std::size_t>(base::write_number(digits, number) - digits));
    const bool send_value = request.meta.has('v');
    append_filled(out, kMaxMetaLineBytes, [&](char* at) noexcept {
        FlagWriter flags(send_value ? put_value_code(at, value.size()) : put(at, "HD"));
        TtlOfMoment ttl(item);
        for_each_flag(request, [&](char letter) noexcept {
            if (put_request_flag(flags, request, letter)) return;
            if (letter == 'c') return flags.number('c', item.cas);
            if (letter == 't') return flags.number('t', ttl.ttl());
            ttl.pass(letter);
        });
        at = put_crlf(flags.end());
        return send_value ? put_crlf(put(at, value)) : at;
    });
}

void append_meta_debug(std::string& out, const MetaItem& item, std::uint32_t item_class,
                       std::uint64_t item_bytes) noexcept {
    append_filled(out, kMaxMetaLineBytes, [&](char* at) noexcept {
        at = put(at, "ME ");
        at = item.key_is_binary ? base::base64_encode(item.key, at) : put(at, item.key);
        at = base::write_number(put(at, " exp="), item.ttl);
        at = base::write_number(put(at, " la="), item.idle_seconds);
        at = base::write_number(put(at, " cas="), item.cas);
        at = put(at, item.fetched ? " fetch=yes" : " fetch=no");
        at = base::write_number(put(at, " cls="), item_class);
        at = base::write_number(put(at, " size="), item_bytes);
        return put_crlf(at);
    });
}

namespace {

/// `<head><separator><text>` as a line of its own, whatever line ends are in `text`.
void append_line(std::string& out, std::string_view head, std::string_view separator,
                 std::string_view text) noexcept {
    append_filled(out, head.size() + separator.size() + text.size() + 2, [&](char* at) noexcept {
        at = put(put(at, head), separator);
        char* const end = put(at, text);
        std::replace_if(at, end, [](char c) { return c == '\r' || c == '\n'; }, ' ');
        return put_crlf(end);
    });
}

}  // namespace

void append_batch_line(std::string& out, std::string_view code, std::string_view text) noexcept {
    if (text.empty()) return append_line(out, code, "", "");
    append_line(out, code, " ", text);
}

void append_batch_row(std::string& out, std::string_view key, std::string_view value,
                      std::uint32_t client_flags, std::uint32_t exptime) noexcept {
    const std::size_t key_bytes = base::base64_text_bytes(key.size()) + sizeof(" k b f e");
    append_filled(out, sizeof("VA ") + 3 * base::kMaxNumberText + key_bytes + value.size() + 4,
                  [&](char* at) noexcept {
                      FlagWriter flags(put_value_code(at, value.size()));
                      flags.key(key, !is_plain_key(key));
                      if (client_flags != 0) flags.number('f', client_flags);
                      if (exptime != 0) flags.number('e', exptime);
                      return put_crlf(put(put_crlf(flags.end()), value));
                  });
}

void append_batch_end(std::string& out, std::optional<std::uint64_t> next_row) noexcept {
    append_filled(out, sizeof("EN more=\r\n") + base::kMaxNumberText, [&](char* at) noexcept {
        at = next_row ? base::write_number(put(at, "EN more="), *next_row) : put(at, "EN done");
        return put_crlf(at);
    });
}

void append_client_error(std::string& out, std::string_view text) noexcept {
    append_line(out, "CLIENT_ERROR", " ", text);
}

void append_server_error(std::string& out, std::string_view text) noexcept {
    append_line(out, "SERVER_ERROR", " ", text);
}

bool is_plain_key(std::string_view key) noexcept {
    return std::all_of(key.begin(), key.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return (byte > ' ' && byte != 0x7f) || c == '\t';
    });
}

}  // namespace shardmill::protocol
