#pragma once

namespace shardmill::base {

/// Reports a broken invariant on stderr and aborts. Never for bad input: input is answered, not
/// asserted.
[[noreturn]] void assert_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace shardmill::base

/// Always on, in every build: module edges, and once per batch.
#define SHARDMILL_ASSERT(expression)                                         \
    (__builtin_expect(!(expression), 0)                                      \
         ? ::shardmill::base::assert_failed(#expression, __FILE__, __LINE__) \
         : (void)0)

/// Debug builds only (-DSHARDMILL_DEBUG): inside loops over items.
#ifdef SHARDMILL_DEBUG
#define SHARDMILL_DASSERT(expression) SHARDMILL_ASSERT(expression)
#else
#define SHARDMILL_DASSERT(expression) ((void)0)
#endif
