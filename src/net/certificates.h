#pragma once

// The server's own certificate authority and the certificate it signs for itself.
//
// Made once under one directory and kept: a client that trusts ca.pem goes on trusting this server.
// The authority lasts ten years, the certificate 800 days (clients refuse more than 825); what has
// less than 30 days left, does not name every name or does not fit its key is made anew at the next
// start. Keys are written before what they sign, so that a crash in between is seen as "does not
// fit".

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "store/files.h"

namespace slipway::net {

struct CertificateOptions {
  std::filesystem::path directory;  // <data>/tls, made with mode 0700
  // Host names and IP addresses beside the ones below; one that is neither is passed over.
  std::vector<std::string> names;
  // The first that is there becomes the greater part of bundle.pem; none is fine.
  std::vector<std::filesystem::path> system_bundles;
};

struct CertificateFiles {
  std::filesystem::path ca;          // ca.pem
  std::filesystem::path server;      // server.pem
  std::filesystem::path server_key;  // server.key, 0600
  std::filesystem::path bundle;      // bundle.pem: the system's authorities, then ca.pem
};

// Always in the certificate: localhost, *.localhost, s3.localhost, *.s3.localhost, 127.0.0.1, ::1.
// Throws Error where the directory cannot be written to.
CertificateFiles prepare_certificates(const CertificateOptions& options, const base::Clock& clock,
                                      store::Disk& disk);

// What clients may call a server that listens on `address`: the address, the machine's name and,
// where it is the wildcard, the addresses of all its interfaces.
std::vector<std::string> names_of_server(const std::string& address);

// Where distributions keep the authorities that they trust.
std::vector<std::filesystem::path> usual_system_bundles();

}  // namespace slipway::net
