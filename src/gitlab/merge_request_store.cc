#include "gitlab/merge_request_store.h"

#include <array>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace slipway::gitlab {
namespace {

using store::Reader;
using store::Row;
using store::Transaction;
using store::Value;

const std::vector<std::string>& tables() {
  static const std::vector<std::string> statements{
      "create table if not exists gitlab_merge_requests ("
      " id bigint primary key, project bigint not null, iid bigint not null,"
      " author bigint not null, state text not null, source_branch text not null,"
      " target_branch text not null, title text not null, sha text not null,"
      " created bigint not null, updated bigint not null, merged_at bigint,"
      " pending bigint not null, document text not null, unique (project, iid))",
      "create index if not exists gitlab_merge_requests_by_source"
      " on gitlab_merge_requests (project, state, source_branch)",
      "create index if not exists gitlab_merge_requests_pending"
      " on gitlab_merge_requests (pending)",
  };
  return statements;
}

Json number_or_null(const std::optional<std::int64_t>& number) {
  return number ? Json(*number) : Json();
}

std::optional<std::int64_t> number_in(const Json& document, const char* name) {
  const auto found = document.find(name);
  if (found == document.end() || !found->is_number_integer()) return std::nullopt;
  return found->get<std::int64_t>();
}

std::string document_of(const MergeRequest& one) {
  Json document{{"description", one.description},
                {"base_sha", one.base_sha},
                {"labels", one.labels},
                {"squash", one.squash},
                {"remove_source_branch", one.remove_source_branch},
                {"merge_commit_sha", one.merge_commit_sha},
                {"squash_commit_sha", one.squash_commit_sha},
                {"merged_by", number_or_null(one.merged_by)},
                {"closed_by", number_or_null(one.closed_by)},
                {"closed_at", number_or_null(one.closed_at)},
                {"removes_source", number_or_null(one.removes_source)}};
  if (one.intent) {
    document["intent"] = {
        {"commit", one.intent->commit}, {"squashed", one.intent->squashed},
        {"source", one.intent->source}, {"base", one.intent->base},
        {"user", one.intent->user},     {"remove_source_branch", one.intent->remove_source_branch}};
  }
  if (one.wanted) document["wanted"] = {{"once", one.wanted->once}, {"user", one.wanted->user}};
  return base::dump_json(document);
}

void read_document(const Json& document, MergeRequest& one) {
  one.description = base::text_or(document, "description");
  one.base_sha = base::text_or(document, "base_sha");
  for (const Json& label : base::array_or_empty(document, "labels")) {
    one.labels.push_back(label.get<std::string>());
  }
  one.squash = base::boolean_or(document, "squash", false);
  one.remove_source_branch = base::boolean_or(document, "remove_source_branch", false);
  one.merge_commit_sha = base::text_or(document, "merge_commit_sha");
  one.squash_commit_sha = base::text_or(document, "squash_commit_sha");
  one.merged_by = number_in(document, "merged_by");
  one.closed_by = number_in(document, "closed_by");
  one.closed_at = number_in(document, "closed_at");
  one.removes_source = number_in(document, "removes_source");
  if (const Json& intent = base::object_or_empty(document, "intent"); !intent.empty()) {
    one.intent = MergeIntent{
        .commit = base::text_or(intent, "commit"),
        .squashed = base::text_or(intent, "squashed"),
        .source = base::text_or(intent, "source"),
        .base = base::text_or(intent, "base"),
        .user = base::integer_or(intent, "user", 0),
        .remove_source_branch = base::boolean_or(intent, "remove_source_branch", false)};
  }
  if (const Json& wanted = base::object_or_empty(document, "wanted"); !wanted.empty()) {
    one.wanted = WantedPipeline{.once = base::text_or(wanted, "once"),
                                .user = base::integer_or(wanted, "user", 0)};
  }
}

constexpr const char* kSelect =
    "select id, project, iid, author, state, source_branch, target_branch, title, sha, created,"
    " updated, merged_at, document from gitlab_merge_requests ";

MergeRequest merge_request_of(const Row& row) {
  MergeRequest one;
  one.id = row.integer(0);
  one.project = row.integer(1);
  one.iid = row.integer(2);
  one.author = row.integer(3);
  one.state = merge_state_of(row.text(4)).value_or(MergeState::kClosed);
  one.source_branch = row.text(5);
  one.target_branch = row.text(6);
  one.title = row.text(7);
  one.sha = row.text(8);
  one.created = row.integer(9);
  one.updated = row.integer(10);
  if (!row.is_null(11)) one.merged_at = row.integer(11);
  read_document(base::parse_json(row.text(12), "a merge request"), one);
  return one;
}

std::vector<MergeRequest> select(Reader& reader, const std::string& where,
                                 const std::vector<Value>& values) {
  std::vector<MergeRequest> all;
  reader.query(kSelect + where, values,
               [&](const Row& row) { all.push_back(merge_request_of(row)); });
  return all;
}

std::int64_t is_pending(const MergeRequest& one) {
  return one.wanted || one.removes_source ? 1 : 0;
}

void write(Transaction& transaction, const MergeRequest& one) {
  transaction.execute(
      "update gitlab_merge_requests set state = ?, target_branch = ?, title = ?, sha = ?,"
      " updated = ?, merged_at = ?, pending = ?, document = ? where id = ?",
      {std::string(text(one.state)), one.target_branch, one.title, one.sha, one.updated,
       one.merged_at ? Value(*one.merged_at) : Value(nullptr), is_pending(one), document_of(one),
       one.id});
}

std::string event_type(const std::string& action) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kTypes{
      {{"open", "Opened"},
       {"update", "Updated"},
       {"close", "Closed"},
       {"reopen", "Reopened"},
       {"merge", "Merged"}}};
  for (const auto& [name, type] : kTypes) {
    if (name == action) return "MergeRequest." + std::string(type);
  }
  base::throw_internal("there is no action " + action);
}

