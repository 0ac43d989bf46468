#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/control_queue.h"
#include "engine/load_gate.h"
#include "engine/loader.h"
#include "runtime/task_queue.h"

namespace shardmill::engine {

/// What the last load came to, or how far it is.
struct LoadStatus {
    enum class State : std::uint8_t { Loading, Loaded, Failed, Stopped };
    State state = State::Loading;
    std::uint32_t percent = 0;
    LoadReport report;   // so far
    std::string reason;  // Failed: why
};

constexpr const char* load_state_name(LoadStatus::State state) noexcept {
    constexpr const char* kNames[] = {"loading", "loaded", "failed", "stopped"};
    return kNames[static_cast<std::size_t>(state)];
}

/// Loads snapshots into the shards: when the server starts, before clients are served or beside
/// them, and when told to. One at a time. Main thread until `connect`, control thread from then on.
class ContentsLoader {
 public:
    struct Parts {
        store::ShardSet* shards = nullptr;
        const snapshot::Catalog* catalog = nullptr;  // nullptr: there is no directory
        LoadGate* gate = nullptr;
        std::uint32_t threads = 1;
        bool evict = true;
        config::OnBrokenSnapshot on_broken = config::OnBrokenSnapshot::Refuse;
        base::UnixSeconds (*clock)() noexcept = base::unix_now;
    };
    explicit ContentsLoader(const Parts& parts) : parts_(parts) {}
    /// Nothing may be under way any more.
    ~ContentsLoader() = default;
    ContentsLoader(const ContentsLoader&) = delete;
    ContentsLoader& operator=(const ContentsLoader&) = delete;

    /// Loads the committed snapshot, if there is one, before anything is served. Blocks.
    /// Unexpected: the server must not start.
    std::expected<void, std::string> load_first();

    /// Instead: looks whether there is something to load, and lets clients wait for it (`serve`
    /// false: they are refused) or be served meanwhile; `start` loads.
    std::expected<void, std::string> prepare(bool serve);

    /// Before anything is served; what is pointed to outlives the loader.
    void connect(ControlQueue& control, std::vector<runtime::TaskQueue*> reactors);

    using OnEnd = std::function<void(const LoadStatus&)>;
    /// Loads what `prepare` has found, if anything: `on_end` runs when it is loaded or cannot be.
    /// Without anything to load it runs at once, with State::Loaded.
    void start(OnEnd on_end);

    /// Loads a snapshot into the running server: keys that are there keep what they have, and so do
    /// those that clients change meanwhile. Unexpected: why not now; `on_end` is not called.
    std::expected<void, std::string> load(const std::string& name, OnEnd on_end);

    /// Ends a load that is under way; what was loaded by then stays. False: none is.
    bool stop();
    /// Stops, and runs `task` when nothing is under way any more.
    void shut_down(runtime::Task task);

    /// The contents are not all there yet, or never will be: they must not be saved.
    bool incomplete() const noexcept { return incomplete_; }
    /// nullopt: there was nothing to load.
    std::optional<LoadStatus> status() const;
    std::uint64_t memory_bytes() const noexcept { return parts_.gate->memory_bytes(); }

 private:
    LoadOptions options(std::string name, bool beside_clients);
    void begin(LoadOptions options, OnEnd on_end);
    void ended(const std::expected<std::optional<LoadReport>, std::string>& outcome);
    void reactor_has_seen();

    const Parts parts_;
    ControlQueue* control_ = nullptr;
    std::vector<runtime::TaskQueue*> reactors_;

    LoadProgress progress_;
    std::optional<LoadStatus> status_;
    std::uint64_t started_ns_ = 0;
    bool prepared_ = false;
    bool incomplete_ = false;
    bool under_way_ = false;  // until the last reactor knows that the gate is open again
    std::size_t reactors_to_see_ = 0;
    OnEnd on_end_;
    runtime::Task when_idle_;
    std::jthread thread_;
};

}  // namespace shardmill::engine
