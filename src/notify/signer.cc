#include "notify/signer.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"

namespace slipway::notify {
namespace {

constexpr int kKeyBits = 2048;
constexpr long kCertificateDays = 36'500;  // nobody renews it: the key is as old as the server

using Key = std::unique_ptr<EVP_PKEY, decltype([](EVP_PKEY* key) { ::EVP_PKEY_free(key); })>;
using Certificate = std::unique_ptr<X509, decltype([](X509* value) { ::X509_free(value); })>;
using Buffer = std::unique_ptr<BIO, decltype([](BIO* bio) { ::BIO_free(bio); })>;
using Context =
    std::unique_ptr<EVP_MD_CTX, decltype([](EVP_MD_CTX* context) { ::EVP_MD_CTX_free(context); })>;

void require(bool good, const char* doing) {
  if (!good) base::throw_internal(std::string("OpenSSL cannot ") + doing);
}

std::string contents(BIO* bio) {
  char* bytes = nullptr;
  const long size = ::BIO_get_mem_data(bio, &bytes);
  return {bytes, static_cast<std::size_t>(size)};
}

const EVP_MD* digest_of(const std::string& version) {
  return version == "2" ? ::EVP_sha256() : ::EVP_sha1();
}

std::string pem_of(EVP_PKEY* key) {
  const Buffer bio(::BIO_new(::BIO_s_mem()));
  require(
      bio && ::PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
      "write a key");
  return contents(bio.get());
}

std::string certificate_of(EVP_PKEY* key) {
  const Certificate certificate(::X509_new());
  require(certificate != nullptr, "make a certificate");
  X509* const x509 = certificate.get();
  ::X509_set_version(x509, 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(x509), 1);
  ::X509_gmtime_adj(::X509_getm_notBefore(x509), -86'400);  // clocks differ
  ::X509_gmtime_adj(::X509_getm_notAfter(x509), kCertificateDays * 86'400);
  ::X509_set_pubkey(x509, key);
  X509_NAME* const name = ::X509_get_subject_name(x509);
  const unsigned char common_name[] = "Slipway notices";
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, common_name, -1, -1, 0);
  ::X509_set_issuer_name(x509, name);
  require(::X509_sign(x509, key, ::EVP_sha256()) > 0, "sign a certificate");
  const Buffer bio(::BIO_new(::BIO_s_mem()));
  require(bio && ::PEM_write_bio_X509(bio.get(), x509) == 1, "write a certificate");
  return contents(bio.get());
}

Key key_from(const std::string& pem) {
  const Buffer bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Key key(bio ? ::PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  require(key != nullptr, "read the key of notices");
  return key;
}

std::string find_secret(store::Database& database, const std::string& name) {
  return database.read([&](store::Reader& reader) {
    std::string value;
    reader.query("select value from notify_secrets where name = ?", {name},
                 [&](const store::Row& row) { value = row.text(0); });
    return value;
  });
}

// All of them or none, so that key and certificate belong together.
void make_secrets(store::Database& database) {
  const Key key(::EVP_RSA_gen(kKeyBits));
  require(key != nullptr, "make a key");
  const std::string pem = pem_of(key.get());
  const std::string certificate = certificate_of(key.get());
  database.write([&](store::Transaction& transaction) {
    const auto keep = [&](const char* name, const std::string& value) {
      transaction.execute("insert into notify_secrets (name, value) values (?, ?)", {name, value});
    };
    keep("signing-key", pem);
    keep("signing-certificate", certificate);
    keep("tokens", base::random_hex(64));
  });
}

}  // namespace

struct Signer::State {
  Key key;
  std::string certificate;
  std::string name;
  std::string tokens;
};

Signer::Signer(store::Database& database) : state_(std::make_unique<State>()) {
  if (find_secret(database, "signing-key").empty()) make_secrets(database);
  state_->key = key_from(find_secret(database, "signing-key"));
  state_->certificate = find_secret(database, "signing-certificate");
  state_->tokens = find_secret(database, "tokens");
  state_->name =
      "SimpleNotificationService-" + base::sha256_hex(state_->certificate).substr(0, 32) + ".pem";
}

Signer::~Signer() = default;

std::string Signer::sign(std::string_view text, const std::string& version) const {
  const Context context(::EVP_MD_CTX_new());
  std::string signature(static_cast<std::size_t>(::EVP_PKEY_get_size(state_->key.get())), '\0');
  std::size_t size = signature.size();
  const bool done =
      context &&
      ::EVP_DigestSignInit(context.get(), nullptr, digest_of(version), nullptr,
                           state_->key.get()) == 1 &&
      ::EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                       reinterpret_cast<const unsigned char*>(text.data()), text.size()) == 1;
  require(done, "sign a message");
  signature.resize(size);
  return base::base64(signature);
}

const std::string& Signer::certificate() const { return state_->certificate; }

const std::string& Signer::certificate_name() const { return state_->name; }

std::string Signer::token_of(std::string_view what) const {
  return base::hex(base::hmac_sha256(state_->tokens, what));
}

bool verify_signature(const std::string& certificate, std::string_view text,
                      const std::string& signature, const std::string& version) {
  const Buffer bio(::BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())));
  const Certificate x509(bio ? ::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr) : nullptr);
  const auto bytes = base::from_base64(signature);
  if (!x509 || !bytes) return false;
  const Context context(::EVP_MD_CTX_new());
  return context &&
         ::EVP_DigestVerifyInit(context.get(), nullptr, digest_of(version), nullptr,
                                ::X509_get0_pubkey(x509.get())) == 1 &&
         ::EVP_DigestVerify(context.get(), reinterpret_cast<const unsigned char*>(bytes->data()),
                            bytes->size(), reinterpret_cast<const unsigned char*>(text.data()),
                            text.size()) == 1;
}

}  // namespace slipway::notify
