#include "store/database.h"

#include <array>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/ids.h"
#include "base/log.h"
#include "store/files.h"
#include "store/sqlite.h"

namespace slipway::store {
namespace {

// How long a caller waits for a place in the queue or for a connection before it is told that
// the server is busy.
constexpr std::chrono::seconds kPatience{30};
// Pieces of work that share one commit.
constexpr std::size_t kBatch = 512;

[[noreturn]] void throw_busy(const std::string& what) {
  throw Error("ServiceUnavailable", "The server is busy: " + what + ". Try again.", 503);
}

// Held for the life of the process; the kernel lets go of it however that ends.
base::FileDescriptor lock_against_other_processes(const std::filesystem::path& path) {
  const std::filesystem::path lock_path = path.string() + ".lock";
  base::FileDescriptor lock(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock) base::throw_errno("Cannot open the lock file " + lock_path.string());
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    std::array<char, 32> owner{};
    const ssize_t length = ::read(lock.get(), owner.data(), owner.size());
    const std::string process =
        length > 0
            ? " (process " + std::string(owner.data(), static_cast<std::size_t>(length)) + ")"
            : "";
    throw Error("DatabaseInUse",
                "The data directory " + std::filesystem::absolute(path).parent_path().string() +
                    " is in use by another Slipway" + process +
                    ": stop that one, or choose another directory.",
                500);
  }
  const std::string own = std::to_string(::getpid());
  if (::ftruncate(lock.get(), 0) != 0 ||
      ::pwrite(lock.get(), own.data(), own.size(), 0) != static_cast<ssize_t>(own.size())) {
    base::throw_errno("Cannot write the lock file " + lock_path.string());
  }
  return lock;
}

class ConnectionReader final : public Reader {
 public:
  explicit ConnectionReader(Connection& connection) : connection_(connection) {}
  void query(std::string_view sql, const std::vector<Value>& values,
             const std::function<void(const Row&)>& row) override {
    connection_.run(sql, values, row);
  }

 private:
  Connection& connection_;
};

// One caller's piece of work; lives on the caller's stack until `done`.
struct Write {
  const std::function<void(Transaction&)>& work;
  std::vector<std::function<void()>> after_commit;
  bool announces = false;
  std::exception_ptr error;
  std::condition_variable finished;
  bool done = false;
};

class ConnectionTransaction final : public Transaction {
 public:
  ConnectionTransaction(Connection& connection, Write& write)
      : connection_(connection), write_(write) {}
  void query(std::string_view sql, const std::vector<Value>& values,
             const std::function<void(const Row&)>& row) override {
    connection_.run(sql, values, row);
  }
  std::int64_t execute(std::string_view sql, const std::vector<Value>& values) override {
    return connection_.run(sql, values, {});
  }
  void after_commit(std::function<void()> then) override {
    write_.after_commit.push_back(std::move(then));
  }
  void announce_events() override { write_.announces = true; }

 private:
  Connection& connection_;
  Write& write_;
};

// The connections that are free. Thread-safe.
class ReadPool {
 public:
  ReadPool(std::filesystem::path path, std::size_t most) : path_(std::move(path)), most_(most) {}

  std::unique_ptr<Connection> take() {
    std::unique_lock lock(mutex_);
    if (!returned_.wait_for(lock, kPatience, [&] { return !free_.empty() || opened_ < most_; })) {
      throw_busy("all connections for reading are taken");
    }
    if (!free_.empty()) {
      std::unique_ptr<Connection> connection = std::move(free_.back());
      free_.pop_back();
      return connection;
    }
    auto connection = std::make_unique<Connection>(path_);
    connection->run("pragma query_only = on");
    ++opened_;
    return connection;
  }

  void give_back(std::unique_ptr<Connection> connection) {
    {
      const std::lock_guard lock(mutex_);
      free_.push_back(std::move(connection));
    }
    returned_.notify_one();
  }

