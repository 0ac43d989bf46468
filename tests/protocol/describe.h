#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "protocol/parser.h"

namespace shardmill::protocol {

/// A heap copy of exactly the bytes given, so that a read before or behind them is seen by ASan.
class ExactCopy {
 public:
    explicit ExactCopy(std::string_view bytes);
    std::string_view view() const noexcept { return {bytes_.get(), size_}; }

 private:
    std::unique_ptr<char[]> bytes_;
    std::size_t size_;
};

/// One line about what was parsed from `size` bytes: the verb and the members that it has, as
/// `name=value`; what was left over, `needed` and `swallow` only where they are not zero. `Invalid`
/// shows the reply without its CR LF.
std::string describe(const ParseResult& result, const Request& request, std::size_t size);

/// Parses an exact copy of `bytes` into a request full of garbage and describes the outcome.
std::string parse_and_describe(std::string_view bytes, Dialect dialect = Dialect::Text);

std::string_view verb_name(Verb verb) noexcept;

}  // namespace shardmill::protocol
