#pragma once

// The generic resource: everything that has a name, a status and a document lives
// in one table, with tags and the filters that the AWS lists share.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "store/database.h"

namespace slipway::store {

struct Resource {
  std::string account;
  std::string kind;    // "training-job", "model-package", …
  std::string name;    // unique in account and kind
  std::string parent;  // e.g. a model package's group; empty where there is none
  std::string status;
  base::Millis created = 0;
  base::Millis modified = 0;
  std::int64_t version = 0;  // grows by one with each update
  Json document;
};

enum class SortBy { kCreationTime, kLastModifiedTime, kName, kStatus };
enum class Order { kAscending, kDescending };

struct ListQuery {
  std::string account;
  std::string kind;
  std::optional<std::string> parent;
  std::optional<std::string> parent_contains;  // case-insensitive
  std::optional<bool> has_parent;
  std::optional<std::string> name_contains;  // case-insensitive
  std::optional<std::string> status;
  std::optional<base::Millis> created_after, created_before;    // exclusive bounds
  std::optional<base::Millis> modified_after, modified_before;  // exclusive bounds
  SortBy sort_by = SortBy::kCreationTime;
  Order order = Order::kDescending;
  int limit = 10;
  std::string next_token;  // of an earlier page of the same query; empty for the first
  // Members of the document that must equal a text, as JSON pointers:
  // {{"/ModelApprovalStatus", "Approved"}}.
  std::vector<std::pair<std::string, std::string>> document_equals;
};

struct Page {
  std::vector<Resource> items;
  std::string next_token;  // empty on the last page
};

using Tags = std::map<std::string, std::string>;

// Creates the tables. Called once at start.
void migrate_resources(Database& database);

// Adds a resource with version 1. Throws Error{AlreadyExists} where the name is taken;
// callers that owe their client another text look with find() first.
void create(Transaction& transaction, const Resource& resource);
std::optional<Resource> find(Reader& reader, const std::string& account, const std::string& kind,
                             const std::string& name);
// Writes status, modified, parent and document of `resource` and raises its version.
// Throws Error{ConflictException, 409} where the stored version is another; nothing changes then.
void update(Transaction& transaction, Resource& resource);
// Removes it and its tags; false where it was not there.
bool remove(Transaction& transaction, const std::string& account, const std::string& kind,
            const std::string& name);
// Throws Error{ValidationException} for a token that this query did not give.
Page list(Reader& reader, const ListQuery& query);
// All of a kind in any account with one of the statuses: what a restart carries on with.
std::vector<Resource> with_status(Reader& reader, const std::string& kind,
                                  const std::vector<std::string>& statuses);

// Tags belong to an ARN.
Tags tags_of(Reader& reader, const std::string& arn);
void set_tags(Transaction& transaction, const std::string& arn,
              const Tags& tags);  // adds, replaces
void remove_tags(Transaction& transaction, const std::string& arn,
                 const std::vector<std::string>& keys);
void remove_all_tags(Transaction& transaction, const std::string& arn);

}  // namespace slipway::store
