#pragma once

// One SQLite connection: prepared statements are kept, values bound, errors thrown.
// Private to this room.

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "store/database.h"

struct sqlite3;
struct sqlite3_stmt;

namespace slipway::store {

// Belongs to one thread at a time.
class Connection {
 public:
  // Opens or creates the file. Throws Error{InternalError} with the path where that fails.
  explicit Connection(const std::filesystem::path& path);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Runs a statement to its end and returns the number of rows that it changed. `row` may be
  // empty, and may itself use this connection. Throws Error{InternalError}.
  std::int64_t run(std::string_view sql, const std::vector<Value>& values,
                   const std::function<void(const Row&)>& row);
  void run(std::string_view sql) { run(sql, {}, {}); }

  // Whether a transaction is open. SQLite ends one by itself where the disk fails.
  bool in_transaction() const;

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  using Statement = std::unique_ptr<sqlite3_stmt, Finalize>;
  struct Close {
    void operator()(sqlite3* connection) const;
  };
  class Lease;

  Statement prepare(std::string_view sql);
  [[noreturn]] void fail(std::string_view sql) const;

  std::unique_ptr<sqlite3, Close> connection_;
  // Statements at rest, by their text. One in use is not here, so that a row function may run
  // the same text again.
  std::unordered_map<std::string, Statement> statements_;
};

}  // namespace slipway::store
