#include "iam/iam.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "store/files.h"
#include "wire/sigv4.h"

namespace slipway::iam {
namespace {

using testing::HasSubstr;

std::string code_of(const std::function<void()>& work) {
  try {
    work();
    return "";
  } catch (const Error& error) {
    return error.code();
  }
}

class IamTest : public testing::Test {
 protected:
  IamTest()
      : folder_(std::filesystem::temp_directory_path() / ("slipway-iam-" + base::random_hex(8))),
        database_(store::Database::in_memory_for_test()) {
    std::filesystem::create_directories(folder_);
    options_.credentials_file = folder_ / "credentials";
    iam_ = std::make_unique<Iam>(*database_, clock_, options_);
  }
  ~IamTest() override { std::filesystem::remove_all(folder_); }

  void restart() {
    iam_.reset();
    iam_ = std::make_unique<Iam>(*database_, clock_, options_);
  }
  std::string root_key() const { return iam_->access_keys().at(0).first; }

  std::filesystem::path folder_;
  base::FakeClock clock_;
  std::unique_ptr<store::Database> database_;
  IamOptions options_;
  std::unique_ptr<Iam> iam_;
};

TEST_F(IamTest, MakesARootKeyOnceAndWritesItForClients) {
  const std::string id = root_key();
  const std::string file = store::read_file(options_.credentials_file);
  struct stat status {};
  ASSERT_EQ(::stat(options_.credentials_file.c_str(), &status), 0);

  EXPECT_EQ(id.substr(0, 4), "AKIA");
  EXPECT_EQ(id.size(), 20u);
  EXPECT_EQ(file, "[default]\naws_access_key_id = " + id + "\naws_secret_access_key = " +
                      iam_->find(id)->secret + "\nregion = us-east-1\n");
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  restart();
  EXPECT_EQ(iam_->access_keys().size(), 1u);
  EXPECT_EQ(root_key(), id);
}

TEST_F(IamTest, WritesALostCredentialsFileAnew) {
  const std::string before = store::read_file(options_.credentials_file);
  std::filesystem::remove(options_.credentials_file);
  restart();
  EXPECT_EQ(store::read_file(options_.credentials_file), before);
}

TEST_F(IamTest, KeysOutliveARestartAndEndWithDeletion) {
  const AccessKey key = iam_->create_access_key("alice");
  restart();
  ASSERT_TRUE(iam_->find(key.id).has_value());
  EXPECT_EQ(iam_->find(key.id)->secret, key.secret);
  EXPECT_EQ(iam_->find(key.id)->caller.arn, "arn:aws:iam::123456789012:user/alice");
  EXPECT_EQ(key.secret.size(), 40u);

  iam_->delete_access_key(key.id);
  EXPECT_FALSE(iam_->find(key.id).has_value());
  restart();
  EXPECT_FALSE(iam_->find(key.id).has_value());
  EXPECT_EQ(code_of([&] { iam_->delete_access_key(key.id); }), "NoSuchEntity");
}

TEST_F(IamTest, KeepsTheLastRootKey) {
  EXPECT_EQ(code_of([&] { iam_->delete_access_key(root_key()); }), "DeleteConflict");
}

TEST_F(IamTest, LimitsKeysAndNames) {
  for (int i = 0; i < kMostKeysOfUser; ++i) iam_->create_access_key("bob");
  EXPECT_EQ(code_of([&] { iam_->create_access_key("bob"); }), "LimitExceeded");
  EXPECT_EQ(code_of([&] { iam_->create_access_key("no/slash"); }), "ValidationError");
}

TEST_F(IamTest, SessionsOfTheBuiltInRoleExpire) {
  const std::string role = "arn:aws:iam::123456789012:role/slipway-execution";
  const Iam::Session session = iam_->assume_role(role, "job-1", 900);

  EXPECT_EQ(session.arn, "arn:aws:sts::123456789012:assumed-role/slipway-execution/job-1");
  EXPECT_EQ(session.key.id.substr(0, 4), "ASIA");
  EXPECT_EQ(session.expires, clock_.now() + 900'000);
  const auto key = iam_->find(session.key.id);
  ASSERT_TRUE(key.has_value());
  EXPECT_EQ(key->session_token, session.token);
  EXPECT_EQ(key->expires, session.expires);
  restart();
  EXPECT_TRUE(iam_->find(session.key.id).has_value());
  clock_.advance(900'000);
  restart();
  EXPECT_FALSE(iam_->find(session.key.id).has_value());
}

TEST_F(IamTest, AssumesOnlyRolesThatExist) {
  const auto assume = [&](const std::string& arn, const std::string& name, int seconds) {
    return code_of([&] { iam_->assume_role(arn, name, seconds); });
  };
  Role role;
  role.name = "trainer";
  role.path = "/ml/";
  role.trust = "{}";
  iam_->create_role(role);

  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/ml/trainer", "s1", 900), "");
  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/trainer", "s1", 900), "AccessDenied");
  EXPECT_EQ(assume("arn:aws:iam::999999999999:role/ml/trainer", "s1", 900), "AccessDenied");
  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/other", "s1", 900), "AccessDenied");
  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/ml/trainer", "s", 900), "ValidationError");
  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/ml/trainer", "s1", 899), "ValidationError");
  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/ml/trainer", "s1", 43'201), "ValidationError");
  iam_->delete_role("trainer");
  EXPECT_EQ(assume("arn:aws:iam::123456789012:role/ml/trainer", "s1", 900), "AccessDenied");
}

TEST_F(IamTest, RegistryPasswordsNameTheirCallerUntilTheyExpire) {
  const wire::Caller caller = iam_->find(root_key())->caller;
  const std::string password = iam_->registry_password(caller, clock_.now() + 1000);

  const auto login = iam_->check_registry_login("AWS", password);
  ASSERT_TRUE(login.has_value());
  EXPECT_EQ(login->arn, caller.arn);
  EXPECT_FALSE(iam_->check_registry_login("AWS", password + "0").has_value());
  EXPECT_FALSE(iam_->check_registry_login("AWS", "x" + password).has_value());
  EXPECT_FALSE(iam_->check_registry_login("AWS", "").has_value());
  EXPECT_FALSE(iam_->check_registry_login("docker", password).has_value());
  restart();
  EXPECT_TRUE(iam_->check_registry_login("AWS", password).has_value());
  clock_.advance(1000);
  EXPECT_FALSE(iam_->check_registry_login("AWS", password).has_value());
}

TEST_F(IamTest, RegistryPasswordsEndWithTheirKey) {
  const AccessKey key = iam_->create_access_key("alice");
  const std::string password =
      iam_->registry_password(iam_->find(key.id)->caller, clock_.now() + 1000);
  iam_->delete_access_key(key.id);
  EXPECT_FALSE(iam_->check_registry_login("AWS", password).has_value());
}

TEST_F(IamTest, TheRegistryTakesAKeyWithItsSecret) {
  const std::string secret = iam_->find(root_key())->secret;
  EXPECT_TRUE(iam_->check_registry_login(root_key(), secret).has_value());
  EXPECT_FALSE(iam_->check_registry_login(root_key(), secret + "x").has_value());
  EXPECT_FALSE(iam_->check_registry_login("AKIAUNKNOWN", secret).has_value());
}

class IamApi : public IamTest {
 protected:
  IamApi() : api_(*iam_, clock_, "us-east-1") { register_iam_api(api_, *iam_); }

  wire::SigningKey root() const { return {root_key(), iam_->find(root_key())->secret, ""}; }

  std::string call(std::string_view service, const std::string& form, const wire::SigningKey& key) {
    net::Request request;
    request.method = "POST";
    request.target = "/";
    request.headers.add("Host", "127.0.0.1:4700");
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    const std::string version = service == "sts" ? "2011-06-15" : "2010-05-08";
    request.body = net::Body(form + "&Version=" + version);
    wire::sign(request, key, "us-east-1", service, request.body.sha256(), clock_.now());
    return std::get<std::string>(api_.handle(request).body);
  }
  std::string iam(const std::string& form) { return call("iam", form, root()); }

  static std::string element(const std::string& text, const std::string& name) {
    const std::size_t start = text.find("<" + name + ">");
    if (start == std::string::npos) return "";
    const std::size_t from = start + name.size() + 2;
    return text.substr(from, text.find("</" + name + ">", from) - from);
  }

  wire::Api api_;
};

TEST_F(IamApi, TellsWhoCalls) {
  const std::string root_answer = call("sts", "Action=GetCallerIdentity", root());
  const AccessKey alice = iam_->create_access_key("alice");
  const std::string alice_answer =
      call("sts", "Action=GetCallerIdentity", {alice.id, alice.secret, ""});

  EXPECT_EQ(element(root_answer, "Arn"), "arn:aws:iam::123456789012:root");
  EXPECT_EQ(element(root_answer, "Account"), "123456789012");
  EXPECT_EQ(element(root_answer, "UserId"), "123456789012");
  EXPECT_EQ(element(alice_answer, "Arn"), "arn:aws:iam::123456789012:user/alice");
  EXPECT_EQ(element(alice_answer, "UserId").substr(0, 4), "AIDA");
}

TEST_F(IamApi, AssumesARole) {
  const std::string answer =
      call("sts",
           "Action=AssumeRole&RoleSessionName=job-1&RoleArn=" +
               base::percent_encode("arn:aws:iam::123456789012:role/slipway-execution"),
           root());
  const wire::SigningKey session{element(answer, "AccessKeyId"), element(answer, "SecretAccessKey"),
                                 element(answer, "SessionToken")};
  const std::string identity = call("sts", "Action=GetCallerIdentity", session);
  const wire::SigningKey without_token{session.access_key, session.secret, ""};

  EXPECT_EQ(element(identity, "Arn"),
            "arn:aws:sts::123456789012:assumed-role/slipway-execution/job-1");
  EXPECT_EQ(element(call("sts", "Action=GetCallerIdentity", without_token), "Code"),
            "InvalidClientTokenId");
  EXPECT_EQ(element(call("sts", "Action=GetSessionToken", session), "Code"), "AccessDenied");
  clock_.advance(3'600'000);
  EXPECT_EQ(element(call("sts", "Action=GetCallerIdentity", session), "Code"), "ExpiredToken");
}

TEST_F(IamApi, GivesASessionToTheCallerItself) {
  const std::string answer = call("sts", "Action=GetSessionToken&DurationSeconds=900", root());
  const wire::SigningKey session{element(answer, "AccessKeyId"), element(answer, "SecretAccessKey"),
                                 element(answer, "SessionToken")};
  EXPECT_EQ(element(call("sts", "Action=GetCallerIdentity", session), "Arn"),
            "arn:aws:iam::123456789012:root");
}

TEST_F(IamApi, MakesListsAndDeletesKeys) {
  const std::string made = iam("Action=CreateAccessKey&UserName=carol");
  const std::string id = element(made, "AccessKeyId");
  EXPECT_EQ(element(made, "UserName"), "carol");
  EXPECT_THAT(iam("Action=ListAccessKeys&UserName=carol"), HasSubstr(id));
  EXPECT_EQ(element(iam("Action=DeleteAccessKey&UserName=other&AccessKeyId=" + id), "Code"),
            "NoSuchEntity");
  EXPECT_EQ(element(iam("Action=DeleteAccessKey&UserName=carol&AccessKeyId=" + id), "Code"), "");
  EXPECT_THAT(iam("Action=ListAccessKeys&UserName=carol"), Not(HasSubstr(id)));
}

TEST_F(IamApi, KeepsRoles) {
  const std::string trust = base::percent_encode(R"({"Version":"2012-10-17","Statement":[]})");
  const std::string create =
      "Action=CreateRole&RoleName=trainer&Description=d&AssumeRolePolicyDocument=" + trust;

  const std::string made = iam(create);
  EXPECT_EQ(element(made, "Arn"), "arn:aws:iam::123456789012:role/trainer") << made;
  EXPECT_EQ(element(made, "AssumeRolePolicyDocument"), trust);
  EXPECT_EQ(element(iam(create), "Code"), "EntityAlreadyExists");
  EXPECT_EQ(element(iam("Action=GetRole&RoleName=trainer"), "RoleId"), element(made, "RoleId"));
  EXPECT_THAT(iam("Action=ListRoles"), HasSubstr("<RoleName>slipway-execution</RoleName>"));
  EXPECT_THAT(iam("Action=ListRoles"), HasSubstr("<RoleName>trainer</RoleName>"));
  EXPECT_EQ(element(iam("Action=ListAttachedRolePolicies&RoleName=trainer"), "IsTruncated"),
            "false");
  EXPECT_EQ(element(iam("Action=DeleteRole&RoleName=trainer"), "Code"), "");
  EXPECT_EQ(element(iam("Action=GetRole&RoleName=trainer"), "Code"), "NoSuchEntity");
  EXPECT_EQ(element(iam("Action=DeleteRole&RoleName=slipway-execution"), "Code"),
            "UnmodifiableEntity");
}

TEST_F(IamApi, ListsRolesInPages) {
  for (const char* name : {"a", "b", "z"})
    iam("Action=CreateRole&AssumeRolePolicyDocument=%7B%7D&RoleName=" + std::string(name));
  const std::string first = iam("Action=ListRoles&MaxItems=2");
  EXPECT_EQ(element(first, "IsTruncated"), "true");
  EXPECT_EQ(element(first, "Marker"), "b");
  const std::string second = iam("Action=ListRoles&MaxItems=2&Marker=b");
  EXPECT_EQ(element(second, "IsTruncated"), "false");
  EXPECT_THAT(second, HasSubstr("<RoleName>slipway-execution</RoleName>"));
  EXPECT_THAT(second, HasSubstr("<RoleName>z</RoleName>"));
}

}  // namespace
}  // namespace slipway::iam
