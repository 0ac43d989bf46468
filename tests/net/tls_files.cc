#include "tls_files.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdio>
#include <cstdlib>

#include "base/assert.h"

namespace shardmill::net::testing {
namespace {

constexpr long kDay = 24 * 60 * 60;

X509* make_certificate(EVP_PKEY* key, const std::string& subject, X509* issuer,
                       EVP_PKEY* issuer_key, bool may_issue) {
    static long serial = 0;
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -kDay);
    X509_gmtime_adj(X509_getm_notAfter(certificate), kDay);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
    X509_set_issuer_name(certificate, issuer == nullptr ? name : X509_get_subject_name(issuer));
    X509_EXTENSION* constraints = X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints,
                                                      may_issue ? "CA:TRUE" : "CA:FALSE");
    X509_add_ext(certificate, constraints, -1);
    X509_EXTENSION_free(constraints);
    SHARDMILL_ASSERT(
        X509_sign(certificate, issuer_key == nullptr ? key : issuer_key, EVP_sha256()) != 0);
    return certificate;
}

template <typename Write>
void write_file(const std::string& path, Write&& write) {
    std::FILE* file = std::fopen(path.c_str(), "w");
    SHARDMILL_ASSERT(file != nullptr && write(file) == 1);
    std::fclose(file);
}

}  // namespace

struct TlsFiles::Authority {
    EVP_PKEY* key;
    X509* certificate;
};

TlsFiles::TlsFiles() {
    std::string name = (std::filesystem::temp_directory_path() / "shardmill-tls-XXXXXX").string();
    SHARDMILL_ASSERT(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    EVP_PKEY* key = EVP_EC_gen("P-256");
    authority_ = new Authority{key, make_certificate(key, "authority", nullptr, nullptr, true)};
    write_file(authority(),
               [&](std::FILE* file) { return PEM_write_X509(file, authority_->certificate); });
    issue("server", "server");
    issue("client", "client");
    issue("stranger", "stranger", false);
}

TlsFiles::~TlsFiles() {
    X509_free(authority_->certificate);
    EVP_PKEY_free(authority_->key);
    delete authority_;
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

void TlsFiles::issue(const std::string& name, const std::string& subject, bool by_authority) {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate =
        make_certificate(key, subject, by_authority ? authority_->certificate : nullptr,
                         by_authority ? authority_->key : nullptr, false);
    write_file(path(name + ".crt"),
               [&](std::FILE* file) { return PEM_write_X509(file, certificate); });
    write_file(path(name + ".key"), [&](std::FILE* file) {
        return PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    });
    write_file(path(name + ".der"), [&](std::FILE* file) { return i2d_PrivateKey_fp(file, key); });
    X509_free(certificate);
    EVP_PKEY_free(key);
}

}  // namespace shardmill::net::testing
