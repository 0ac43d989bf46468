#include "compute/pattern.h"

namespace shardmill::compute {

Parsed<Pattern> Pattern::compile(const ast::RawText& pattern) {
    try {
        return Pattern(std::make_unique<PatternSearch>(pattern.text));
    } catch (const kernel::Error& error) {
        return Scanner::error_at(pattern.position, error.what());
    }
}

}  // namespace shardmill::compute
