#pragma once

#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include "shardmill/kernel.h"

/// Kernels as C++20 classes over the C table of kernel.h; see README.md beside this file.
/// Exceptions thrown by a kernel are caught at the table and become the job's error text.
namespace shardmill::kernel {

using Value = ::shardmill_value;
using Item = ::shardmill_item;
using Argument = ::shardmill_argument;

/// Ends the job (or, thrown by the constructor of a kernel, refuses the command). `argument` is
/// counted from 1.
class Error : public std::runtime_error {
 public:
    explicit Error(const std::string& text, std::uint32_t argument = 0)
        : std::runtime_error(text), argument_(argument) {}
    std::uint32_t argument() const noexcept { return argument_; }

 private:
    std::uint32_t argument_;
};

/// Thrown by `map_item`: this item cannot be worked on; the job goes on as its `errors=` says.
class ItemError : public std::runtime_error {
 public:
    using std::runtime_error::runtime_error;
};

inline Value null_value() noexcept { return {}; }
inline Value int_value(std::int64_t number) noexcept {
    Value value{};
    value.integer = number;
    value.kind = SHARDMILL_INT;
    return value;
}
inline Value unsigned_value(std::uint64_t number) noexcept {
    if (number <= INT64_MAX) return int_value(static_cast<std::int64_t>(number));
    Value value{};
    value.unsigned_integer = number;
    value.kind = SHARDMILL_UNSIGNED;
    return value;
}
inline Value double_value(double number) noexcept {
    Value value{};
    value.number = number;
    value.kind = SHARDMILL_DOUBLE;
    return value;
}
inline Value bool_value(bool truth) noexcept {
    Value value{};
    value.integer = truth ? 1 : 0;
    value.kind = SHARDMILL_BOOL;
    return value;
}
inline Value string_value(std::string_view bytes) noexcept {
    Value value{};
    value.bytes = bytes.data();
    value.bytes_count = static_cast<std::uint32_t>(bytes.size());
    value.kind = SHARDMILL_STRING;
    return value;
}
inline Value text_value(std::string_view bytes) noexcept {
    Value value = string_value(bytes);
    value.kind = SHARDMILL_TEXT;
    return value;
}

inline bool is_null(const Value& value) noexcept { return value.kind == SHARDMILL_NULL; }
inline bool has_bytes(const Value& value) noexcept {
    return value.kind == SHARDMILL_STRING || value.kind == SHARDMILL_TEXT;
}
inline std::string_view bytes_of(const Value& value) noexcept {
    return {value.bytes, value.bytes_count};
}

/// The number a value stands for, if it does: numbers, and text that is a decimal number as a whole
/// (a JSON string never is one).
inline std::optional<double> number_of(const Value& value) noexcept {
    if (value.kind == SHARDMILL_INT) return static_cast<double>(value.integer);
    if (value.kind == SHARDMILL_UNSIGNED) return static_cast<double>(value.unsigned_integer);
    if (value.kind == SHARDMILL_DOUBLE) return value.number;
    if (value.kind != SHARDMILL_TEXT) return std::nullopt;
    double number = 0;
    const char* const end = value.bytes + value.bytes_count;
    const auto read = std::from_chars(value.bytes, end, number);
    const bool whole = read.ec == std::errc() && read.ptr == end && std::isfinite(number);
    return whole ? std::optional(number) : std::nullopt;
}

inline std::string_view key_of(const Item& item) noexcept { return {item.key, item.key_bytes}; }
inline std::string_view value_of(const Item& item) noexcept {
    return {item.value, item.value_bytes};
}

/// A block of matching items.
class Block {
 public:
    explicit Block(const shardmill_block& block) noexcept : block_(block) {}
    std::span<const Item> items() const noexcept { return {block_.items, block_.count}; }
    /// One value for each item; empty if that argument (counted from 0) is not an expression.
    std::span<const Value> column(std::size_t argument) const noexcept {
        if (argument >= block_.column_count || block_.columns[argument] == nullptr) return {};
        return {block_.columns[argument], block_.count};
    }
    std::uint32_t now() const noexcept { return block_.now; }
    std::uint32_t count() const noexcept { return block_.count; }

