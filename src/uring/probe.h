#pragma once

#include <expected>
#include <string>

#include "uring/feature_set.h"

namespace shardmill::uring {

/// Tries out what this kernel's io_uring can do, by doing it rather than by version number
/// (distributions back-port). Returns the features to use, without those in `disabled`. If
/// something required is missing the error says what, and what to do about it. Once, at start;
/// takes well under a millisecond.
std::expected<FeatureSet, std::string> probe(FeatureSet disabled = {});

/// What there is and what is used, for people.
struct ProbeReport {
    std::string text;  // a line for each feature, in columns
    bool usable;       // all that is required was found
};
ProbeReport probe_report();

/// What a failed ring set-up (negative or positive errno) means and what to do about it.
std::string explain_setup_error(int error);

/// "defer-taskrun multishot-accept ..." for the log.
std::string to_string(FeatureSet features);

}  // namespace shardmill::uring
