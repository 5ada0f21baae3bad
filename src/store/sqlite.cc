#include "store/sqlite.h"

#include <sqlite3.h>

#include "base/error.h"

namespace slipway::store {
namespace {

// The rooms have some dozens of fixed texts; lists build a few more.
constexpr std::size_t kKeptStatements = 256;
constexpr int kBusyMillis = 10'000;

class SqliteRow final : public Row {
 public:
  explicit SqliteRow(sqlite3_stmt* statement) : statement_(statement) {}

  std::int64_t integer(int column) const override {
    return sqlite3_column_int64(statement_, column);
  }
  double number(int column) const override { return sqlite3_column_double(statement_, column); }
  std::string text(int column) const override {
    const void* bytes = sqlite3_column_blob(statement_, column);
    const int length = sqlite3_column_bytes(statement_, column);
    if (bytes == nullptr) return {};
    return std::string(static_cast<const char*>(bytes), static_cast<std::size_t>(length));
  }
  bool is_null(int column) const override {
    return sqlite3_column_type(statement_, column) == SQLITE_NULL;
  }

 private:
  sqlite3_stmt* statement_;
};

// The values outlive the statement's run, so SQLite need not copy them.
int bind(sqlite3_stmt* statement, int index, const Value& value) {
  struct Binder {
    sqlite3_stmt* statement;
    int index;
    int operator()(std::nullptr_t) const { return sqlite3_bind_null(statement, index); }
    int operator()(std::int64_t number) const {
      return sqlite3_bind_int64(statement, index, number);
    }
    int operator()(double number) const { return sqlite3_bind_double(statement, index, number); }
    int operator()(const std::string& text) const {
      return sqlite3_bind_text64(statement, index, text.data(), text.size(), SQLITE_STATIC,
                                 SQLITE_UTF8);
    }
    int operator()(const Blob& blob) const {
      return sqlite3_bind_blob64(statement, index, blob.bytes.data(), blob.bytes.size(),
                                 SQLITE_STATIC);
    }
  };
  return std::visit(Binder{statement, index}, value);
}

}  // namespace

void Connection::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Connection::Close::operator()(sqlite3* connection) const { sqlite3_close_v2(connection); }

// Takes a statement from the kept ones and gives it back at rest.
class Connection::Lease {
 public:
  Lease(Connection& connection, std::string_view sql)
      : connection_(connection), text_(sql), statement_(take()) {}
  ~Lease() {
    sqlite3_reset(statement_.get());
    sqlite3_clear_bindings(statement_.get());
    auto& kept = connection_.statements_;
    if (kept.size() < kKeptStatements) kept.try_emplace(std::move(text_), std::move(statement_));
  }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;

  sqlite3_stmt* get() const { return statement_.get(); }

 private:
  Statement take() {
    const auto found = connection_.statements_.find(text_);
    if (found == connection_.statements_.end()) return connection_.prepare(text_);
    Statement statement = std::move(found->second);
    connection_.statements_.erase(found);
    return statement;
  }

  Connection& connection_;
  std::string text_;
  Statement statement_;
};

Connection::Connection(const std::filesystem::path& path) {
  sqlite3* opened = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &opened,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  connection_.reset(opened);
  if (result != SQLITE_OK) {
    base::throw_internal("Cannot open the database " + path.string() + ": " +
                         sqlite3_errstr(result) +
                         "; check that the directory exists and may be written to.");
  }
  sqlite3_busy_timeout(opened, kBusyMillis);
}

Connection::~Connection() = default;

std::int64_t Connection::run(std::string_view sql, const std::vector<Value>& values,
                             const std::function<void(const Row&)>& row) {
  const Lease statement(*this, sql);
  int index = 0;
  for (const Value& value : values) {
    if (bind(statement.get(), ++index, value) != SQLITE_OK) fail(sql);
  }
  const SqliteRow current(statement.get());
  int result = SQLITE_ROW;
  while ((result = sqlite3_step(statement.get())) == SQLITE_ROW) {
    if (row) row(current);
  }
  if (result != SQLITE_DONE) fail(sql);
  return sqlite3_stmt_readonly(statement.get()) != 0 ? 0 : sqlite3_changes64(connection_.get());
}

bool Connection::in_transaction() const { return sqlite3_get_autocommit(connection_.get()) == 0; }

Connection::Statement Connection::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                         SQLITE_PREPARE_PERSISTENT, &statement, nullptr) != SQLITE_OK) {
    fail(sql);
  }
  return Statement(statement);
}

void Connection::fail(std::string_view sql) const {
  base::throw_internal("SQLite: " + std::string(sqlite3_errmsg(connection_.get())) + " in \"" +
                       std::string(sql.substr(0, 200)) + "\"");
}

}  // namespace slipway::store
