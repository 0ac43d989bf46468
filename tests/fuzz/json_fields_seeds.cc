#include "fuzz/json_fields_seeds.h"

namespace shardmill::fuzz {
namespace {

constexpr std::string_view kSeeds[] = {
    R"({"id":1,"country":"C7","amount":120,"ok":true,"text":"word12 word7 word99"})",
    R"({"a":{"a":{"c":1.5e3},"b":"x"},"b":[1,2,{"a":null}],"":false,"x\"y":-0})",
    R"([ "first" , { "b" : [ ] } , { } ])",
    R"([0,[1,2.0]])",
    R"({"\u0061":1,"\u00fc":2,"\\":"\\","ü":"\ud83d\ude00"})",
    R"({"a":1,"a":2,"b":1,"b":3})",
    R"({"a":"\\","b":"\\\"","c":"\\\\","amount":"\u0000\/\b\f\n\r\t"})",
    R"({"skip":"a \" { [ : , ] } \\","a":"{[\"","b":2})",
    R"({"skip":{"skip":[[{"a":1}],"]}"]},"a":[7]})",
    R"({"a":"\ud800","b":1})",
    R"({"a":"\udc00","b":1})",
    R"({"a":"\ud83dx","b":1})",
    R"({"a":9223372036854775807,"b":18446744073709551615,"amount":-9223372036854775808})",
    R"({"a":0.1,"b":1e-400,"amount":-1E+2,"":0e5})",
    R"({"a":123456789012345678,"b":4.9406564584124654e-324,"amount":1.7976931348623157e308})",
    R"({"a":1e400})",
    R"({"a":01})",
    R"({"a":1.})",
    R"({"a":-})",
    R"({"a":tru})",
    R"({"a":1,})",
    R"({"a":1}})",
    R"({"a":1} {"b":2})",
    R"({"a" 1})",
    R"({"a":1 "b":2})",
    R"({"a")",
    R"({"a":"x)",
    R"({"a":1)",
    "  ",
    "",
    " \"a \\u0041\" ",
    "\"a\" b",
    "-12.5",
    "nul",
    "true",
    "{}",
    "[]",
    "[1,]",
    "[,1]",
    "{\"a\":\"\xff\"}",
    "{\"a\":\"\xed\xa0\x80\"}",
    "{\"a\":\"tab\tin it\"}",
    "\xef\xbb\xbf{\"a\":1}",
};

constexpr std::string_view kNames[] = {
    "a",    "a",      "a",       "b",       "b",           "",        "c", "ü",          "x\\\"y",
    "\\\\", "amount", "country", "\\u0061", "longer name", "\\u00fc", "[", "{\\\"a\\\":"};
constexpr std::string_view kPieces[] = {
    "x", "word ", "\\n", "\\\"", "\\\\", "\\u0041", "\\u00e9",          "\\ud83d\\ude00",
    "ü", "😀",    "{",   "]",    ":",    ",",       "0123456789abcdef", "\\/"};
constexpr std::string_view kScalars[] = {
    "true", "false", "null",    "0", "-0", "0.0", "-0.0", "1e5", "9876543210987654321",
    "0.1",  "1E-7",  "-1.25e+3"};

class Writer {
 public:
    explicit Writer(std::mt19937_64& random) : random_(random) {}
    std::string take() && { return std::move(out_); }

    void value(unsigned depth) {
        const std::size_t kind = below(depth > 4 ? 4 : 8);
        if (kind == 0) {
            string();
        } else if (kind == 1) {
            number();
        } else if (kind < 4) {
            out_ += one_of(kScalars);
        } else {
            list(kind < 7 ? '{' : '[', depth);
        }
    }

 private:
    std::size_t below(std::size_t limit) { return static_cast<std::size_t>(random_() % limit); }
    template <std::size_t kCount>
    std::string_view one_of(const std::string_view (&choices)[kCount]) {
        return choices[below(kCount)];
    }
    void space() {
        if (below(8) == 0) out_.append(below(4) == 0 ? below(70) : 1, " \t\n\r"[below(4)]);
    }
    void string() {
        out_ += '"';
        // Some are longer than what is looked at in one go.
        for (std::size_t left = below(20) == 0 ? below(60) : below(5); left > 0; --left)
            out_ += below(3) == 0 ? one_of(kPieces) : kPieces[below(2)];
        out_ += '"';
    }
    void number() {
        const std::uint64_t bits = random_() >> below(64);
        if (below(2) == 0) out_ += '-';
        out_ += std::to_string(bits);
        if (below(3) == 0) out_ += '.' + std::to_string(random_() >> below(64));
        if (below(4) == 0) out_ += (below(2) == 0 ? "e-" : "E") + std::to_string(below(290));
    }
    void list(char bracket, unsigned depth) {
        out_ += bracket;
        for (std::size_t left = below(6); left > 0; --left) {
            space();
            if (bracket == '{') {
                out_ += '"';
                out_ += one_of(kNames);
                out_ += '"';
                space();
                out_ += ':';
                space();
            }
            value(depth + 1);
            space();
            if (left > 1) out_ += ',';
        }
        space();
        out_ += bracket == '{' ? '}' : ']';
    }

    std::mt19937_64& random_;
    std::string out_;
};

}  // namespace

std::span<const std::string_view> json_fields_seeds() noexcept { return kSeeds; }

std::string random_json(std::mt19937_64& random) {
    Writer writer(random);
    writer.value(0);
    return std::move(writer).take();
}

}  // namespace shardmill::fuzz
