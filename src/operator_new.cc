// operator new of a server with mimalloc. The library's own ends the process where memory is not to
// be had, because as a C library it cannot throw; here that is std::bad_alloc, as everybody
// expects. The memory is mimalloc's all the same, and so is operator delete.

#include <cstdlib>
#include <new>

void* operator new(std::size_t bytes) {
    if (void* const memory = std::malloc(bytes)) return memory;
    throw std::bad_alloc();
}

void* operator new[](std::size_t bytes) { return ::operator new(bytes); }

void* operator new(std::size_t bytes, std::align_val_t alignment) {
    void* memory = nullptr;
    if (::posix_memalign(&memory, static_cast<std::size_t>(alignment), bytes) == 0) return memory;
    throw std::bad_alloc();
}

void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return ::operator new(bytes, alignment);
}
