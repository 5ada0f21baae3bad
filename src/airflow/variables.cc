#include "airflow/variables.h"

#include "base/error.h"

namespace slipway::airflow {
namespace {

constexpr std::size_t kLongestKey = 250;
constexpr std::size_t kLargestValue = 64u << 10;
constexpr std::int64_t kMost = 1000;  // of an account

Variable variable_of(const store::Row& row) { return {row.text(0), row.text(1), row.text(2)}; }

}  // namespace

Json variable_json(const Variable& variable) {
  return {
      {"key", variable.key},
      {"value", variable.value},
      {"description", variable.description.empty() ? Json(nullptr) : Json(variable.description)}};
}

Variables::Variables(store::Database& database) : database_(database) {
  database_.migrate(
      {"create table if not exists airflow_variables (account text not null, key text not null, "
       "value text not null, description text not null, primary key (account, key))"});
}

void Variables::set(const std::string& account, const Variable& variable) {
  const auto refuse = [](const std::string& message) { throw Error("BadRequest", message, 400); };
  if (variable.key.empty() || variable.key.size() > kLongestKey) {
    refuse("a variable's key has 1 to 250 bytes");
  }
  if (variable.value.size() + variable.description.size() > kLargestValue) {
    refuse("a variable's value has at most 64 KiB");
  }
  database_.write([&](store::Transaction& transaction) {
    transaction.execute(
        "insert into airflow_variables (account, key, value, description) values (?, ?, ?, ?) on "
        "conflict (account, key) do update set value = excluded.value, description = "
        "excluded.description",
        {account, variable.key, variable.value, variable.description});
    std::int64_t count = 0;
    transaction.query("select count(*) from airflow_variables where account = ?", {account},
                      [&](const store::Row& row) { count = row.integer(0); });
    if (count > kMost) refuse("there are 1000 variables already");
  });
}

std::optional<Variable> Variables::find(const std::string& account, const std::string& key) const {
  std::optional<Variable> found;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select key, value, description from airflow_variables where account = ? and "
        "key = ?",
        {account, key}, [&](const store::Row& row) { found = variable_of(row); });
  });
  return found;
}

std::vector<Variable> Variables::list(const std::string& account) const {
  std::vector<Variable> all;
  database_.read([&](store::Reader& reader) {
    reader.query(
        "select key, value, description from airflow_variables where account = ? order by key",
        {account}, [&](const store::Row& row) { all.push_back(variable_of(row)); });
  });
  return all;
}

bool Variables::remove(const std::string& account, const std::string& key) {
  std::int64_t removed = 0;
  database_.write([&](store::Transaction& transaction) {
    removed = static_cast<std::int64_t>(transaction.execute(
        "delete from airflow_variables where account = ? and key = ?", {account, key}));
  });
  return removed > 0;
}

}  // namespace slipway::airflow
