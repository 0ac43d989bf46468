#include "compute/wordcount_kernel.h"

#include <array>
#include <cstring>

#include "compute/program.h"

namespace shardmill::compute {

namespace {

/// What a byte becomes in a word; 0: it separates words.
constexpr std::array<char, 256> make_word_bytes() {
    std::array<char, 256> table{};
    for (int byte = 0; byte < 256; ++byte) {
        const bool letter =
            (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte >= 0x80;
        if (letter) table[byte] = static_cast<char>(byte);
        if (byte >= 'A' && byte <= 'Z') table[byte] = static_cast<char>(byte - 'A' + 'a');
    }
    return table;
}
constexpr std::array<char, 256> kWordBytes = make_word_bytes();

}  // namespace

WordcountKernel::WordcountKernel(std::span<const kernel::Argument> arguments)
    : whole_value_(arguments.empty()) {
    if (arguments.size() > 1) throw kernel::Error("at most one expression", 2);
    if (!arguments.empty() && arguments[0].kind != SHARDMILL_ARGUMENT_EXPRESSION) {
        throw kernel::Error("the text must be an expression", 1);
    }
}

WordcountKernel::Partial::Partial(const WordcountKernel& kernel, kernel::Host host)
    : whole_value_(kernel.whole_value_), table_(host, sizeof(std::uint64_t)) {}

void WordcountKernel::Partial::map(const kernel::Block& block) {
    if (whole_value_) {
        for (const kernel::Item& item : block.items()) count_words(kernel::value_of(item));
        return;
    }
    for (const kernel::Value& value : block.column(0)) {
        if (kernel::has_bytes(value)) count_words(kernel::bytes_of(value));
    }
}

void WordcountKernel::Partial::count_words(std::string_view text) {
    word_.clear();
    for (const char byte : text) {
        const char lowered = kWordBytes[static_cast<unsigned char>(byte)];
        if (lowered != 0) {
            word_ += lowered;
        } else if (!word_.empty()) {
            add(word_, 1);
            word_.clear();
        }
        if (word_.size() > kMaxRowKeyBytes) break;
    }
    if (!word_.empty()) add(word_, 1);
}

void WordcountKernel::Partial::add(std::string_view word, std::uint64_t count) {
    if (word.size() > kMaxRowKeyBytes) throw kernel::Error("a word of more than 65535 bytes");
    char* const record = table_.find_or_insert(word);
    if (record == nullptr) throw kernel::Error("a bound of the job is reached");
    std::uint64_t counted;
    std::memcpy(&counted, record, sizeof counted);
    counted += count;
    std::memcpy(record, &counted, sizeof counted);
}

void WordcountKernel::Partial::merge(Partial& other) {
    other.table_.for_each([this](std::string_view word, const char* record) {
        std::uint64_t count;
        std::memcpy(&count, record, sizeof count);
        add(word, count);
        return true;
    });
}

void WordcountKernel::Partial::save(kernel::Writer& writer) const {
    table_.for_each([&writer](std::string_view word, const char* record) {
        writer.string(word);
        writer.bytes({record, sizeof(std::uint64_t)});
        return true;
    });
}

void WordcountKernel::Partial::load(kernel::Reader& reader) {
    while (!reader.at_end()) {
        const std::string_view word = reader.string();
        add(word, reader.number<std::uint64_t>());
    }
}

void WordcountKernel::Partial::finish(kernel::Emitter& emitter) {
    table_.for_each([&emitter](std::string_view word, const char* record) {
        std::uint64_t count;
        std::memcpy(&count, record, sizeof count);
        const kernel::Value column = kernel::unsigned_value(count);
        emitter.row(word, {&column, 1});
        return true;
    });
}

}  // namespace shardmill::compute