 private:
  const std::filesystem::path path_;
  const std::size_t most_;
  std::mutex mutex_;
  std::condition_variable returned_;
  std::vector<std::unique_ptr<Connection>> free_;  // guarded by mutex_
  std::size_t opened_ = 0;                         // guarded by mutex_
};

// A connection out of the pool, inside one read transaction, i.e. on one snapshot.
class Snapshot {
 public:
  explicit Snapshot(ReadPool& pool) : pool_(pool), connection_(pool.take()) {
    connection_->run("begin");
  }
  ~Snapshot() {
    try {
      connection_->run("rollback");
    } catch (const std::exception& error) {
      base::log(Level::kError, "a read transaction did not end", {{"error", error.what()}});
    }
    pool_.give_back(std::move(connection_));
  }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  Connection& connection() { return *connection_; }

 private:
  ReadPool& pool_;
  std::unique_ptr<Connection> connection_;
};

class SqliteDatabase final : public Database {
 public:
  SqliteDatabase(const std::filesystem::path& path, DatabaseOptions options)
      : options_(options),
        lock_(lock_against_other_processes(path)),
        connection_(path),
        readers_(path, options.read_connections) {
    connection_.run("pragma journal_mode = wal");
    connection_.run(options.synchronous ? "pragma synchronous = full" : "pragma synchronous = off");
    connection_.run("pragma journal_size_limit = 67108864");
    if (options.synchronous) {
      system_disk().sync_directory(std::filesystem::absolute(path).parent_path());
    }
    writer_ = std::thread([this] { write_until_stopped(); });
  }

  ~SqliteDatabase() override {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    arrived_.notify_all();
    writer_.join();
  }

  void listen_for_events(std::function<void()> listener) override {
    const std::lock_guard lock(listener_mutex_);
    listener_ = std::move(listener);
  }

 protected:
  void run_write(const std::function<void(Transaction&)>& work) override {
    if (std::this_thread::get_id() == writer_.get_id()) {
      base::throw_internal("write() was called inside a write");
    }
    Write write{work, {}, false, nullptr, {}, false};
    std::unique_lock lock(mutex_);
    if (!departed_.wait_for(lock, kPatience,
                            [&] { return waiting_.size() < options_.queued_writes; })) {
      throw_busy("too many writes are waiting");
    }
    waiting_.push_back(&write);
    arrived_.notify_one();
    write.finished.wait(lock, [&] { return write.done; });
    if (write.error) std::rethrow_exception(write.error);
  }

  void run_read(const std::function<void(Reader&)>& work) override {
    Snapshot snapshot(readers_);
    ConnectionReader reader(snapshot.connection());
    work(reader);
  }

