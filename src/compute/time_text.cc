#include "compute/time_text.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string_view>

namespace shardmill::compute {

namespace {

namespace chrono = std::chrono;

constexpr std::int64_t kDay = 86'400;
constexpr std::int64_t kWeek = 7 * kDay;
constexpr std::int64_t kFirstMonday = -3 * kDay;  // 1970-01-01 was a Thursday
constexpr std::int64_t kFirst = -62'167'219'200;  // 0000-01-01
constexpr std::int64_t kLast = 253'402'300'799;   // 9999-12-31, its last second

std::int64_t floor_to(std::int64_t number, std::int64_t step) noexcept {
    const std::int64_t rest = number % step;
    return number - rest - (rest < 0 ? step : 0);
}

chrono::year_month_day date_of(std::int64_t moment) noexcept {
    return chrono::sys_days(chrono::days(floor_to(moment, kDay) / kDay));
}

std::int64_t start_of(chrono::year_month_day date) noexcept {
    return chrono::sys_days(date).time_since_epoch().count() * kDay;
}

char* write_pair(char* out, int number) noexcept {
    out[0] = static_cast<char>('0' + number / 10);
    out[1] = static_cast<char>('0' + number % 10);
    return out + 2;
}

char* write_mark(char* out, char mark) noexcept {
    *out = mark;
    return out + 1;
}

std::optional<std::int64_t> in_range(std::int64_t moment) noexcept {
    if (moment < kFirst || moment > kLast) return std::nullopt;
    return moment;
}

std::int64_t parts_per_second(double number) noexcept {
    const double size = std::abs(number);
    if (size < 1e11) return 1;
    return size < 1e14 ? 1'000 : size < 1e17 ? 1'000'000 : 1'000'000'000;
}

std::optional<std::int64_t> from_integer(std::int64_t number) noexcept {
    const std::int64_t parts = parts_per_second(static_cast<double>(number));
    return in_range(number / parts - (number % parts < 0 ? 1 : 0));
}

std::optional<std::int64_t> from_double(double number) noexcept {
    if (std::abs(number) >= 9e18) return std::nullopt;
    return from_integer(static_cast<std::int64_t>(std::floor(number)));
}

/// Reads ISO 8601 from the front.
class DateReader {
 public:
    explicit DateReader(std::string_view text) noexcept : rest_(text) {}

    std::optional<std::int64_t> read() noexcept {
        const int year = digits(4);
        const int month = take('-') ? digits(2) : -1;
        const int day = take('-') ? digits(2) : -1;
        const chrono::year_month_day date{chrono::year(year),
                                          chrono::month(static_cast<unsigned>(month)),
                                          chrono::day(static_cast<unsigned>(day))};
        if (year < 0 || month < 0 || day < 0 || !date.ok()) return std::nullopt;
        std::int64_t moment = start_of(date);
        if (take('T') || take(' ') || take('t')) moment += read_clock() - read_offset();
        if (failed_ || !rest_.empty()) return std::nullopt;
        return in_range(moment);
    }

 private:
    bool take(char byte) noexcept {
        if (rest_.empty() || rest_[0] != byte) return false;
        rest_.remove_prefix(1);
        return true;
    }

    /// Exactly `count` of them; -1: they are not there.
    int digits(std::size_t count) noexcept {
        if (rest_.size() < count) return -1;
        int number = 0;
        for (const char byte : rest_.substr(0, count)) {
            if (byte < '0' || byte > '9') return -1;
            number = number * 10 + (byte - '0');
        }
        rest_.remove_prefix(count);
        return number;
    }

    int below(int limit) noexcept {
        const int number = digits(2);
        if (number < 0 || number >= limit) failed_ = true;
        return number;
    }

    std::int64_t read_clock() noexcept {
        const int hours = below(24);
        if (!take(':')) failed_ = true;
        const int minutes = below(60);
        const int seconds = take(':') ? below(61) : 0;  // 60: a leap second
        if (take('.') || take(',')) {
            while (digits(1) >= 0) {
            }
        }
        return hours * 3600 + minutes * 60 + seconds;
    }

    std::int64_t read_offset() noexcept {
        if (take('Z') || take('z')) return 0;
        const bool east = take('+');
        if (!east && !take('-')) return 0;
        const int hours = below(24);
        const int minutes = take(':') || !rest_.empty() ? below(60) : 0;
        const std::int64_t offset = hours * 3600 + minutes * 60;
        return east ? offset : -offset;
    }

    std::string_view rest_;
    bool failed_ = false;
};

}  // namespace

std::optional<std::int64_t> unix_seconds(const Value& value) noexcept {
    const Value number = to_number(value);
    switch (number.kind) {
        case SHARDMILL_INT:
            return from_integer(number.integer);
        case SHARDMILL_UNSIGNED:
            return std::nullopt;
        case SHARDMILL_DOUBLE:
            return from_double(number.number);
        default:
            if (!kernel::has_bytes(value)) return std::nullopt;
            return DateReader(kernel::bytes_of(value)).read();
    }
}

std::int64_t time_bucket(std::int64_t moment, TimeUnit unit, std::int64_t width) noexcept {
    const chrono::year_month_day date = date_of(moment);
    const std::int64_t year = static_cast<int>(date.year());
    switch (unit) {
        case TimeUnit::Seconds:
            return floor_to(moment, width);
        case TimeUnit::Weeks:
            return kFirstMonday + floor_to(moment - kFirstMonday, width * kWeek);
        case TimeUnit::Months: {
            const std::int64_t month =
                floor_to((year - 1970) * 12 + static_cast<unsigned>(date.month()) - 1, width);
            return start_of(chrono::year(1970) / 1 / 1 + chrono::months(month));
        }
        case TimeUnit::Years:
            return start_of(chrono::year(static_cast<int>(1970 + floor_to(year - 1970, width))) /
                            1 / 1);
    }
    return moment;
}

std::size_t write_time(char* out, std::int64_t moment, TimeUnit unit, std::int64_t width) noexcept {
    const chrono::year_month_day date = date_of(moment);
    const std::int64_t clock = moment - floor_to(moment, kDay);
    // The first bucket may begin in the year before the first.
    const int year = std::max(static_cast<int>(date.year()), 0);
    out = write_pair(write_pair(out, year / 100), year % 100);
    out = write_pair(write_mark(out, '-'), static_cast<int>(static_cast<unsigned>(date.month())));
    out = write_pair(write_mark(out, '-'), static_cast<int>(static_cast<unsigned>(date.day())));
    out = write_pair(write_mark(out, 'T'), static_cast<int>(clock / 3600));
    out = write_pair(write_mark(out, ':'), static_cast<int>(clock / 60 % 60));
    out = write_pair(write_mark(out, ':'), static_cast<int>(clock % 60));
    write_mark(out, 'Z');
    if (unit == TimeUnit::Years) return 4;
    if (unit == TimeUnit::Months) return 7;
    return unit == TimeUnit::Weeks || width % kDay == 0 ? 10 : kTimeTextBytes;
}

}  // namespace shardmill::compute
