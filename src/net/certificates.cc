#include "net/certificates.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"

namespace slipway::net {
namespace {

namespace fs = std::filesystem;

constexpr base::Millis kDay = 86'400'000;
constexpr base::Millis kAuthorityLife = 3650 * kDay;
constexpr base::Millis kServerLife = 800 * kDay;
constexpr base::Millis kLeastLeft = 30 * kDay;
// Other machines' clocks may be behind.
constexpr base::Millis kBackdated = kDay;
constexpr std::uint64_t kMostBundle = 16u << 20;
constexpr std::size_t kMostNames = 100;

struct Free {
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(BIO* memory) const { BIO_free(memory); }
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Memory = std::unique_ptr<BIO, Free>;

void check(bool done, const char* what) {
  if (done) return;
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  base::throw_internal(std::string("cannot make a certificate: ") + what + ": " + text.data());
}

struct Pair {
  Certificate certificate;
  Key key;
};

std::string text_of(BIO* memory) {
  char* bytes = nullptr;
  const long size = BIO_get_mem_data(memory, &bytes);
  return std::string(bytes, static_cast<std::size_t>(size));
}

std::string pem_of(X509* certificate) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(memory && PEM_write_bio_X509(memory.get(), certificate) == 1, "writing it");
  return text_of(memory.get());
}

std::string pem_of(EVP_PKEY* key) {
  const Memory memory(BIO_new(BIO_s_mem()));
  check(memory &&
            PEM_write_bio_PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "writing its key");
  return text_of(memory.get());
}

// Nothing where a file is missing, unreadable or does not fit the other: both are made anew then.
std::optional<Pair> read_pair(const fs::path& certificate_file, const fs::path& key_file) {
  if (!fs::is_regular_file(certificate_file) || !fs::is_regular_file(key_file)) return std::nullopt;
  const std::string certificate = store::read_file(certificate_file, 1u << 20);
  const std::string key = store::read_file(key_file, 1u << 20);
  const Memory certificate_memory(
      BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())));
  const Memory key_memory(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  Pair pair;
  pair.certificate.reset(PEM_read_bio_X509(certificate_memory.get(), nullptr, nullptr, nullptr));
  pair.key.reset(PEM_read_bio_PrivateKey(key_memory.get(), nullptr, nullptr, nullptr));
  const bool fits = pair.certificate && pair.key &&
                    X509_check_private_key(pair.certificate.get(), pair.key.get()) == 1;
  ERR_clear_error();
  if (!fits) return std::nullopt;
  return pair;
}

bool lasts(X509* certificate, base::Millis now) {
  auto then = static_cast<time_t>((now + kLeastLeft) / 1000);
  auto at = static_cast<time_t>(now / 1000);
  return X509_cmp_time(X509_get0_notAfter(certificate), &then) > 0 &&
         X509_cmp_time(X509_get0_notBefore(certificate), &at) < 0;
}

void set_time(ASN1_TIME* field, base::Millis at) {
  check(ASN1_TIME_set(field, static_cast<time_t>(at / 1000)) != nullptr, "its time");
}

void set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  check(RAND_bytes(bytes.data(), bytes.size()) == 1, "its number");
  bytes[0] = static_cast<unsigned char>((bytes[0] & 0x7f) | 0x40);  // positive, of full length
  const std::unique_ptr<BIGNUM, Free> number(BN_bin2bn(bytes.data(), bytes.size(), nullptr));
  check(number && BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)), "number");
}

void add_extension(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free> extension(
      X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str()));
  check(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "an extension");
}

// A certificate with a new key, not signed yet.
Pair begin_pair(const std::string& name, base::Millis from, base::Millis until) {
  Pair pair{Certificate(X509_new()), Key(EVP_EC_gen("P-256"))};
  X509* const certificate = pair.certificate.get();
  check(pair.certificate && pair.key, "its key");
  check(X509_set_version(certificate, X509_VERSION_3) == 1, "its version");
  set_serial(certificate);
  set_time(X509_getm_notBefore(certificate), from);
  set_time(X509_getm_notAfter(certificate), until);
  check(X509_set_pubkey(certificate, pair.key.get()) == 1, "its key");
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const auto add = [subject](const char* field, const std::string& value) {
    check(X509_NAME_add_entry_by_txt(subject, field, MBSTRING_UTF8,
                                     reinterpret_cast<const unsigned char*>(value.c_str()), -1, -1,
                                     0) == 1,
          "its name");
  };
  add("O", "Slipway");
  add("CN", name);
  return pair;
}

