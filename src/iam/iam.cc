#include "iam/iam.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/strings.h"
#include "iam/store.h"
#include "iam/types.h"
#include "store/files.h"

namespace slipway::iam {

struct Iam::State {
  store::Database& database;
  const base::Clock& clock;
  const IamOptions options;
  std::string registry_secret;  // constant after construction

  mutable std::shared_mutex mutex;
  // Guarded by mutex; what is in the database and not expired.
  std::map<std::string, std::shared_ptr<const Key>, std::less<>> keys;
  std::map<std::string, KeyRecord, std::less<>> records;  // guarded by mutex

  std::shared_ptr<const Key> key_of(const KeyRecord& record) const {
    auto key = std::make_shared<Key>();
    key->secret = record.secret;
    key->session_token = record.session_token;
    key->expires = record.expires;
    key->caller.account = options.account;
    key->caller.access_key = record.id;
    key->caller.arn = record.arn;
    key->caller.user_id = record.user_id;
    return key;
  }

  // Requires: the record is durable.
  void publish(const KeyRecord& record) {
    auto key = key_of(record);
    std::unique_lock lock(mutex);
    keys.insert_or_assign(record.id, std::move(key));
    records.insert_or_assign(record.id, record);
  }

  void withdraw(const std::vector<std::string>& ids) {
    std::unique_lock lock(mutex);
    for (const std::string& id : ids) {
      keys.erase(id);
      records.erase(id);
    }
  }
};

Iam::Iam(store::Database& database, const base::Clock& clock, IamOptions options)
    : state_(new State{database, clock, std::move(options), {}, {}, {}, {}}) {
  migrate(database);
  state_->registry_secret = secret_of_server(database);
  database.write(
      [&](store::Transaction& transaction) { forget_expired(transaction, clock.now()); });
  for (const KeyRecord& record : load_keys(database)) state_->publish(record);
  bool has_root = false;
  for (const auto& [id, record] : state_->records)
    has_root = has_root || (record.user == kRootUser && record.expires == 0);
  if (!has_root) create_access_key(std::string(kRootUser));
  write_credentials();
}

Iam::~Iam() = default;

// Every start writes the file anew: a lost one comes back, and a start that died between the
// key's commit and the file is made good.
void Iam::write_credentials() const {
  if (state_->options.credentials_file.empty()) return;
  const KeyRecord* oldest = nullptr;
  for (const auto& [id, record] : state_->records)
    if (record.user == kRootUser && record.expires == 0)
      if (!oldest || record.created < oldest->created) oldest = &record;
  if (!oldest) return;
  store::write_atomically(store::system_disk(), state_->options.credentials_file,
                          "[default]\naws_access_key_id = " + oldest->id +
                              "\naws_secret_access_key = " + oldest->secret +
                              "\nregion = " + state_->options.region + "\n");
}

std::optional<Iam::Key> Iam::find(std::string_view access_key) const {
  const auto key = share(access_key);
  if (!key) return std::nullopt;
  return *key;
}

std::shared_ptr<const Iam::Key> Iam::share(std::string_view access_key) const {
  std::shared_lock lock(state_->mutex);
  const auto found = state_->keys.find(access_key);
  return found == state_->keys.end() ? nullptr : found->second;
}

const std::string& Iam::account() const { return state_->options.account; }
const std::string& Iam::region() const { return state_->options.region; }

AccessKey Iam::create_access_key(const std::string& user) {
  check_user_name(user);
  KeyRecord record = new_key("AKIA", state_->clock.now());
  record.user = user;
  record.arn = user_arn(state_->options.account, user);
  record.user_id = user == kRootUser ? state_->options.account : user_id_of(user);
  state_->database.write([&](store::Transaction& transaction) {
    if (count_keys(transaction, user) >= kMostKeysOfUser)
      throw Error("LimitExceeded",
                  "Cannot exceed quota for AccessKeysPerUser: " + std::to_string(kMostKeysOfUser),
                  409);
    insert_key(transaction, record);
  });
  state_->publish(record);
  return {record.id, record.secret};
}

void Iam::delete_access_key(const std::string& id) {
  state_->database.write([&](store::Transaction& transaction) {
    const auto record = find_key(transaction, id);
    if (!record || record->expires != 0)
      throw Error("NoSuchEntity", "The Access Key with id " + id + " cannot be found.", 404);
    if (record->user == kRootUser && count_keys(transaction, record->user) == 1)
      throw Error("DeleteConflict",
                  "The last key of the root user cannot be deleted: nobody could call any more.",
                  409);
    remove_key(transaction, id);
  });
  state_->withdraw({id});
}

std::vector<std::pair<std::string, std::string>> Iam::access_keys() const {
  std::vector<std::pair<std::string, std::string>> found;
  for (const KeyRecord& record : key_records()) found.emplace_back(record.id, record.user);
  return found;
}

std::vector<KeyRecord> Iam::key_records() const {
  std::shared_lock lock(state_->mutex);
  std::vector<KeyRecord> found;
  for (const auto& [id, record] : state_->records)
    if (record.expires == 0) found.push_back(record);
  return found;
}

Role Iam::create_role(Role role) {
  const IamOptions& options = state_->options;
  role.id = new_id("AROA");
  role.arn = role_arn(options.account, role.path, role.name);
  role.created = state_->clock.now();
  const bool is_new =
      role.name != kExecutionRole && state_->database.write([&](store::Transaction& transaction) {
        return insert_role(transaction, role);
      });
  if (!is_new)
    throw Error("EntityAlreadyExists", "Role with name " + role.name + " already exists.", 409);
  return role;
}

Role Iam::get_role(const std::string& name) const {
  if (name == kExecutionRole) return execution_role(state_->options.account);
  auto role = state_->database.read([&](store::Reader& reader) { return find_role(reader, name); });
  if (!role) throw Error("NoSuchEntity", "The role with name " + name + " cannot be found.", 404);
  return std::move(*role);
}

void Iam::delete_role(const std::string& name) {
  if (name == kExecutionRole)
    throw Error("UnmodifiableEntity", "The role " + name + " is built in.", 400);
  const bool was_there = state_->database.write(
      [&](store::Transaction& transaction) { return remove_role(transaction, name); });
  if (!was_there)
    throw Error("NoSuchEntity", "The role with name " + name + " cannot be found.", 404);
}

std::vector<Role> Iam::roles(const std::string& path_prefix, const std::string& after,
                             int limit) const {
  std::vector<Role> found = state_->database.read(
      [&](store::Reader& reader) { return list_roles(reader, path_prefix, after, limit); });
  const Role built_in = execution_role(state_->options.account);
  if (built_in.path.starts_with(path_prefix) && built_in.name > after) {
    const auto place = std::find_if(found.begin(), found.end(),
                                    [&](const Role& role) { return role.name > built_in.name; });
    found.insert(place, built_in);
    if (found.size() > static_cast<std::size_t>(limit)) found.pop_back();
  }
  return found;
}

Iam::Session Iam::assume_role(const std::string& role_arn, const std::string& session_name,
                              int duration_seconds) {
  check_session(session_name, duration_seconds);
  const std::string name = base::name_of(role_arn);
  std::optional<Role> role;
  if (name == kExecutionRole)
    role = execution_role(state_->options.account);
  else
    role = state_->database.read([&](store::Reader& reader) { return find_role(reader, name); });
  // Whether a role exists is nobody's business who may not assume it, so both are one answer.
  if (!role || role->arn != role_arn)
    throw Error("AccessDenied",
                "User is not authorized to perform: sts:AssumeRole on resource: " + role_arn, 403);
  KeyRecord record;
  record.arn = assumed_role_arn(state_->options.account, role->name, session_name);
  record.user_id = role->id + ":" + session_name;
  return open_session(std::move(record), duration_seconds);
}

Iam::Session Iam::session_token(const wire::Caller& caller, int duration_seconds) {
  check_session("session", duration_seconds);
  KeyRecord record;
  record.arn = caller.arn;
  record.user_id = caller.user_id;
  return open_session(std::move(record), duration_seconds);
}

Iam::Session Iam::open_session(KeyRecord record, int duration_seconds) {
  const base::Millis now = state_->clock.now();
  const KeyRecord key = new_key("ASIA", now);
  record.id = key.id;
  record.secret = key.secret;
  record.created = now;
  record.expires = now + static_cast<base::Millis>(duration_seconds) * 1000;
  record.session_token = base::base64(base::random_bytes(96));
  const auto expired = state_->database.write([&](store::Transaction& transaction) {
    auto ids = forget_expired(transaction, now);
    if (count_sessions(transaction) >= kMostSessions)
      throw Error("LimitExceeded",
                  "Too many sessions are open; the limit is " + std::to_string(kMostSessions), 409);
    insert_key(transaction, record);
    return ids;
  });
  state_->publish(record);
  state_->withdraw(expired);
  return {
      {record.id, record.secret}, record.session_token, record.expires, record.arn, record.user_id};
}

// "<base64 of the claims>.<hexadecimal HMAC of that text>"
std::string Iam::registry_password(const wire::Caller& caller, base::Millis expires) const {
  const Json claims = {{"key", caller.access_key}, {"expires", expires}};
  const std::string text = base::base64(base::dump_json(claims));
  return text + "." + base::hex(base::hmac_sha256(state_->registry_secret, text));
}

std::optional<wire::Caller> Iam::check_registry_login(std::string_view user,
                                                      std::string_view password) const {
  if (user != "AWS") {
    const auto key = share(user);
    // A session's secret alone is half of its credentials.
    if (!key || !key->session_token.empty() ||
        !base::equals_in_constant_time(key->secret, password))
      return std::nullopt;
    return key->caller;
  }
  const std::size_t dot = password.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view text = password.substr(0, dot);
  if (!base::equals_in_constant_time(base::hex(base::hmac_sha256(state_->registry_secret, text)),
                                     password.substr(dot + 1)))
    return std::nullopt;
  const auto claims = base::try_parse_json(base::from_base64(text).value_or(""));
  if (!claims || base::integer_or(*claims, "expires", 0) <= state_->clock.now())
    return std::nullopt;
  // A key that was deleted or has expired takes its passwords along.
  const auto key = share(base::text_or(*claims, "key"));
  if (!key || (key->expires != 0 && key->expires <= state_->clock.now())) return std::nullopt;
  return key->caller;
}

}  // namespace slipway::iam