 private:
    const shardmill_block& block_;
};

/// The job's bounds as one partial sees them. Cheap to copy.
class Host {
 public:
    explicit Host(const shardmill_host* host) noexcept : host_(host) {}
    /// False: a bound of the job is reached; the memory must not be taken and the call must fail.
    bool try_take(std::int64_t bytes, std::int64_t rows = 0) const noexcept {
        return host_->account(host_->context, bytes, rows) == 0;
    }
    void take(std::int64_t bytes, std::int64_t rows = 0) const {
        if (!try_take(bytes, rows)) throw Error("a bound of the job is reached");
    }
    void give(std::int64_t bytes, std::int64_t rows = 0) const noexcept {
        host_->account(host_->context, -bytes, -rows);
    }
    /// Counts the item at `index` of the block at hand as failed. During `map` only.
    void fail(std::size_t index, const char* text) const noexcept {
        host_->fail(host_->context, static_cast<std::uint32_t>(index), text);
    }

 private:
    const shardmill_host* host_;
};

/// Where a partial is saved to. Little endian.
class Writer {
 public:
    Writer(shardmill_write_function write, void* context) noexcept
        : write_(write), context_(context) {}
    void bytes(std::string_view bytes) {
        if (write_(context_, bytes.data(), bytes.size()) != 0)
            throw Error("a bound of the job is reached");
    }
    template <typename Number>
    void number(Number number) {
        static_assert(std::is_arithmetic_v<Number>);
        char raw[sizeof number];
        std::memcpy(raw, &number, sizeof number);
        bytes({raw, sizeof raw});
    }
    void string(std::string_view text) {
        number(static_cast<std::uint64_t>(text.size()));
        bytes(text);
    }

 private:
    shardmill_write_function write_;
    void* context_;
};

/// What was written, read back. Throws where the bytes end early, so that any bytes are safe.
class Reader {
 public:
    explicit Reader(std::string_view bytes) noexcept : rest_(bytes) {}
    std::string_view bytes(std::uint64_t count) {
        if (count > rest_.size()) throw Error("the saved partial ends early");
        const std::string_view taken = rest_.substr(0, count);
        rest_.remove_prefix(count);
        return taken;
    }
    template <typename Number>
    Number number() {
        static_assert(std::is_arithmetic_v<Number>);
        Number number{};
        std::memcpy(&number, bytes(sizeof number).data(), sizeof number);
        return number;
    }
    std::string_view string() { return bytes(number<std::uint64_t>()); }
    bool at_end() const noexcept { return rest_.empty(); }

 private:
    std::string_view rest_;
};

/// Takes the rows of the result.
class Emitter {
 public:
    Emitter(shardmill_emit_function emit, void* context) noexcept
        : emit_(emit), context_(context) {}
    /// The row's value becomes one JSON object of the columns, in the order of the kernel's
    /// columns().
    void row(std::string_view key, std::span<const Value> columns) {
        send({key.data(), key.size(), nullptr, 0, columns.data(), 0, 0});
    }
    /// The same with a value of the kernel's own making, and with what else an item has.
    void row(std::string_view key, std::string_view value, std::span<const Value> columns,
             std::uint32_t client_flags = 0, std::uint32_t exptime = 0) {
        // A view of nothing may have no address, which would mean "no value".
        const char* const bytes = value.empty() ? "" : value.data();
        send({key.data(), key.size(), bytes, value.size(), columns.data(), client_flags, exptime});
    }

 private:
    void send(const shardmill_row& row) {
        if (emit_(context_, &row) != 0) throw Error("a bound of the job is reached");
    }
    shardmill_emit_function emit_;
    void* context_;
};

/// How a kernel is listed.
struct Description {
    const char* name;
    const char* arguments;
    const char* description;
    std::uint64_t flags = 0;
};

/// The C table of a kernel class:
///
///     struct Kernel {
///         static constexpr Description description;
///         explicit Kernel(std::span<const Argument>);            // may throw Error
///         std::vector<std::string> columns() const;
///         struct Partial {
///             Partial(const Kernel&, Host);
///             void map(const Block&);         // or: void map_item(const Block&, std::size_t
///             index) void merge(Partial&); void save(Writer&) const; void load(Reader&); // adds
///             to the partial void finish(Emitter&);
///         };
///     };
///
/// With `map_item` an item fails alone when it throws ItemError or an exception of the standard
/// library other than bad_alloc; Error ends the job. It must not leave half of an item behind.
template <typename Kernel>
class Table {
    using Partial = typename Kernel::Partial;

    struct State {
        explicit State(std::span<const Argument> arguments)
            : kernel(arguments), names(kernel.columns()) {
            for (const std::string& name : names) columns.push_back(name.c_str());
        }
        Kernel kernel;
        std::vector<std::string> names;
        std::vector<const char*> columns;
    };

