#pragma once

// Durable, transactional state in SQLite (WAL, synchronous=FULL).
//
// One thread writes. Work that callers hand to write() is collected: each piece
// runs in a savepoint of its own, all pieces that are waiting share one commit and
// so one fsync, and every caller returns only after that commit. An answer given
// after write() returned therefore survives a power cut.
//
// Reads run on the caller's thread, each on a connection of a small pool, and see a
// consistent snapshot that includes every write that has returned.
//
// SQL stays within what PostgreSQL also understands: "insert … on conflict … do
// update", "?" parameters, text/bigint/double/blob columns, no rowid.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

namespace slipway::store {

struct Blob {
  std::string bytes;
};
// What a statement takes and a column gives.
using Value = std::variant<std::nullptr_t, std::int64_t, double, std::string, Blob>;

// One row of a result; valid until the row function returns.
class Row {
 public:
  virtual std::int64_t integer(int column) const = 0;
  virtual double number(int column) const = 0;
  virtual std::string text(int column) const = 0;  // also the bytes of a blob
  virtual bool is_null(int column) const = 0;

 protected:
  ~Row() = default;
};

// A snapshot to read from. Belongs to the thread that got it.
class Reader {
 public:
  // Calls `row` for each row. Throws Error{InternalError} where SQLite fails.
  virtual void query(std::string_view sql, const std::vector<Value>& values,
                     const std::function<void(const Row&)>& row) = 0;

 protected:
  ~Reader() = default;
};

// A running write; also reads its own changes.
class Transaction : public Reader {
 public:
  // Returns the number of changed rows.
  virtual std::int64_t execute(std::string_view sql, const std::vector<Value>& values = {}) = 0;
  // Runs `then` on the writer's thread after the commit that makes this work durable; not at all
  // where the work is rolled back. It must be short and must not throw or call write().
  virtual void after_commit(std::function<void()> then) = 0;
  // Events were appended: once this work is durable, who listens (listen_for_events) is called.
  virtual void announce_events() = 0;

 protected:
  ~Transaction() = default;
};

struct DatabaseOptions {
  std::size_t read_connections = 8;
  std::size_t queued_writes = 4096;  // one more waits for a place
  bool synchronous = true;           // false only in benchmarks that measure what durability costs
};

// Thread-safe.
class Database {
 public:
  // Opens or creates. Throws Error with the path where it cannot be opened or is in
  // use by another process.
  static std::unique_ptr<Database> open(const std::filesystem::path& path,
                                        DatabaseOptions options = {});
  // A private database that ends with the object, for tests.
  static std::unique_ptr<Database> in_memory_for_test();
  virtual ~Database() = default;

  // Runs `work` in a transaction and returns its result after the commit. What
  // `work` throws rolls back its own changes alone and is thrown here. `work` must not
  // call write() or read() of the same database, and must be short: it holds up every writer.
  template <class Work>
  auto write(Work&& work) -> std::invoke_result_t<Work, Transaction&> {
    using Result = std::invoke_result_t<Work, Transaction&>;
    if constexpr (std::is_void_v<Result>) {
      run_write([&](Transaction& transaction) { work(transaction); });
    } else {
      std::optional<Result> result;
      run_write([&](Transaction& transaction) { result.emplace(work(transaction)); });
      return std::move(*result);
    }
  }

  template <class Work>
  auto read(Work&& work) -> std::invoke_result_t<Work, Reader&> {
    using Result = std::invoke_result_t<Work, Reader&>;
    if constexpr (std::is_void_v<Result>) {
      run_read([&](Reader& reader) { work(reader); });
    } else {
      std::optional<Result> result;
      run_read([&](Reader& reader) { result.emplace(work(reader)); });
      return std::move(*result);
    }
  }

  // Creates a room's tables, once: statements run in order and must be repeatable
  // ("create table if not exists …").
  void migrate(const std::vector<std::string>& statements);

  // Calls `listener` on the writer's thread after each commit that holds announced events. One
  // listener; an empty function takes it away, and once this returns it is not called any more.
  virtual void listen_for_events(std::function<void()> listener) = 0;

 protected:
  virtual void run_write(const std::function<void(Transaction&)>& work) = 0;
  virtual void run_read(const std::function<void(Reader&)>& work) = 0;
};

}  // namespace slipway::store