void sign(X509* certificate, X509* issuer, EVP_PKEY* key) {
  check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer)) == 1, "its issuer");
  check(X509_sign(certificate, key, EVP_sha256()) > 0, "its signature");
}

Pair make_authority(base::Millis now) {
  // A name of its own: somebody may trust the authorities of several servers.
  std::array<unsigned char, 4> bytes{};
  check(RAND_bytes(bytes.data(), bytes.size()) == 1, "its name");
  std::array<char, 9> digits{};
  std::snprintf(digits.data(), digits.size(), "%02x%02x%02x%02x", bytes[0], bytes[1], bytes[2],
                bytes[3]);
  Pair pair = begin_pair(std::string("Slipway local authority ") + digits.data(), now - kBackdated,
                         now + kAuthorityLife);
  X509* const certificate = pair.certificate.get();
  check(X509_set_issuer_name(certificate, X509_get_subject_name(certificate)) == 1, "its issuer");
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  sign(certificate, certificate, pair.key.get());
  return pair;
}

Pair make_server(const Pair& authority, const std::string& names, base::Millis now) {
  Pair pair = begin_pair("slipway", now - kBackdated, now + kServerLife);
  X509* const certificate = pair.certificate.get();
  X509* const issuer = authority.certificate.get();
  // Never beyond what signs it.
  if (ASN1_TIME_compare(X509_get0_notAfter(certificate), X509_get0_notAfter(issuer)) > 0) {
    check(X509_set1_notAfter(certificate, X509_get0_notAfter(issuer)) == 1, "its time");
  }
  add_extension(certificate, issuer, NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate, issuer, NID_key_usage, "critical,digitalSignature");
  add_extension(certificate, issuer, NID_ext_key_usage, "serverAuth");
  add_extension(certificate, issuer, NID_subject_key_identifier, "hash");
  // Python 3.13 refuses a certificate without it.
  add_extension(certificate, issuer, NID_authority_key_identifier, "keyid:always");
  add_extension(certificate, issuer, NID_subject_alt_name, names);
  sign(certificate, issuer, authority.key.get());
  return pair;
}

bool is_address(const std::string& text) {
  in6_addr bytes;
  return ::inet_pton(AF_INET, text.c_str(), &bytes) == 1 ||
         ::inet_pton(AF_INET6, text.c_str(), &bytes) == 1;
}

// The value goes into OpenSSL's small language of extensions, where a comma would begin another
// name.
bool is_host_name(const std::string& text) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
  return !text.empty() && text.size() <= 253 && text.find_first_not_of(kAllowed) == text.npos &&
         text.find_first_not_of("0123456789.") != text.npos;
}

std::string alternative_names(const std::vector<std::string>& more) {
  std::vector<std::string> names{"DNS:localhost",      "DNS:*.localhost", "DNS:s3.localhost",
                                 "DNS:*.s3.localhost", "IP:127.0.0.1",    "IP:::1"};
  for (const std::string& name : more) {
    const bool address = is_address(name);
    if (!address && !is_host_name(name)) continue;
    const std::string entry = (address ? "IP:" : "DNS:") + name;
    const bool known = std::find(names.begin(), names.end(), entry) != names.end();
    if (!known && names.size() < kMostNames) names.push_back(entry);
  }
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ",") + name;
  return text;
}

// As bytes, so that two ways to write one address compare equal.
std::set<std::string> names_in(X509* certificate) {
  std::set<std::string> names;
  auto* const list = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  for (int i = 0; i < sk_GENERAL_NAME_num(list); ++i) {
    unsigned char* bytes = nullptr;
    const int size = i2d_GENERAL_NAME(sk_GENERAL_NAME_value(list, i), &bytes);
    if (size <= 0) continue;
    names.emplace(reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(size));
    OPENSSL_free(bytes);
  }
  GENERAL_NAMES_free(list);
  return names;
}

bool serves(const Pair& server, const Pair& authority, const std::string& names, base::Millis now) {
  X509* const certificate = server.certificate.get();
  const bool signed_by_it =
      X509_verify(certificate, authority.key.get()) == 1 &&
      X509_check_issued(authority.certificate.get(), certificate) == X509_V_OK;
  ERR_clear_error();
  if (!signed_by_it || !lasts(certificate, now)) return false;
  const Certificate wanted(X509_new());
  add_extension(wanted.get(), wanted.get(), NID_subject_alt_name, names);
  const std::set<std::string> has = names_in(certificate), needs = names_in(wanted.get());
  return std::includes(has.begin(), has.end(), needs.begin(), needs.end());
}

