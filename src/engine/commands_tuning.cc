// slabs, lru and extstore: commands for machinery of memcached that this server does not have. They
// are checked and answered as memcached does, remembered and shown; nothing else follows from them.

#include <cstdint>
#include <string_view>

#include "engine/admin_arguments.h"
#include "engine/command_context.h"
#include "engine/commands_admin.h"
#include "engine/runtime_settings.h"
#include "protocol/reply.h"

namespace shardmill::engine {

namespace {

using protocol::replies::kBadLine;
using protocol::replies::kError;
using protocol::replies::kOk;

// ---- slabs ----

constexpr std::uint32_t kWindowMin = 3;
constexpr std::uint32_t kWindowMax = 1800;

/// Which class lends a page. Classes other than the one that holds everything have none to spare.
std::string_view reassign(const AdminContext& context, const AdminArguments& arguments) noexcept {
    if (!context.parts.statistics->providers().config->tuning.slab_reassign) {
        return "CLIENT_ERROR slab reassignment disabled\r\n";
    }
    constexpr std::int32_t kAny = -1;
    const auto source = arguments.i32(2);
    const auto target = arguments.i32(3);
    if (!source || !target) return kBadLine;
    if (*source == *target) return "SAME src and dst class are identical\r\n";
    const auto is_class = [](std::int32_t id) {
        return id >= 0 && id <= static_cast<std::int32_t>(kLargestClass);
    };
    const bool has_spare = context.parts.statistics->segments() >= 2;
    const auto holder = static_cast<std::int32_t>(kItemClass);
    const bool found = *source != kAny || (has_spare && *target != holder);
    if (!found || !is_class(*target) || (*source != kAny && !is_class(*source))) {
        return "BADCLASS invalid src or dst class id\r\n";
    }
    if (*source != kAny && (*source != holder || !has_spare)) {
        return "NOSPARE source class has no spare pages\r\n";
    }
    return kOk;
}

std::string_view automove(RuntimeSettings& settings, const AdminArguments& arguments) noexcept {
    if (arguments.abbreviates(2, "ratio") || arguments.abbreviates(2, "freeratio")) {
        const auto ratio = arguments.fraction(3);
        if (!ratio) return kError;
        const bool plain = arguments.abbreviates(2, "ratio");
        (plain ? settings.slab_automove_ratio : settings.slab_automove_freeratio) = *ratio;
        return kOk;
    }
    if (arguments.abbreviates(2, "window")) {
        const auto window = arguments.u32(3);
        if (!window) return kBadLine;
        if (*window < kWindowMin || *window > kWindowMax) {
            return "CLIENT_ERROR automove window too low or too high\r\n";
        }
        settings.slab_automove_window = *window;
        return kOk;
    }
    const auto level = arguments.u32(2);
    if (!level) return kBadLine;
    if (*level > 2) return kError;
    settings.slab_automove = *level;
    return kOk;
}

// ---- lru ----

std::string_view tune_lru(RuntimeSettings& settings, const AdminArguments& arguments) noexcept {
    constexpr std::uint32_t kPercentMax = 80;
    const auto hot = arguments.u32(2);
    const auto warm = arguments.u32(3);
    const auto hot_factor = arguments.fraction(4);
    const auto warm_factor = arguments.fraction(5);
    if (!hot || !warm || !hot_factor || !warm_factor) return kError;
    if (std::uint64_t{*hot} + *warm > kPercentMax) {
        return "ERROR hot and warm pcts must not exceed 80\r\n";
    }
    if (*hot_factor <= 0 || *warm_factor <= 0) {
        return "ERROR hot/warm age factors must be greater than 0\r\n";
    }
    settings.hot_lru_pct = *hot;
    settings.warm_lru_pct = *warm;
    settings.hot_max_factor = *hot_factor;
    settings.warm_max_factor = *warm_factor;
    return kOk;
}

std::string_view set_lru_mode(RuntimeSettings& settings, const AdminArguments& arguments) noexcept {
    const bool flat = arguments.abbreviates(2, "flat");
    if (!flat && !arguments.abbreviates(2, "segmented")) return kError;
    settings.lru_segmented = !flat;
    return kOk;
}

std::string_view set_temporary_ttl(RuntimeSettings& settings,
                                   const AdminArguments& arguments) noexcept {
    const auto ttl = arguments.i32(2);
    if (!ttl) return kError;
    settings.temp_lru = *ttl >= 0;
    if (*ttl >= 0) settings.temporary_ttl = static_cast<std::uint32_t>(*ttl);
    return kOk;
}

std::string_view answer_lru(const AdminContext& context, const AdminArguments& arguments) noexcept {
    RuntimeSettings& settings = *context.parts.settings;
    const bool maintained = context.parts.statistics->providers().config->tuning.lru_maintainer;
    if (arguments.abbreviates(1, "tune") && arguments.count() >= 6) {
        return tune_lru(settings, arguments);
    }
    if (arguments.count() < 3 || !maintained) return kError;
    if (arguments.abbreviates(1, "mode")) return set_lru_mode(settings, arguments);
    if (arguments.abbreviates(1, "temp_ttl")) return set_temporary_ttl(settings, arguments);
    return kError;
}

// ---- extstore ----

struct ExtstoreFigure {
    std::string_view name;
    std::atomic<std::uint32_t> RuntimeSettings::* member;
};

// The order decides what an ambiguous abbreviation means.
constexpr ExtstoreFigure kExtstoreFigures[] = {
    {"item_size", &RuntimeSettings::ext_item_size},
    {"item_age", &RuntimeSettings::ext_item_age},
    {"low_ttl", &RuntimeSettings::ext_low_ttl},
    {"recache_rate", &RuntimeSettings::ext_recache_rate},
    {"compact_under", &RuntimeSettings::ext_compact_under},
    {"drop_under", &RuntimeSettings::ext_drop_under},
    {"max_sleep", &RuntimeSettings::ext_max_sleep},
};

bool set_extstore(RuntimeSettings& settings, const AdminArguments& arguments) noexcept {
    if (arguments.count() < 3) return false;
    if (arguments.abbreviates(1, "free_memchunks") && arguments.count() > 3) {
        const auto id = arguments.u32(2);
        return id && arguments.u32(3) && *id < kClassesMax;
    }
    const auto number = arguments.u32(2);
    for (const ExtstoreFigure& figure : kExtstoreFigures) {
        if (!arguments.abbreviates(1, figure.name)) continue;
        if (number) settings.*figure.member = *number;
        return number.has_value();
    }
    if (arguments.abbreviates(1, "max_frag")) {
        const auto share = arguments.fraction(2);
        if (share) settings.ext_max_frag = *share;
        return share.has_value();
    }
    if (!arguments.abbreviates(1, "drop_unread") || !number) return false;
    settings.ext_drop_unread = *number != 0;
    return true;
}

}  // namespace

void run_slabs(AdminContext& context, net::Operation& operation) noexcept {
    const AdminArguments arguments(*operation.request);
    std::string_view answer = kError;
    if (arguments.count() == 4 && arguments.abbreviates(1, "reassign")) {
        answer = reassign(context, arguments);
    } else if (arguments.count() >= 3 && arguments.abbreviates(1, "automove")) {
        answer = automove(*context.parts.settings, arguments);
    }
    append_answer(context, operation, answer);
}

void run_lru(AdminContext& context, net::Operation& operation) noexcept {
    append_answer(context, operation, answer_lru(context, AdminArguments(*operation.request)));
}

void run_extstore(AdminContext& context, net::Operation& operation) noexcept {
    const bool done = set_extstore(*context.parts.settings, AdminArguments(*operation.request));
    append_answer(context, operation, done ? kOk : kError);
}

}  // namespace shardmill::engine
