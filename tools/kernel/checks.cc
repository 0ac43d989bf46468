#include "kernel/checks.h"

#include <fmt/format.h>
#include <malloc.h>

#include <atomic>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "compute/value.h"

namespace shardmill::kernel_check {

namespace {

using compute::JobBudget;
using compute::JobLimits;
using compute::Partial;
using Budget = std::shared_ptr<JobBudget>;

Budget budget_of(std::uint64_t memory = JobLimits{}.memory_bytes) {
    return std::make_shared<JobBudget>(JobLimits{.memory_bytes = memory});
}

template <typename Expected>
auto take(Expected&& expected, const char* call) {
    if (!expected)
        throw std::runtime_error(fmt::format("{} fails: {}", call, expected.error().message));
    if constexpr (!std::is_void_v<typename std::remove_cvref_t<Expected>::value_type>)
        return *std::forward<Expected>(expected);
}

Partial started(const Subject& subject, const StoredItems& items, const Budget& budget) {
    return take(Partial::start(subject.program, budget,
                               {.shards = &items.shards(), .clock = [] noexcept { return kNow; }}),
                "start");
}

std::expected<void, compute::JobError> try_map(Partial& partial, const StoredItems& items) {
    const std::atomic<bool> stop{false};
    for (const store::PinnedSegment& segment : items.segments()) {
        if (auto mapped = partial.map(segment, kNow, stop); !mapped) return mapped;
    }
    return {};
}

Partial mapped(const Subject& subject, const StoredItems& items,
               const Budget& budget = budget_of()) {
    Partial partial = started(subject, items, budget);
    take(try_map(partial, items), "map");
    return partial;
}

Partial merged(Partial into, Partial from) {
    take(into.merge(std::move(from)), "merge");
    return into;
}

Partial reloaded(const Subject& subject, Partial& partial) {
    const std::string bytes = take(partial.save(), "save");
    Partial copy = started(subject, *subject.whole, budget_of());
    take(copy.load(bytes), "load");
    return copy;
}

/// The rows as one text, in their order.
std::string answer(Partial partial) {
    std::string text;
    for (const compute::Row& row : take(partial.finish(), "finish").rows) {
        text += fmt::format("{} f{} e{} {}\n", compute::printable(row.key), row.client_flags,
                            row.exptime, compute::printable(row.value));
    }
    return text;
}

std::string difference(const std::string& expected, const std::string& found) {
    if (expected == found) return {};
    std::size_t at = 0;
    while (at < expected.size() && at < found.size() && expected[at] == found[at]) ++at;
    const std::size_t line = expected.rfind('\n', at == 0 ? 0 : at - 1);
    const std::size_t start = line == std::string::npos ? 0 : line + 1;
    const auto shown = [start](const std::string& text) {
        const std::string row = text.substr(std::min(start, text.size()), 160);
        return row.empty() ? std::string("nothing") : row.substr(0, row.find('\n'));
    };
    return fmt::format("rows differ: `{}` and `{}`", shown(expected), shown(found));
}

std::string takes_any_arguments(const Subject& subject) {
    std::vector<std::string> calls = {""};
    for (const char* argument : {"value", "$.text", "1", "-1", "0", "1e308", "18446744073709551615",
                                 "''", "'\\0'", "'('", "true", "key", "size", "$.n"}) {
        const std::size_t before = calls.size();
        for (std::size_t call = 0; call < before && calls.size() < 4000; ++call)
            calls.push_back(calls[call].empty() ? argument : calls[call] + "," + argument);
    }
    std::string many = "value";
    for (int argument = 1; argument < 64; ++argument) many += ",1";
    calls.push_back(many);
    for (const std::string& call : calls) {
        const auto program = compute::compile(
            call.empty() ? subject.kernel : subject.kernel + ":" + call, *subject.registry);
        if (!program && program.error().message.ends_with("failed without saying why"))
            return fmt::format("`{}` is refused without a reason", call);
    }
    return {};
}

std::string maps_usual_items(const Subject& subject) {
    const Partial partial = mapped(subject, *subject.whole);
    const compute::Counters& counters = partial.counters();
    if (counters.matched > 0) return {};
    return fmt::format("every one of {} items failed, the first with: {}", counters.scanned,
                       partial.first_failure());
}

std::string finishes_without_items(const Subject& subject) {
    answer(started(subject, *subject.whole, budget_of()));
    answer(merged(started(subject, *subject.whole, budget_of()),
                  started(subject, *subject.whole, budget_of())));
    return {};
}

/// Failing is a fair answer; dying is not.
std::string survives_hostile_items(const Subject& subject) {
    Partial partial = started(subject, *subject.hostile, budget_of());
    if (try_map(partial, *subject.hostile)) {
        Partial copy = reloaded(subject, partial);
        return difference(answer(std::move(partial)), answer(std::move(copy)));
    }
    return {};
}

std::string repeats_itself(const Subject& subject) {
    return difference(answer(mapped(subject, *subject.whole)),
                      answer(mapped(subject, *subject.whole)));
}

std::string splits(const Subject& subject) {
    const auto& [a, b, c] = subject.parts;
    Partial together =
        merged(merged(mapped(subject, *a), mapped(subject, *b)), mapped(subject, *c));
    return difference(answer(mapped(subject, *subject.whole)), answer(std::move(together)));
}

std::string commutes(const Subject& subject) {
    const auto& [a, b, c] = subject.parts;
    return difference(answer(merged(mapped(subject, *a), mapped(subject, *b))),
                      answer(merged(mapped(subject, *b), mapped(subject, *a))));
}

std::string associates(const Subject& subject) {
    const auto& [a, b, c] = subject.parts;
    return difference(
        answer(merged(merged(mapped(subject, *a), mapped(subject, *b)), mapped(subject, *c))),
        answer(merged(mapped(subject, *a), merged(mapped(subject, *b), mapped(subject, *c)))));
}

std::string nothing_changes_nothing(const Subject& subject) {
    const auto empty = [&subject] { return started(subject, *subject.whole, budget_of()); };
    const std::string expected = answer(mapped(subject, *subject.whole));
    const std::string into =
        difference(expected, answer(merged(empty(), mapped(subject, *subject.whole))));
    return into.empty()
               ? difference(expected, answer(merged(mapped(subject, *subject.whole), empty())))
               : into;
}

std::string survives_saving(const Subject& subject) {
    Partial partial = mapped(subject, *subject.whole);
    Partial copy = reloaded(subject, partial);
    Partial again = reloaded(subject, copy);
    const std::string first = difference(answer(std::move(partial)), answer(std::move(copy)));
    return first.empty()
               ? difference(answer(mapped(subject, *subject.whole)), answer(std::move(again)))
               : first;
}

std::string loading_is_merging(const Subject& subject) {
    const auto& [a, b, c] = subject.parts;
    Partial loaded = mapped(subject, *a);
    Partial other = mapped(subject, *b);
    take(loaded.load(take(other.save(), "save")), "load");
    return difference(answer(merged(mapped(subject, *a), std::move(other))),
                      answer(std::move(loaded)));
}

/// Any answer but dying; what was taken must also be usable.
void offer(const Subject& subject, const std::string& bytes) {
    Partial target = started(subject, *subject.whole, budget_of());
    if (target.load(bytes)) (void)target.finish();
}

std::string survives_truncated_bytes(const Subject& subject) {
    Partial partial = mapped(subject, *subject.parts[0]);
    const std::string saved = take(partial.save(), "save");
    const std::size_t step = 1 + (saved.size() - Partial::kSavedHeadBytes) / 500;
    for (std::size_t size = Partial::kSavedHeadBytes; size < saved.size(); size += step)
        offer(subject, saved.substr(0, size));
    offer(subject, saved + "x");
    return {};
}

std::string survives_random_bytes(const Subject& subject) {
    Partial partial = mapped(subject, *subject.parts[0]);
    const std::string saved = take(partial.save(), "save");
    std::mt19937_64 random(1);
    const auto random_byte = [&random] { return static_cast<char>(random()); };
    for (int round = 0; round < 500; ++round) {
        std::string damaged = saved.substr(0, std::min<std::size_t>(saved.size(), 4000));
        for (auto changes = 1 + random() % 8; changes > 0; --changes) {
            if (damaged.size() == Partial::kSavedHeadBytes) break;
            const std::size_t own = damaged.size() - Partial::kSavedHeadBytes;
            damaged[Partial::kSavedHeadBytes + random() % own] = random_byte();
        }
        offer(subject, damaged);
        damaged.resize(Partial::kSavedHeadBytes);
        for (auto bytes = random() % 200; bytes > 0; --bytes) damaged += random_byte();
        offer(subject, damaged);
        damaged.resize(Partial::kSavedHeadBytes);
        damaged.append(random() % 100, round % 2 == 0 ? '\xff' : '\0');
        offer(subject, damaged);
    }
    return {};
}

std::uint64_t heap_bytes() {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

/// Under a sanitizer, whose allocator mallinfo2 does not know, there is nothing to compare.
std::string announces_memory(const Subject& subject) {
    constexpr std::uint64_t kSlack = 256u << 10;
    const Budget budget = budget_of();
    Partial partial = started(subject, *subject.whole, budget);
    const std::uint64_t before = heap_bytes();
    const std::uint64_t announced_before = budget->used_bytes();
    take(try_map(partial, *subject.whole), "map");
    const std::uint64_t held = heap_bytes() - std::min(before, heap_bytes());
    const std::uint64_t announced = budget->used_bytes() - announced_before;
    if (held <= announced + kSlack) return {};
    return fmt::format("holds {} KiB for {} items and has announced {}: see Host::take", held >> 10,
                       subject.whole->size(), announced >> 10);
}

std::string keeps_to_the_bound(const Subject& subject) {
    const Budget wide = budget_of();
    (void)answer(mapped(subject, *subject.whole, wide));
    for (std::uint64_t memory = wide->peak_bytes(); memory > 1000; memory = memory * 2 / 3) {
        auto partial = Partial::start(subject.program, budget_of(memory), {});
        if (!partial) continue;
        const auto done = try_map(*partial, *subject.whole);
        if (!done && done.error().kind != compute::JobErrorKind::Memory)
            return fmt::format("with {} bytes: {}", memory, done.error().message);
        if (done) (void)partial->finish();
    }
    return {};
}

std::string leaks_nothing(const Subject& subject) {
    const auto round = [&subject] {
        Partial partial = mapped(subject, *subject.parts[0]);
        Partial copy = reloaded(subject, partial);
        (void)answer(merged(std::move(partial), std::move(copy)));
    };
    round();
    const std::uint64_t before = heap_bytes();
    for (int repeat = 0; repeat < 3; ++repeat) round();
    const std::uint64_t after = heap_bytes();
    constexpr std::uint64_t kSlack = 4096;
    return after <= before + kSlack
               ? ""
               : fmt::format("{} bytes more after three rounds", after - before);
}

std::string runs_beside_itself(const Subject& subject) {
    std::vector<std::string> problems(std::size(subject.parts));
    std::vector<std::optional<Partial>> partials(problems.size());
    {
        std::vector<std::jthread> threads;
        for (std::size_t part = 0; part < problems.size(); ++part) {
            threads.emplace_back([&, part] {
                try {
                    partials[part].emplace(mapped(subject, *subject.parts[part]));
                } catch (const std::exception& thrown) {
                    problems[part] = thrown.what();
                }
            });
        }
    }
    for (std::string& problem : problems) {
        if (!problem.empty()) return std::move(problem);
    }
    Partial all = std::move(*partials[0]);
    for (std::size_t part = 1; part < partials.size(); ++part)
        all = merged(std::move(all), std::move(*partials[part]));
    return difference(answer(mapped(subject, *subject.whole)), answer(std::move(all)));
}

constexpr Check kChecks[] = {
    {"takes or refuses any arguments", takes_any_arguments},
    {"maps usual items", maps_usual_items},
    {"finishes without items", finishes_without_items},
    {"survives hostile items", survives_hostile_items},
    {"gives the same answer twice", repeats_itself},
    {"parts merge into the whole", splits},
    {"merge is commutative", commutes},
    {"merge is associative", associates},
    {"merging nothing changes nothing", nothing_changes_nothing},
    {"a saved partial comes back", survives_saving},
    {"load adds as merge does", loading_is_merging},
    {"load survives truncated bytes", survives_truncated_bytes},
    {"load survives random bytes", survives_random_bytes},
    {"memory is announced", announces_memory},
    {"keeps to a bound on memory", keeps_to_the_bound},
    {"frees what it took", leaks_nothing},
    {"partials on several threads", runs_beside_itself},
};

}  // namespace

std::span<const Check> all_checks() noexcept { return kChecks; }

}  // namespace shardmill::kernel_check
