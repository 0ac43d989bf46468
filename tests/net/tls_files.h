#pragma once

#include <filesystem>
#include <string>

namespace shardmill::net::testing {

/// A directory of certificates made for one test: an authority, a server and a client it vouches
/// for, and a stranger who vouches for himself. Removed at the end.
class TlsFiles {
 public:
    TlsFiles();
    ~TlsFiles();
    TlsFiles(const TlsFiles&) = delete;
    TlsFiles& operator=(const TlsFiles&) = delete;

    std::string path(const std::string& name) const { return (directory_ / name).string(); }
    std::string authority() const { return path("ca.crt"); }

    /// Writes <name>.crt (PEM) and <name>.key (PEM), and <name>.der, the key as ASN.1. `subject`:
    /// the common name. Vouched for by the authority, or by itself.
    void issue(const std::string& name, const std::string& subject, bool by_authority = true);

 private:
    struct Authority;
    std::filesystem::path directory_;
    Authority* authority_;
};

}  // namespace shardmill::net::testing
