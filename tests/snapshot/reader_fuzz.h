#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace shardmill::snapshot {

/// Reads `file` as the only shard file of a snapshot whose manifest was made to agree with the
/// file's last bytes, so that a mutation gets past the manifest. Aborts if the reader hands over
/// what it should not; reports nothing. Also parses the same bytes as a manifest and as the records
/// of one block.
void fuzz_reader(std::span<const char> file);

/// A sound file for fuzz_reader, to be mutated.
std::string fuzz_seed_file(std::uint64_t seed, bool compressed);

/// Makes the checksums of header, blocks and footer right again as far as sizes allow, so that what
/// lies behind them is reached.
void repair_checksums(std::string& file);

}  // namespace shardmill::snapshot
