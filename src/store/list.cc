// Pages of resources by key: a page continues behind the last row of the one before it, so
// that rows which come or go in between neither repeat nor hide others.

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "store/resources.h"

namespace slipway::store {
namespace {

constexpr const char* kColumns =
    "account, kind, name, parent, status, created, modified, version, document";
// Rows fetched at once where the document decides and so SQL cannot.
constexpr std::int64_t kScan = 256;

// Where a page ended.
struct Position {
  Json key;  // of the sort column: a number or a text
  std::string name;
};

const char* column_of(SortBy sort_by) {
  switch (sort_by) {
    case SortBy::kCreationTime:
      return "created";
    case SortBy::kLastModifiedTime:
      return "modified";
    case SortBy::kName:
      return "name";
    case SortBy::kStatus:
      return "status";
  }
  return "created";
}

Position position_of(const Resource& resource, SortBy sort_by) {
  switch (sort_by) {
    case SortBy::kCreationTime:
      return {resource.created, resource.name};
    case SortBy::kLastModifiedTime:
      return {resource.modified, resource.name};
    case SortBy::kName:
      return {resource.name, resource.name};
    case SortBy::kStatus:
      return {resource.status, resource.name};
  }
  return {resource.created, resource.name};
}

bool is_number(SortBy sort_by) {
  return sort_by == SortBy::kCreationTime || sort_by == SortBy::kLastModifiedTime;
}

// Everything that decides which rows a query has and in which order; not the page's length.
std::string fingerprint(const ListQuery& query) {
  const auto optional = [](const auto& value) { return value ? Json(*value) : Json(nullptr); };
  const Json fields = {query.account,
                       query.kind,
                       optional(query.parent),
                       optional(query.parent_contains),
                       optional(query.has_parent),
                       optional(query.name_contains),
                       optional(query.status),
                       optional(query.created_after),
                       optional(query.created_before),
                       optional(query.modified_after),
                       optional(query.modified_before),
                       static_cast<int>(query.sort_by),
                       static_cast<int>(query.order),
                       query.document_equals};
  return base::sha256_hex(base::dump_json(fields)).substr(0, 16);
}

std::string token_of(const ListQuery& query, const Position& position) {
  return base::base64(base::dump_json(
      {{"query", fingerprint(query)}, {"key", position.key}, {"name", position.name}}));
}

std::optional<Position> position_from(const ListQuery& query) {
  if (query.next_token.empty()) return std::nullopt;
  const auto bytes = base::from_base64(query.next_token);
  const auto token = bytes ? base::try_parse_json(*bytes) : std::nullopt;
  const bool fits =
      token && token->is_object() && base::text_or(*token, "query") == fingerprint(query) &&
      token->contains("key") && token->contains("name") && (*token)["name"].is_string() &&
      (is_number(query.sort_by) ? (*token)["key"].is_number_integer()
                                : (*token)["key"].is_string());
  if (!fits) {
    throw Error("ValidationException",
                "The NextToken is not valid: it belongs to another query or was changed.");
  }
  return Position{(*token)["key"], (*token)["name"].get<std::string>()};
}

// The text as a LIKE pattern that finds it anywhere.
std::string containing(std::string_view text) {
  std::string pattern = "%";
  for (const char c : base::lower(text)) {
    if (c == '%' || c == '_' || c == '\\') pattern += '\\';
    pattern += c;
  }
  return pattern + "%";
}

// A "select" that grows by conditions.
struct Statement {
  std::string sql;
  std::vector<Value> values;

  void where(const char* condition, Value value) {
    sql += " and ";
    sql += condition;
    values.push_back(std::move(value));
  }
};

Statement select(const ListQuery& query) {
  Statement statement{
      std::string("select ") + kColumns + " from resources where account = ? and kind = ?",
      {query.account, query.kind}};
  if (query.parent) statement.where("parent = ?", *query.parent);
  if (query.parent_contains) {
    statement.where("lower(parent) like ? escape '\\'", containing(*query.parent_contains));
  }
  if (query.has_parent)
    statement.sql += *query.has_parent ? " and parent <> ''" : " and parent = ''";
  if (query.status) statement.where("status = ?", *query.status);
  if (query.name_contains) {
    statement.where("lower(name) like ? escape '\\'", containing(*query.name_contains));
  }
  if (query.created_after) statement.where("created > ?", *query.created_after);
  if (query.created_before) statement.where("created < ?", *query.created_before);
  if (query.modified_after) statement.where("modified > ?", *query.modified_after);
  if (query.modified_before) statement.where("modified < ?", *query.modified_before);
  return statement;
}

void continue_behind(Statement& statement, const ListQuery& query, const Position& position) {
  const std::string column = column_of(query.sort_by);
  const std::string beyond = query.order == Order::kAscending ? " > ?" : " < ?";
  statement.sql += " and (" + column + beyond + " or (" + column + " = ? and name" + beyond + "))";
  const Value key = position.key.is_string() ? Value(position.key.get<std::string>())
                                             : Value(position.key.get<std::int64_t>());
  statement.values.insert(statement.values.end(), {key, key, position.name});
}

std::vector<Resource> fetch(Reader& reader, const ListQuery& query,
                            const std::optional<Position>& behind, std::int64_t count) {
  Statement statement = select(query);
  if (behind) continue_behind(statement, query, *behind);
  const std::string direction = query.order == Order::kAscending ? " asc" : " desc";
  statement.sql += std::string(" order by ") + column_of(query.sort_by) + direction + ", name" +
                   direction + " limit ?";
  statement.values.emplace_back(count);
  std::vector<Resource> rows;
  reader.query(statement.sql, statement.values, [&](const Row& row) {
    rows.push_back({row.text(0), row.text(1), row.text(2), row.text(3), row.text(4), row.integer(5),
                    row.integer(6), row.integer(7),
                    base::parse_json(row.text(8), "a stored document")});
  });
  return rows;
}

bool matches(const Resource& resource, const ListQuery& query) {
  return std::all_of(query.document_equals.begin(), query.document_equals.end(),
                     [&](const auto& condition) {
                       const Json::json_pointer pointer(condition.first);
                       return resource.document.contains(pointer) &&
                              resource.document.at(pointer) == Json(condition.second);
                     });
}

}  // namespace

Page list(Reader& reader, const ListQuery& query) {
  const auto limit = static_cast<std::size_t>(std::max(1, query.limit));
  // One more than the page holds tells whether there is another page.
  const auto wanted = static_cast<std::int64_t>(limit + 1);
  const std::int64_t step = query.document_equals.empty() ? wanted : std::max(wanted, kScan);
  std::optional<Position> behind = position_from(query);
  Page page;
  bool more = true;
  while (more && page.items.size() <= limit) {
    std::vector<Resource> rows = fetch(reader, query, behind, step);
    more = static_cast<std::int64_t>(rows.size()) == step;
    if (!rows.empty()) behind = position_of(rows.back(), query.sort_by);
    for (Resource& row : rows) {
      if (page.items.size() <= limit && matches(row, query)) page.items.push_back(std::move(row));
    }
  }
  if (page.items.size() > limit) {
    page.items.pop_back();
    page.next_token = token_of(query, position_of(page.items.back(), query.sort_by));
  }
  return page;
}

}  // namespace slipway::store
