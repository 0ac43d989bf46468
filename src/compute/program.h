#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "compute/job_limits.h"
#include "compute/registry.h"
#include "compute/touches.h"
#include "shardmill/kernel.hpp"
#include "store/cut.h"
#include "store/shard_set.h"

namespace shardmill::compute {

struct Action;

/// Which items a job looks at, beside the pipeline's own filters: the options `prefix=` and
/// `glob=`. Empty: all.
struct KeySelection {
    std::string_view prefix;
    std::string_view glob;
};

/// What is wrong with a pipeline, and where.
struct PipelineError {
    static constexpr std::size_t kNoPosition = static_cast<std::size_t>(-1);
    std::size_t position = kNoPosition;  // byte offset in the pipeline's text, counted from 0
    std::string message;                 // one line, without the position

    /// "<message> at character <position + 1>", for CLIENT_ERROR.
    std::string text() const;
};

/// A compiled pipeline: immutable, shared by all workers of a job, any thread.
class Program {
 public:
    struct Impl;
    explicit Program(std::unique_ptr<Impl> impl) noexcept;
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// As it was written.
    const std::string& text() const noexcept;
    /// Names of the members of each row's JSON object, in their order.
    const std::vector<std::string>& columns() const noexcept;
    /// What of items any part of it looks at. An item that a filter stops has its dearer parts
    /// left untouched.
    Touches touches() const noexcept;
    /// False: keys and item headers are enough, no value is touched.
    bool reads_values() const noexcept { return has(touches(), Touches::Bytes); }
    /// What is to be done with the items that match; nullopt: nothing.
    const std::optional<Action>& action() const noexcept;

    const Impl& impl() const noexcept { return *impl_; }

 private:
    std::unique_ptr<Impl> impl_;
};

/// Texts longer than this are refused.
inline constexpr std::size_t kMaxPipelineBytes = 64u << 10;

/// `registry` must outlive the program. Cheap enough for the control thread (regular expressions
/// are built here); never on a reactor.
std::expected<std::shared_ptr<const Program>, PipelineError> compile(
    std::string_view pipeline, const Registry& registry, const KeySelection& selection = {});

/// What a partial has seen so far.
struct Counters {
    std::uint64_t scanned = 0;   // live items
    std::uint64_t selected = 0;  // of those, passed the filters on the key
    std::uint64_t matched = 0;   // of those, passed all filters
    std::uint64_t failed = 0;    // selected, but the value is not the JSON that was asked for, or
                                 // the kernel could not work on it
    std::uint64_t bytes = 0;     // bytes of the scanned items in the log
    std::uint64_t selected_bytes = 0;  // keys and values of the selected items
};

/// Where a partial looks up how its items are used, for programs that ask for it.
struct AccessSource {
    const store::ShardSet* shards = nullptr;  // nullptr: nothing is known
    base::UnixSeconds (*clock)() noexcept = base::unix_now;
};

/// A row of the result: an item. Keys are any bytes, up to kMaxRowKeyBytes; values are JSON
/// objects, except where a plug-in chose otherwise.
struct Row {
    std::string key;
    std::string value;
    std::uint32_t client_flags = 0;
    std::uint32_t exptime = 0;  // unix seconds, 0: never
};
inline constexpr std::size_t kMaxRowKeyBytes = 65535;

struct Result {
    std::vector<Row> rows;  // ordered and limited
    Counters counters;
};

/// One worker's share of a job. Used by one thread at a time. Its memory counts against the budget
/// until it is destroyed.
class Partial {
 public:
    static std::expected<Partial, JobError> start(std::shared_ptr<const Program> program,
                                                  std::shared_ptr<JobBudget> budget,
                                                  AccessSource access = {});
    ~Partial();
    Partial(Partial&&) noexcept;
    Partial& operator=(Partial&&) noexcept;

    /// Maps every item of the segment that was live at the cut; `now` is the cut's. The segment
    /// must stay pinned during the call and can be released after it. `stop` is looked at once per
    /// block of items. After an error the partial is good for nothing but being destroyed.
    std::expected<void, JobError> map(const store::PinnedSegment& segment, std::uint32_t now,
                                      const std::atomic<bool>& stop);
    /// The same from `cursor` on, for up to `items` live items. True: the end was reached.
    std::expected<bool, JobError> map_some(const store::PinnedSegment& segment, std::uint32_t now,
                                           const std::atomic<bool>& stop,
                                           store::SegmentCursor& cursor, std::uint64_t items);

    /// Of a program that acts: the items that matched since the last call. Views into the segments
    /// that were mapped.
    std::vector<kernel::Item> take_picked() noexcept;

    /// Adds a partial of the same program to this one.
    std::expected<void, JobError> merge(Partial&& other);

    /// The partial as bytes, to be added to another one elsewhere: kSavedHeadBytes that are the
    /// same for all pipelines but in their content, then the reducer's own. Any bytes can be given
    /// to load.
    static constexpr std::size_t kSavedHeadBytes =
        sizeof(std::uint32_t) + 7 * sizeof(std::uint64_t);
    std::expected<std::string, JobError> save();
    std::expected<void, JobError> load(std::string_view bytes);

    /// The rows, in order. Once.
    std::expected<Result, JobError> finish();

    /// May be read by the owning thread only.
    const Counters& counters() const noexcept;
    /// "<key>: <why>" of the first item that a kernel could not work on; empty: none. As above.
    const std::string& first_failure() const noexcept;

 private:
    struct Impl;
    explicit Partial(std::unique_ptr<Impl> impl) noexcept;
    std::unique_ptr<Impl> impl_;
};

}  // namespace shardmill::compute
