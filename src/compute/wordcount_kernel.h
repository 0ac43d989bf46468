#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compute/word_table.h"
#include "shardmill/kernel.hpp"

namespace shardmill::compute {

/// wordcount[:<expr>]: how often each word occurs, over all matching items. The text is what the
/// expression gives (strings and text; anything else is skipped), by default the whole value.
///
/// A word is a maximal run of ASCII letters, ASCII digits and bytes from 0x80 up (so of all of
/// UTF-8 beyond ASCII, also its punctuation); everything else separates. A-Z are lowered, nothing
/// else is. Words of more than 65535 bytes are an error.
class WordcountKernel {
 public:
    static constexpr kernel::Description description{
        "wordcount", "[:<expr>]", "how often each word of the text occurs; default: of the value"};

    explicit WordcountKernel(std::span<const kernel::Argument> arguments);
    std::vector<std::string> columns() const { return {"count"}; }

    class Partial {
     public:
        Partial(const WordcountKernel& kernel, kernel::Host host);
        void map(const kernel::Block& block);
        void merge(Partial& other);
        void save(kernel::Writer& writer) const;
        void load(kernel::Reader& reader);
        void finish(kernel::Emitter& emitter);

     private:
        /// A word on its way into the table, whose place is being fetched.
        struct Pending {
            ShortWord word;
            std::uint64_t hash;
        };
        void count_words(std::string_view text);
        void count_long(std::string_view word);
        void add_pending();
        void add(std::string_view word, std::uint64_t count);

        const bool whole_value_;
        WordTable table_;
        std::array<Pending, 32> pending_;
        std::size_t pending_count_ = 0;
        std::string long_word_;
    };

 private:
    bool whole_value_;
};

}  // namespace shardmill::compute
