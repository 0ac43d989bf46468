#pragma once

#include <string>

namespace shardmill::net {

/// How connections are secured, where a listener wants that. The numbers are memcached's.
struct TlsSettings {
    bool enabled = false;
    std::string chain_cert;      // PEM: the server's certificate, then those that vouch for it
    std::string key;             // its private key; empty: in the file of the certificate
    std::string ca_cert;         // PEM: who vouches for clients; empty: no client is trusted
    std::string ciphers;         // OpenSSL's list, up to TLS 1.2; empty: its default
    int verify_mode = 0;         // clients' certificates: 0 none, 1 request, 2 require, 3 once
    int key_format = 1;          // OpenSSL's number: 1 PEM, 2 ASN.1
    int min_version = 2;         // 0..3: TLS 1.0 .. 1.3
    bool session_cache = false;  // keep sessions for clients that cannot keep tickets
};

}  // namespace shardmill::net
