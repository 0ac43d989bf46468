#include "watched_calls.h"

#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <typeinfo>

// The program's own definitions stand before those of the libraries. glibc offers its allocator by
// these names, too.
extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* memory, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* memory);
}

namespace shardmill::testing {
namespace {

constinit std::atomic<bool> watching{false};
constinit std::atomic<std::uint64_t> allocations{0};
constinit std::atomic<std::uint64_t> frees{0};
constinit std::atomic<std::int64_t> bytes_kept{0};
constinit std::atomic<std::uint64_t> exceptions{0};
constinit std::atomic<std::uint64_t> mutexes{0};
constinit thread_local bool exempt = false;

bool watched() noexcept { return watching.load(std::memory_order_acquire) && !exempt; }

void count(std::atomic<std::uint64_t>& calls) noexcept {
    if (watched()) ++calls;
}

void* count_allocation(void* memory) noexcept {
    if (watched()) {
        ++allocations;
        bytes_kept += static_cast<std::int64_t>(::malloc_usable_size(memory));
    }
    return memory;
}

void count_free(void* memory) noexcept {
    if (memory == nullptr || !watched()) return;
    ++frees;
    bytes_kept -= static_cast<std::int64_t>(::malloc_usable_size(memory));
}

template <class Function>
Function next_definition(const char* name) {
    return reinterpret_cast<Function>(::dlsym(RTLD_NEXT, name));
}

}  // namespace

void exempt_this_thread() { exempt = true; }

void start_watching() {
    allocations = frees = exceptions = mutexes = 0;
    bytes_kept = 0;
    watching = true;
}

WatchedCalls stop_watching() {
    watching = false;
    return {allocations, frees, bytes_kept, exceptions, mutexes};
}

}  // namespace shardmill::testing

using namespace shardmill::testing;

extern "C" {

void* malloc(std::size_t bytes) { return count_allocation(__libc_malloc(bytes)); }

void* calloc(std::size_t items, std::size_t bytes) {
    return count_allocation(__libc_calloc(items, bytes));
}

void* realloc(void* memory, std::size_t bytes) {
    const bool is_free = memory != nullptr && bytes == 0;
    const auto before =
        watched() ? static_cast<std::int64_t>(::malloc_usable_size(memory)) : std::int64_t{0};
    void* const moved = __libc_realloc(memory, bytes);
    if (moved != nullptr || is_free) bytes_kept -= before;
    return count_allocation(moved);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
    return count_allocation(__libc_memalign(alignment, bytes));
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t bytes) {
    *memory = count_allocation(__libc_memalign(alignment, bytes));
    return *memory == nullptr ? ENOMEM : 0;
}

void free(void* memory) {
    count_free(memory);
    __libc_free(memory);
}

int pthread_mutex_lock(pthread_mutex_t* mutex) {
    static const auto lock = next_definition<int (*)(pthread_mutex_t*)>("pthread_mutex_lock");
    count(mutexes);
    return lock(mutex);
}

void __cxa_throw(void* object, std::type_info* type, void (*destroy)(void*)) {
    using Throw = void (*)(void*, std::type_info*, void (*)(void*));
    static const auto raise = next_definition<Throw>("__cxa_throw");
    count(exceptions);
    raise(object, type, destroy);
    std::abort();
}
}
