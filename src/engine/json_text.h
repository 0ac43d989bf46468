#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

namespace shardmill::engine {

/// `text` as a JSON string. Bytes above 0x7f are passed on as they are: what people type is UTF-8.
inline void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned>(c));
        } else {
            out += c;
        }
    }
    out += '"';
}

/// Composes one flat JSON object.
class JsonObject {
 public:
    void add(std::string_view name, std::string_view text) {
        begin(name);
        append_json_string(out_, text);
    }
    template <std::integral Number>
    void add(std::string_view name, Number number) {
        begin(name);
        out_ += std::to_string(number);
    }
    /// `json` is a value in JSON already.
    void add_json(std::string_view name, std::string_view json) {
        begin(name);
        out_ += json;
    }
    void add(std::string_view name, double number) {
        begin(name);
        fmt::format_to(std::back_inserter(out_), "{:.3f}", number);
    }
    std::string take() && {
        out_ += '}';
        return std::move(out_);
    }

 private:
    void begin(std::string_view name) {
        if (out_.size() > 1) out_ += ',';
        append_json_string(out_, name);
        out_ += ':';
    }
    std::string out_ = "{";
};

}  // namespace shardmill::engine