    struct Running {
        Running(const Kernel& kernel, Host of_host) : host(of_host), partial(kernel, of_host) {}
        void map(const Block& block) {
            if constexpr (requires { partial.map(block); }) {
                partial.map(block);
            } else {
                for (std::size_t index = 0; index < block.count(); ++index) map_one(block, index);
            }
        }
        void map_one(const Block& block, std::size_t index) {
            try {
                partial.map_item(block, index);
            } catch (const Error&) {
                throw;
            } catch (const std::bad_alloc&) {
                throw;
            } catch (const std::exception& thrown) {
                host.fail(index, thrown.what());
            }
        }
        Host host;
        Partial partial;
    };
    static Partial& partial_of(void* running) noexcept {
        return static_cast<Running*>(running)->partial;
    }

    static void describe(shardmill_error* error, const char* text,
                         std::uint32_t argument) noexcept {
        error->argument = argument;
        std::strncpy(error->text, text, sizeof error->text - 1);
        error->text[sizeof error->text - 1] = '\0';
    }

    template <typename Call>
    static int guard(shardmill_error* error, Call&& call) noexcept {
        try {
            call();
            return 0;
        } catch (const Error& thrown) {
            describe(error, thrown.what(), thrown.argument());
        } catch (const std::exception& thrown) {
            describe(error, thrown.what(), 0);
        } catch (...) {
            describe(error, "an exception of unknown type", 0);
        }
        return 1;
    }

    static int open(const shardmill_argument* arguments, std::size_t count,
                    shardmill_opened* opened, shardmill_error* error) noexcept {
        return guard(error, [&] {
            auto state = std::make_unique<State>(std::span(arguments, count));
            opened->columns = state->columns.data();
            opened->column_count = static_cast<std::uint32_t>(state->columns.size());
            opened->state = state.release();
        });
    }
    static void close(void* state) noexcept { delete static_cast<State*>(state); }

    static int start(void* state, const shardmill_host* host, void** partial,
                     shardmill_error* error) noexcept {
        return guard(error, [&] {
            *partial = new Running(static_cast<const State*>(state)->kernel, Host(host));
        });
    }
    static int map(void* partial, const shardmill_block* block, shardmill_error* error) noexcept {
        return guard(error, [&] { static_cast<Running*>(partial)->map(Block(*block)); });
    }
    static int merge(void* into, void* from, shardmill_error* error) noexcept {
        return guard(error, [&] { partial_of(into).merge(partial_of(from)); });
    }
    static int save(void* partial, shardmill_write_function write, void* context,
                    shardmill_error* error) noexcept {
        return guard(error, [&] {
            Writer writer(write, context);
            std::as_const(partial_of(partial)).save(writer);
        });
    }
    static int load(void* partial, const char* bytes, std::size_t count,
                    shardmill_error* error) noexcept {
        return guard(error, [&] {
            Reader reader(std::string_view(bytes, count));
            partial_of(partial).load(reader);
            if (!reader.at_end()) throw Error("the saved partial is too long");
        });
    }
    static int finish(void* partial, shardmill_emit_function emit, void* context,
                      shardmill_error* error) noexcept {
        return guard(error, [&] {
            Emitter emitter(emit, context);
            partial_of(partial).finish(emitter);
        });
    }
    static void drop(void* partial) noexcept { delete static_cast<Running*>(partial); }

 public:
    static constexpr shardmill_kernel table = {
        SHARDMILL_KERNEL_ABI,
        sizeof(shardmill_kernel),
        Kernel::description.name,
        Kernel::description.arguments,
        Kernel::description.description,
        Kernel::description.flags,
        &open,
        &close,
        &start,
        &map,
        &merge,
        &save,
        &load,
        &finish,
        &drop,
    };
};

template <typename... Kernels>
const shardmill_kernel_library* library() noexcept {
    static constexpr const shardmill_kernel* kernels[] = {&Table<Kernels>::table...};
    static constexpr shardmill_kernel_library library = {SHARDMILL_KERNEL_ABI, sizeof...(Kernels),
                                                         kernels};
    return &library;
}

}  // namespace shardmill::kernel

/// Makes a shared library of the kernel classes named: SHARDMILL_KERNEL_LIBRARY(LineCount,
/// Histogram)
#define SHARDMILL_KERNEL_LIBRARY(...)                                                 \
    extern "C" __attribute__((visibility("default"))) const shardmill_kernel_library* \
    shardmill_kernels() {                                                             \
        return ::shardmill::kernel::library<__VA_ARGS__>();                           \
    }                                                                                 \
    static_assert(true)