void tell(Transaction& transaction, const std::string& account, const std::string& path,
          const MergeRequest& one, const MergeRequestNews& news) {
  store::append(transaction, {.at = one.updated,
                              .account = account,
                              .type = event_type(news.action),
                              .subject = path + "!" + std::to_string(one.iid),
                              .detail = {{"id", one.id},
                                         {"iid", one.iid},
                                         {"project_id", one.project},
                                         {"user_id", news.user},
                                         {"action", news.action},
                                         {"oldrev", news.oldrev}}});
}

std::int64_t next(Transaction& transaction, const std::string& of,
                  const std::vector<Value>& values) {
  std::int64_t number = 1;
  transaction.query("select coalesce(max(" + of, values,
                    [&](const Row& row) { number = row.integer(0) + 1; });
  return number;
}

}  // namespace

std::string_view text(MergeState state) {
  switch (state) {
    case MergeState::kOpened:
      return "opened";
    case MergeState::kClosed:
      return "closed";
    case MergeState::kMerged:
      return "merged";
  }
  return "closed";
}

std::optional<MergeState> merge_state_of(std::string_view name) {
  for (const MergeState state : {MergeState::kOpened, MergeState::kClosed, MergeState::kMerged}) {
    if (text(state) == name) return state;
  }
  return std::nullopt;
}

MergeRequestStore::MergeRequestStore(store::Database& database, std::string account)
    : database_(database), account_(std::move(account)) {
  database_.migrate(tables());
}

MergeRequestStore::Added MergeRequestStore::add(MergeRequest one, const std::string& path) {
  return database_.write([&](Transaction& transaction) -> Added {
    auto same = select(transaction,
                       "where project = ? and state = 'opened' and source_branch = ?"
                       " and target_branch = ? order by id",
                       {one.project, one.source_branch, one.target_branch});
    if (!same.empty()) return {std::move(same.front()), false};
    // None is ever removed, so no number comes twice.
    one.id = next(transaction, "id), 0) from gitlab_merge_requests", {});
    one.iid =
        next(transaction, "iid), 0) from gitlab_merge_requests where project = ?", {one.project});
    transaction.execute(
        "insert into gitlab_merge_requests (id, project, iid, author, state, source_branch,"
        " target_branch, title, sha, created, updated, pending, document)"
        " values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        {one.id, one.project, one.iid, one.author, std::string(text(one.state)), one.source_branch,
         one.target_branch, one.title, one.sha, one.created, one.updated, is_pending(one),
         document_of(one)});
    tell(transaction, account_, path, one, {.action = "open", .user = one.author});
    return {one, true};
  });
}

MergeRequest MergeRequestStore::change(forge::Id id, const std::string& path,
                                       const Change& change) {
  return database_.write([&](Transaction& transaction) {
    auto found = select(transaction, "where id = ?", {id});
    if (found.empty()) throw Error("NotFound", "404 Not Found", 404);
    MergeRequest& one = found.front();
    const auto news = change(one);
    write(transaction, one);
    if (news) tell(transaction, account_, path, one, *news);
    return one;
  });
}

std::optional<MergeRequest> MergeRequestStore::find(forge::Id project, forge::Id iid) const {
  auto found = database_.read([&](Reader& reader) {
    return select(reader, "where project = ? and iid = ?", {project, iid});
  });
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::optional<MergeRequest> MergeRequestStore::find(forge::Id id) const {
  auto found = database_.read([&](Reader& reader) { return select(reader, "where id = ?", {id}); });
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

std::vector<MergeRequest> MergeRequestStore::list(const MergeRequestFilter& filter,
                                                  int limit) const {
  std::string where = "where 1 = 1";
  std::vector<Value> values;
  const auto add = [&](const std::string& column, Value value) {
    where += " and " + column + " = ?";
    values.push_back(std::move(value));
  };
  if (filter.project) add("project", *filter.project);
  if (filter.author) add("author", *filter.author);
  if (filter.state) add("state", std::string(text(*filter.state)));
  if (filter.source_branch) add("source_branch", *filter.source_branch);
  if (filter.target_branch) add("target_branch", *filter.target_branch);
  if (filter.sha) add("sha", *filter.sha);
  if (!filter.iids.empty()) {
    std::string marks;
    for (const forge::Id iid : filter.iids) {
      marks += marks.empty() ? "?" : ", ?";
      values.emplace_back(iid);
    }
    where += " and iid in (" + marks + ")";
  }
  std::string order = "created";
  for (const auto& [name, column] :
       {std::pair("updated_at", "updated"), std::pair("title", "title"),
        std::pair("merged_at", "merged_at")}) {
    if (filter.order_by == name) order = column;
  }
  const char* direction = filter.ascending ? " asc" : " desc";
  values.emplace_back(std::int64_t{limit});
  return database_.read([&](Reader& reader) {
    return select(
        reader, where + " order by " + order + direction + ", id" + direction + " limit ?", values);
  });
}

std::vector<MergeRequest> MergeRequestStore::pending(int limit) const {
  return database_.read([&](Reader& reader) {
    return select(reader, "where pending = 1 order by id limit ?", {std::int64_t{limit}});
  });
}

}  // namespace slipway::gitlab
