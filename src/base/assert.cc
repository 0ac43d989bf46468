#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace shardmill::base {

void assert_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "shardmill: assertion failed: %s (%s:%d)\n", expression, file, line);
    std::abort();
}

}  // namespace shardmill::base
