#pragma once

#include <cstdint>
#include <expected>
#include <string>

#include "uring/file.h"

namespace shardmill::snapshot {

enum class ErrorKind : std::uint8_t {
    Io,        // the operating system refused; the text says what to do
    Corrupt,   // bytes on disk are not what was written
    Version,   // written by a version of the format this build does not know
    Locked,    // another server uses the directory
    NotFound,  // no such snapshot, result or row
    Exists,    // the name is taken
    Invalid,   // the caller asked for something impossible (name, item over the limits, wrong order
               // of calls)
    Stopped,   // the visitor asked to stop
};

/// `what` names file, offset and reason, fit to be shown to an operator as it is.
struct Error {
    ErrorKind kind = ErrorKind::Io;
    std::string what;
};

template <typename T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(ErrorKind kind, std::string what) {
    return std::unexpected(Error{kind, std::move(what)});
}

inline std::unexpected<Error> fail(uring::FileError error) {
    return fail(ErrorKind::Io, std::move(error.what));
}

}  // namespace shardmill::snapshot
