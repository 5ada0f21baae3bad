#pragma once

// The tables of this room. Secrets are kept as they are, because SigV4 needs them so;
// the data directory is 0700.

#include <optional>
#include <string>
#include <vector>

#include "iam/types.h"
#include "store/database.h"

namespace slipway::iam {

void migrate(store::Database& database);

// The secret that signs registry passwords; made on first use.
std::string secret_of_server(store::Database& database);

std::vector<KeyRecord> load_keys(store::Database& database);
void insert_key(store::Transaction& transaction, const KeyRecord& record);
std::optional<KeyRecord> find_key(store::Reader& reader, const std::string& id);
void remove_key(store::Transaction& transaction, const std::string& id);
// Keys without expiry.
int count_keys(store::Reader& reader, const std::string& user);
int count_sessions(store::Reader& reader);
// Removes sessions that have ended; returns their keys' ids.
std::vector<std::string> forget_expired(store::Transaction& transaction, base::Millis now);

// False where the name is taken.
bool insert_role(store::Transaction& transaction, const Role& role);
std::optional<Role> find_role(store::Reader& reader, const std::string& name);
bool remove_role(store::Transaction& transaction, const std::string& name);
// By name; at most `limit` after `after`.
std::vector<Role> list_roles(store::Reader& reader, const std::string& path_prefix,
                             const std::string& after, int limit);

}  // namespace slipway::iam
