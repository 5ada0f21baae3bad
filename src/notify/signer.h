#pragma once

// Signatures of messages (SNS' SignatureVersion 1 and 2) by a key of this server's own.

#include <memory>
#include <string>
#include <string_view>

#include "store/database.h"

namespace slipway::notify {

// Key, certificate and the secret of tokens lie in the database, made where they are missing.
// Thread-safe.
class Signer {
 public:
  // The table notify_secrets exists.
  explicit Signer(store::Database& database);
  ~Signer();

  // Base64 of the RSA signature: SHA-1 for version "1", SHA-256 for "2".
  std::string sign(std::string_view text, const std::string& version) const;
  // The X.509 certificate of the key, PEM.
  const std::string& certificate() const;
  // "SimpleNotificationService-<32 digits>.pem": another name with another key.
  const std::string& certificate_name() const;
  // An unguessable text of 64 digits that only this server makes from `what`.
  std::string token_of(std::string_view what) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Whether `signature` (base64) over `text` is of the key in the certificate.
bool verify_signature(const std::string& certificate, std::string_view text,
                      const std::string& signature, const std::string& version);

}  // namespace slipway::notify
