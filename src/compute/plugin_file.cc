#include "compute/plugin_file.h"

#include <dlfcn.h>
#include <elf.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstring>
#include <fstream>
#include <string_view>
#include <vector>

namespace shardmill::compute {

namespace {

template <typename Record>
bool read_at(std::ifstream& file, std::uint64_t offset, Record* records, std::size_t count) {
    file.seekg(static_cast<std::streamoff>(offset));
    file.read(reinterpret_cast<char*>(records),
              static_cast<std::streamsize>(count * sizeof(Record)));
    return file.good();
}

/// What the dynamic linker takes for granted, and dies of where it is not so: that the file is as
/// long as its segments say.
std::string elf_problem(const std::string& path) {
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return "cannot be read";
    const auto size = static_cast<std::uint64_t>(file.tellg());
    Elf64_Ehdr head{};
    const bool is_elf = size >= SELFMAG && read_at(file, 0, head.e_ident, SELFMAG) &&
                        std::memcmp(head.e_ident, ELFMAG, SELFMAG) == 0;
    if (!is_elf) return "not a shared library (no ELF file)";
    std::uint64_t needed = sizeof head;
    if (size >= needed) {
        if (!read_at(file, 0, &head, 1)) return "cannot be read";
        if (head.e_ident[EI_CLASS] != ELFCLASS64 || head.e_type != ET_DYN ||
            head.e_phentsize != sizeof(Elf64_Phdr)) {
            return "not a 64-bit shared library (build it with -shared -fPIC)";
        }
        if (head.e_phoff > size) return fmt::format("cut off: the file has {} bytes", size);
        needed = head.e_phoff + std::uint64_t{head.e_phnum} * sizeof(Elf64_Phdr);
    }
    if (size >= needed) {
        std::vector<Elf64_Phdr> segments(head.e_phnum);
        if (!read_at(file, head.e_phoff, segments.data(), segments.size())) return "cannot be read";
        for (const Elf64_Phdr& segment : segments) {
            if (segment.p_offset > UINT64_MAX - segment.p_filesz)
                return "its ELF header is damaged";
            needed = std::max<std::uint64_t>(needed, segment.p_offset + segment.p_filesz);
        }
    }
    if (size >= needed) return {};
    return fmt::format("cut off: the file has {} bytes, {} are needed", size, needed);
}

/// The linker's own words, which begin with the path that everybody puts in front anyway.
std::string linker_problem(const std::string& path) {
    const char* const reason = ::dlerror();
    std::string_view text = reason != nullptr ? reason : "cannot be loaded";
    if (text.starts_with(path + ": ")) text.remove_prefix(path.size() + 2);
    return std::string(text);
}

const shardmill_kernel_library* library_of(void* handle) {
    const auto entry = reinterpret_cast<shardmill_kernel_library_function>(
        ::dlsym(handle, SHARDMILL_KERNEL_ENTRY));
    return entry != nullptr ? entry() : nullptr;
}

}  // namespace

std::expected<PluginFile, std::string> PluginFile::load(const std::string& path) {
    if (std::string problem = elf_problem(path); !problem.empty()) return std::unexpected(problem);
    PluginFile file;
    file.handle_ = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (file.handle_ == nullptr) return std::unexpected(linker_problem(path));
    file.library_ = library_of(file.handle_);
    std::string problem;
    if (file.library_ == nullptr) {
        problem = fmt::format("not a kernel library (it exports no {})", SHARDMILL_KERNEL_ENTRY);
    } else if (file.library_->abi != SHARDMILL_KERNEL_ABI) {
        problem = fmt::format("built for kernel ABI {}, this server has {}", file.library_->abi,
                              SHARDMILL_KERNEL_ABI);
    } else if (file.library_->count == 0 || file.library_->kernels == nullptr) {
        problem = "has no kernels";
    }
    if (problem.empty()) return file;
    file.close();
    return std::unexpected(problem);
}

void PluginFile::close() noexcept {
    ::dlclose(handle_);
    handle_ = nullptr;
    library_ = nullptr;
}

std::string trust_problem(const struct ::stat& status, uid_t user) {
    if (status.st_uid != 0 && status.st_uid != user) {
        return fmt::format("owned by user {}, not by root or by user {} as whom the server runs",
                           status.st_uid, user);
    }
    if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return fmt::format("others may write to it (mode {:04o}); chmod go-w",
                           status.st_mode & 07777u);
    }
    return {};
}

}  // namespace shardmill::compute