void write_public(store::Disk& disk, const fs::path& path, const std::string& text) {
  store::write_atomically(disk, path, text);
  // Programs of any user in a container read it, whatever the umask says.
  if (::chmod(path.c_str(), 0644) != 0) base::throw_errno("cannot publish " + path.string());
}

void write_pair(store::Disk& disk, const Pair& pair, const fs::path& certificate,
                const fs::path& key) {
  store::write_atomically(disk, key, pem_of(pair.key.get()));  // 0600
  write_public(disk, certificate, pem_of(pair.certificate.get()));
}

std::string system_authorities(const std::vector<fs::path>& candidates, const fs::path& own) {
  for (const fs::path& candidate : candidates) {
    std::error_code ignored;
    if (!fs::is_regular_file(candidate, ignored)) continue;
    // Who told every program to trust this bundle has told the server as well.
    if (fs::equivalent(candidate, own, ignored)) continue;
    std::string text = store::read_file(candidate, kMostBundle);
    if (!text.empty() && text.back() != '\n') text += '\n';
    return text;
  }
  return {};
}

void write_bundle(store::Disk& disk, const CertificateOptions& options, const fs::path& bundle,
                  X509* authority) {
  const std::string text = system_authorities(options.system_bundles, bundle) + pem_of(authority);
  std::error_code ignored;
  const bool same = fs::is_regular_file(bundle, ignored) &&
                    fs::file_size(bundle, ignored) == text.size() &&
                    store::read_file(bundle, 2 * kMostBundle) == text;
  if (!same) write_public(disk, bundle, text);
}

}  // namespace

CertificateFiles prepare_certificates(const CertificateOptions& options, const base::Clock& clock,
                                      store::Disk& disk) {
  const fs::path& directory = options.directory;
  store::create_directories_durably(disk, directory);
  if (::chmod(directory.c_str(), 0700) != 0) base::throw_errno("cannot use " + directory.string());
  const base::Millis now = clock.now();
  const fs::path ca_key = directory / "ca.key";
  const CertificateFiles files{directory / "ca.pem", directory / "server.pem",
                               directory / "server.key", directory / "bundle.pem"};
  auto authority = read_pair(files.ca, ca_key);
  if (!authority || !lasts(authority->certificate.get(), now)) {
    const bool first = !fs::exists(files.ca);
    authority = make_authority(now);
    write_pair(disk, *authority, files.ca, ca_key);
    if (!first) {
      log(Level::kWarning, "made a new certificate authority; its clients must be told to trust it",
          {{"file", files.ca.string()}});
    }
  }
  const std::string names = alternative_names(options.names);
  const auto server = read_pair(files.server, files.server_key);
  if (!server || !serves(*server, *authority, names, now)) {
    write_pair(disk, make_server(*authority, names, now), files.server, files.server_key);
  }
  write_bundle(disk, options, files.bundle, authority->certificate.get());
  return files;
}

std::vector<std::string> names_of_server(const std::string& address) {
  std::vector<std::string> names{address};
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0) names.emplace_back(host.data());
  if (address != "0.0.0.0" && address != "::") return names;
  ifaddrs* interfaces = nullptr;
  if (::getifaddrs(&interfaces) != 0) return names;
  for (const ifaddrs* each = interfaces; each != nullptr; each = each->ifa_next) {
    if (each->ifa_addr == nullptr) continue;
    const int family = each->ifa_addr->sa_family;
    const void* bytes = nullptr;
    if (family == AF_INET) bytes = &reinterpret_cast<sockaddr_in*>(each->ifa_addr)->sin_addr;
    if (family == AF_INET6) bytes = &reinterpret_cast<sockaddr_in6*>(each->ifa_addr)->sin6_addr;
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (bytes != nullptr && ::inet_ntop(family, bytes, text.data(), text.size()) != nullptr) {
      names.emplace_back(text.data());
    }
  }
  ::freeifaddrs(interfaces);
  return names;
}

std::vector<fs::path> usual_system_bundles() {
  return {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
          "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};
}

}  // namespace slipway::net
