#pragma once

// Airflow's variables: settings by key, which commands and calls of MWAA leave for others to read.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "store/database.h"

namespace slipway::airflow {

struct Variable {
  std::string key;
  std::string value;
  std::string description;
};
Json variable_json(const Variable& variable);

// Thread-safe. Throws Error{BadRequest, 400} for a key or a value that may not be.
class Variables {
 public:
  explicit Variables(store::Database& database);

  void set(const std::string& account, const Variable& variable);
  std::optional<Variable> find(const std::string& account, const std::string& key) const;
  // By key.
  std::vector<Variable> list(const std::string& account) const;
  // False where there is none.
  bool remove(const std::string& account, const std::string& key);

 private:
  store::Database& database_;
};

}  // namespace slipway::airflow
