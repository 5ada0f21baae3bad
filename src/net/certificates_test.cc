#include "net/certificates.h"

#include <memory>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <sys/stat.h>

#include "base/ids.h"

namespace slipway::net {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr base::Millis kDay = 86'400'000;

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate load(const fs::path& path) {
  const std::string text = store::read_file(path);
  BIO* const memory = BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  Certificate certificate(PEM_read_bio_X509(memory, nullptr, nullptr, nullptr), &X509_free);
  BIO_free(memory);
  return certificate;
}

class CertificatesTest : public testing::Test {
 protected:
  CertificatesTest()
      : directory_(fs::temp_directory_path() / ("certificates-" + base::random_hex(16))) {
    fs::create_directories(directory_);
    options_.directory = directory_ / "tls";
  }
  ~CertificatesTest() override { fs::remove_all(directory_); }

  CertificateFiles prepare() {
    return prepare_certificates(options_, clock_, store::system_disk());
  }
  fs::path file(const char* name) const { return options_.directory / name; }
  std::string text(const char* name) const { return store::read_file(file(name)); }

  // What a strict client says: X509_V_OK, or the reason. `name` is a host name or an address.
  int verify(const std::string& name) const {
    const Certificate authority = load(file("ca.pem")), server = load(file("server.pem"));
    X509_STORE* const trusted = X509_STORE_new();
    X509_STORE_add_cert(trusted, authority.get());
    X509_STORE_CTX* const context = X509_STORE_CTX_new();
    X509_STORE_CTX_init(context, trusted, server.get(), nullptr);
    X509_VERIFY_PARAM* const parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(parameters, static_cast<time_t>(clock_.now() / 1000));
    X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_X509_STRICT);
    X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER);
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) != 1) {
      X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), 0);
    }
    X509_verify_cert(context);
    const int result = X509_STORE_CTX_get_error(context);
    X509_STORE_CTX_free(context);
    X509_STORE_free(trusted);
    return result;
  }

  fs::path directory_;
  CertificateOptions options_;
  base::FakeClock clock_;
};

TEST_F(CertificatesTest, VerifyForEveryNameAndNoOther) {
  options_.names = {"build-7.example.org", "192.168.7.9", "fd00::7", "bad,IP:6.6.6.6", "1.2.3", ""};
  prepare();

  for (const char* name : {"localhost", "127.0.0.1", "::1", "build-7.example.org", "192.168.7.9",
                           "fd00::7", "s3.localhost", "bucket.s3.localhost"}) {
    EXPECT_EQ(verify(name), X509_V_OK) << name;
  }
  EXPECT_EQ(verify("example.org"), X509_V_ERR_HOSTNAME_MISMATCH);
  EXPECT_EQ(verify("6.6.6.6"), X509_V_ERR_IP_ADDRESS_MISMATCH);
}

TEST_F(CertificatesTest, LastAsLongAsClientsTake) {
  prepare();

  const Certificate server = load(file("server.pem")), authority = load(file("ca.pem"));
  int days = 0, seconds = 0;
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(server.get()),
                 X509_get0_notAfter(server.get()));
  EXPECT_LE(days, 825);
  EXPECT_GE(days, 790);
  ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(authority.get()),
                 X509_get0_notAfter(authority.get()));
  EXPECT_NEAR(days, 3651, 1);
}

TEST_F(CertificatesTest, KeepKeysToTheOwner) {
  prepare();

  const auto mode = [this](const char* name) {
    struct stat status {};
    ::stat(file(name).c_str(), &status);
    return status.st_mode & 0777;
  };
  EXPECT_EQ(mode("ca.key"), 0600u);
  EXPECT_EQ(mode("server.key"), 0600u);
  EXPECT_EQ(mode("ca.pem"), 0644u);
  EXPECT_EQ(mode("bundle.pem"), 0644u);
  EXPECT_EQ(mode("."), 0700u);
}

TEST_F(CertificatesTest, StayTheSameAtTheNextStart) {
  options_.names = {"::0001", "host"};
  prepare();
  const std::string authority = text("ca.pem"), server = text("server.pem");

  clock_.advance(100 * kDay);
  options_.names = {"host"};
  prepare();

  EXPECT_EQ(text("ca.pem"), authority);
  EXPECT_EQ(text("server.pem"), server);
}

TEST_F(CertificatesTest, RenewWhatHasLessThanThirtyDaysLeft) {
  prepare();
  const std::string authority = text("ca.pem"), server = text("server.pem");

  clock_.advance(769 * kDay);
  prepare();
  EXPECT_EQ(text("server.pem"), server);
  clock_.advance(2 * kDay);
  prepare();

  EXPECT_NE(text("server.pem"), server);
  EXPECT_EQ(text("ca.pem"), authority);
  EXPECT_EQ(verify("localhost"), X509_V_OK);
}

TEST_F(CertificatesTest, NeverOutliveTheirAuthority) {
  prepare();
  const std::string authority = text("ca.pem");

  clock_.advance(3000 * kDay);
  prepare();
  EXPECT_EQ(text("ca.pem"), authority);
  EXPECT_LE(ASN1_TIME_compare(X509_get0_notAfter(load(file("server.pem")).get()),
                              X509_get0_notAfter(load(file("ca.pem")).get())),
            0);
  clock_.advance(630 * kDay);
  prepare();

  EXPECT_NE(text("ca.pem"), authority);
  EXPECT_EQ(verify("localhost"), X509_V_OK);
  EXPECT_THAT(text("bundle.pem"), HasSubstr(text("ca.pem")));
  EXPECT_THAT(text("bundle.pem"), Not(HasSubstr(authority)));
}

TEST_F(CertificatesTest, NameANewAddress) {
  prepare();
  EXPECT_EQ(verify("10.0.0.5"), X509_V_ERR_IP_ADDRESS_MISMATCH);

  options_.names = {"10.0.0.5"};
  prepare();

  EXPECT_EQ(verify("10.0.0.5"), X509_V_OK);
}

// Keys are written first: each of these is what a crash between two files leaves behind.
TEST_F(CertificatesTest, MakeAnewWhatDoesNotFit) {
  prepare();
  const std::string ca_key = text("ca.key");
  for (const char* lost : {"ca.pem", "ca.key", "server.pem", "server.key", "bundle.pem"}) {
    fs::remove(file(lost));
    prepare();
    EXPECT_EQ(verify("localhost"), X509_V_OK) << lost;
    EXPECT_EQ(text("bundle.pem"), text("ca.pem")) << lost;
  }
  for (const char* torn : {"ca.key", "server.key", "server.pem"}) {
    store::write_atomically(store::system_disk(), file(torn),
                            std::string_view(torn).ends_with("key") ? ca_key : "garbage");
    prepare();
    EXPECT_EQ(verify("localhost"), X509_V_OK) << torn;
  }
}

TEST_F(CertificatesTest, JoinTheSystemsAuthorities) {
  store::write_atomically(store::system_disk(), directory_ / "system.pem", "# the system's");
  options_.system_bundles = {file("bundle.pem"), directory_ / "absent.pem",
                             directory_ / "system.pem"};

  prepare();
  prepare();

  EXPECT_EQ(text("bundle.pem"), "# the system's\n" + text("ca.pem"));
}

TEST(NamesOfServer, AreItsAddressesToo) {
  EXPECT_THAT(names_of_server("192.168.1.1"), Contains("192.168.1.1"));
  EXPECT_THAT(names_of_server("192.168.1.1"), Not(Contains("127.0.0.1")));
  EXPECT_THAT(names_of_server("0.0.0.0"), Contains("127.0.0.1"));
}

}  // namespace
}  // namespace slipway::net
