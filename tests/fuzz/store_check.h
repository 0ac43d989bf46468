#pragma once

#include <string_view>

namespace shardmill::fuzz {

/// Drives one small shard with the operations that `program` spells, a byte for each and for what
/// it needs, beside a map of what must be there, and aborts where they differ or where the shard's
/// own figures do not add up. For the fuzzer and for tests.
void check_store(std::string_view program);

/// How many operations there are: a program's byte modulo this names one.
unsigned store_operations() noexcept;

}  // namespace shardmill::fuzz