 private:
  void write_until_stopped() {
    ::pthread_setname_np(::pthread_self(), "db-writer");
    std::unique_lock lock(mutex_);
    while (true) {
      arrived_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
      if (waiting_.empty()) return;
      const std::size_t count = std::min(kBatch, waiting_.size());
      std::vector<Write*> batch(waiting_.begin(),
                                waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      departed_.notify_all();
      lock.unlock();
      commit_together(batch);
      lock.lock();
      // Under the lock: a Write ends with its caller's stack, which waits for the lock.
      for (Write* write : batch) {
        write->done = true;
        write->finished.notify_one();
      }
    }
  }

  void commit_together(const std::vector<Write*>& batch) {
    std::vector<Write*> pending;  // done, but not durable yet
    try {
      for (Write* write : batch) {
        if (!connection_.in_transaction()) connection_.run("begin immediate");
        if (run_in_savepoint(*write)) pending.push_back(write);
        // Where the disk fails, SQLite rolls everything back, not just the savepoint.
        if (!connection_.in_transaction()) fail_all(pending, write->error);
      }
      if (connection_.in_transaction()) connection_.run("commit");
    } catch (...) {
      const std::exception_ptr error = std::current_exception();
      roll_back();
      for (Write* write : batch) {
        if (!write->error) write->error = error;
      }
      return;
    }
    tell(pending);
  }

  bool run_in_savepoint(Write& write) {
    connection_.run("savepoint piece");
    try {
      ConnectionTransaction transaction(connection_, write);
      write.work(transaction);
    } catch (...) {
      write.error = std::current_exception();
      if (connection_.in_transaction()) {
        connection_.run("rollback to piece");
        connection_.run("release piece");
      }
      return false;
    }
    connection_.run("release piece");
    return true;
  }

  static void fail_all(std::vector<Write*>& pending, const std::exception_ptr& error) {
    for (Write* write : pending) write->error = error;
    pending.clear();
  }

  void roll_back() {
    if (!connection_.in_transaction()) return;
    try {
      connection_.run("rollback");
    } catch (const std::exception& error) {
      base::log(Level::kError, "a failed transaction did not end", {{"error", error.what()}});
    }
  }

  // Before the callers go on: what they then see in memory is not older than what they wrote.
  void tell(const std::vector<Write*>& committed) {
    bool announced = false;
    for (Write* write : committed) {
      announced = announced || write->announces;
      for (const auto& then : write->after_commit) {
        try {
          then();
        } catch (const std::exception& error) {
          base::log(Level::kError, "work after a commit failed", {{"error", error.what()}});
        }
      }
    }
    if (!announced) return;
    const std::lock_guard lock(listener_mutex_);
    if (listener_) listener_();
  }

  const DatabaseOptions options_;
  const base::FileDescriptor lock_;
  Connection connection_;  // the writer thread's, once it runs
  ReadPool readers_;
  std::mutex mutex_;
  std::condition_variable arrived_;   // work, or the end
  std::condition_variable departed_;  // room in the queue
  std::deque<Write*> waiting_;        // guarded by mutex_
  bool stopping_ = false;             // guarded by mutex_
  std::mutex listener_mutex_;
  std::function<void()> listener_;  // guarded by listener_mutex_
  std::thread writer_;
};

// Removes its directory last, after the database in it has been closed.
class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_(std::filesystem::temp_directory_path() / ("slipway-test-" + base::random_hex(16))) {
    std::filesystem::create_directories(path_);
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// In a file and not in SQLite's memory: there, several connections cannot share one
// database with the same locking as on disk.
class TemporaryDatabase final : public Database {
 public:
  TemporaryDatabase() {
    DatabaseOptions options;
    options.synchronous = false;
    database_ = std::make_unique<SqliteDatabase>(directory_.path() / "slipway.db", options);
  }
  void listen_for_events(std::function<void()> listener) override {
    database_->listen_for_events(std::move(listener));
  }

 protected:
  void run_write(const std::function<void(Transaction&)>& work) override { database_->write(work); }
  void run_read(const std::function<void(Reader&)>& work) override { database_->read(work); }

 private:
  TemporaryDirectory directory_;
  std::unique_ptr<SqliteDatabase> database_;
};

}  // namespace

std::unique_ptr<Database> Database::open(const std::filesystem::path& path,
                                         DatabaseOptions options) {
  create_directories_durably(system_disk(), std::filesystem::absolute(path).parent_path());
  // It holds secrets: the owner's alone from the first moment. SQLite gives its other files the
  // same mode.
  base::FileDescriptor made(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!made) base::throw_errno("Cannot open the database " + path.string());
  // Closing it later would drop the locks that SQLite holds on the same file.
  made.reset();
  return std::make_unique<SqliteDatabase>(path, options);
}

std::unique_ptr<Database> Database::in_memory_for_test() {
  return std::make_unique<TemporaryDatabase>();
}

void Database::migrate(const std::vector<std::string>& statements) {
  write([&](Transaction& transaction) {
    for (const std::string& statement : statements) transaction.execute(statement);
  });
}

}  // namespace slipway::store
