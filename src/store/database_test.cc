#include "store/database.h"

#include <atomic>
#include <future>
#include <stdexcept>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/ids.h"

namespace slipway::store {
namespace {

namespace fs = std::filesystem;

class DatabaseTest : public testing::Test {
 protected:
  void SetUp() override {
    database_ = Database::in_memory_for_test();
    database_->migrate({"create table if not exists items (name text primary key, amount bigint)"});
  }

  void insert(const std::string& name) {
    database_->write([&](Transaction& transaction) {
      transaction.execute("insert into items (name, amount) values (?, 1)", {name});
    });
  }
  std::int64_t count() {
    return database_->read([](Reader& reader) {
      std::int64_t found = 0;
      reader.query("select count(*) from items", {},
                   [&](const Row& row) { found = row.integer(0); });
      return found;
    });
  }
  // Holds the writer's thread until the returned promise is set, so that what comes
  // meanwhile lands in one commit.
  struct Blocker {
    std::promise<void> holding;
    std::promise<void> may_go;
    std::thread thread;
    ~Blocker() {
      if (thread.joinable()) thread.join();
    }
  };
  void block(Blocker& blocker) {
    blocker.thread = std::thread([&] {
      database_->write([&](Transaction&) {
        blocker.holding.set_value();
        blocker.may_go.get_future().wait();
      });
    });
    blocker.holding.get_future().wait();
  }

  std::unique_ptr<Database> database_;
};

TEST_F(DatabaseTest, KeepsValuesOfEveryType) {
  database_->migrate({"create table every (a bigint, b double precision, c text, d blob, e text)"});
  const std::string bytes("\x00\xff\x01", 3);
  database_->write([&](Transaction& transaction) {
    transaction.execute("insert into every values (?, ?, ?, ?, ?)",
                        {std::int64_t{1} << 40, 1.5, "tëxt", Blob{bytes}, nullptr});
  });

  database_->read([&](Reader& reader) {
    reader.query("select a, b, c, d, e from every", {}, [&](const Row& row) {
      EXPECT_EQ(row.integer(0), std::int64_t{1} << 40);
      EXPECT_DOUBLE_EQ(row.number(1), 1.5);
      EXPECT_EQ(row.text(2), "tëxt");
      EXPECT_EQ(row.text(3), bytes);
      EXPECT_TRUE(row.is_null(4));
      EXPECT_FALSE(row.is_null(2));
    });
  });
}

TEST_F(DatabaseTest, WriteGivesItsResultAndReadSeesIt) {
  const std::int64_t changed = database_->write([](Transaction& transaction) {
    return transaction.execute("insert into items (name, amount) values (?, ?)",
                               {"a", std::int64_t{3}});
  });

  EXPECT_EQ(changed, 1);
  EXPECT_EQ(count(), 1);
}

TEST_F(DatabaseTest, ThrowsWhatTheWorkThrewAndChangesNothing) {
  const auto failing = [](Transaction& transaction) {
    transaction.execute("insert into items (name, amount) values ('a', 1)");
    throw Error("ValidationException", "no");
  };

  EXPECT_THROW(database_->write(failing), Error);
  EXPECT_EQ(count(), 0);
}

TEST_F(DatabaseTest, ReportsASqlErrorWithTheStatement) {
  try {
    database_->read([](Reader& reader) { reader.query("select * from nowhere", {}, {}); });
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "InternalError");
    EXPECT_THAT(error.message(), testing::HasSubstr("no such table: nowhere"));
    EXPECT_THAT(error.message(), testing::HasSubstr("select * from nowhere"));
  }
}

TEST_F(DatabaseTest, ARowFunctionMayRunTheSameStatement) {
  insert("a");
  insert("b");
  int inner = 0;

  database_->write([&](Transaction& transaction) {
    transaction.query("select name from items", {}, [&](const Row&) {
      transaction.query("select name from items", {}, [&](const Row&) { ++inner; });
    });
  });

  EXPECT_EQ(inner, 4);
}

TEST_F(DatabaseTest, EveryWriteOfManyThreadsIsThere) {
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&, i] {
      for (int j = 0; j < 50; ++j) insert(std::to_string(i) + "-" + std::to_string(j));
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(count(), 16 * 50);
}

TEST_F(DatabaseTest, OneCallerThatThrowsDoesNotSpoilTheOthersOfItsCommit) {
  std::vector<std::thread> threads;
  std::atomic<int> refused = 0;
  {
    Blocker blocker;
    block(blocker);
    for (int i = 0; i < 20; ++i) {
      threads.emplace_back([&, i] {
        try {
          database_->write([&](Transaction& transaction) {
            transaction.execute("insert into items (name, amount) values (?, 1)",
                                {std::to_string(i)});
            if (i % 2 == 0) throw std::runtime_error("expected by the test");
          });
        } catch (const std::runtime_error&) {
          ++refused;
        }
      });
    }
    blocker.may_go.set_value();
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(refused, 10);
  EXPECT_EQ(count(), 10);
}

TEST_F(DatabaseTest, AfterCommitRunsOnceTheWorkIsVisible) {
  std::int64_t seen = -1;

  database_->write([&](Transaction& transaction) {
    transaction.execute("insert into items (name, amount) values ('a', 1)");
    transaction.after_commit([&] { seen = count(); });
  });

  EXPECT_EQ(seen, 1);
}

TEST_F(DatabaseTest, AfterCommitDoesNotRunForWorkThatFailed) {
  bool ran = false;

  EXPECT_THROW(database_->write([&](Transaction& transaction) {
    transaction.after_commit([&] { ran = true; });
    throw std::runtime_error("expected by the test");
  }),
               std::runtime_error);
  insert("a");  // one more commit

  EXPECT_FALSE(ran);
}

TEST_F(DatabaseTest, AReadKeepsItsSnapshotWhileOthersWrite) {
  insert("a");

  database_->read([&](Reader& reader) {
    std::vector<std::int64_t> counts;
    const auto look = [&] {
      reader.query("select count(*) from items", {},
                   [&](const Row& row) { counts.push_back(row.integer(0)); });
    };
    look();
    std::thread([&] { insert("b"); }).join();
    look();
    EXPECT_THAT(counts, testing::ElementsAre(1, 1));
  });
  EXPECT_EQ(count(), 2);
}

TEST_F(DatabaseTest, ReadsCannotWrite) {
  EXPECT_THROW(database_->read([](Reader& reader) { reader.query("delete from items", {}, {}); }),
               Error);
}

TEST_F(DatabaseTest, RefusesAWriteInsideAWrite) {
  EXPECT_THROW(database_->write([&](Transaction&) { insert("a"); }), Error);
}

TEST_F(DatabaseTest, TellsTheListenerOfAnnouncedEventsOnly) {
  int told = 0;
  database_->listen_for_events([&] { ++told; });

  insert("a");
  database_->write([](Transaction& transaction) { transaction.announce_events(); });
  database_->listen_for_events({});
  database_->write([](Transaction& transaction) { transaction.announce_events(); });

  EXPECT_EQ(told, 1);
}

class DatabaseFile : public testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("database-" + base::random_hex(16));
  }
  void TearDown() override { fs::remove_all(directory_); }

  fs::path directory_;
};

TEST_F(DatabaseFile, KeepsItsRowsWhenItIsOpenedAgain) {
  const fs::path path = directory_ / "deep" / "slipway.db";
  {
    const auto database = Database::open(path);
    database->migrate({"create table items (name text)", "insert into items values ('a')"});
  }

  const auto database = Database::open(path);

  std::string name;
  database->read([&](Reader& reader) {
    reader.query("select name from items", {}, [&](const Row& row) { name = row.text(0); });
  });
  EXPECT_EQ(name, "a");
}

TEST_F(DatabaseFile, IsReadableByItsOwnerAlone) {
  const auto database = Database::open(directory_ / "slipway.db");
  database->migrate({"create table items (name text)"});

  for (const auto& entry : fs::directory_iterator(directory_)) {
    const auto others = fs::perms::group_all | fs::perms::others_all;
    EXPECT_EQ(entry.status().permissions() & others, fs::perms::none) << entry.path();
  }
}

TEST_F(DatabaseFile, AMigrationThatFailsLeavesNothing) {
  const auto database = Database::open(directory_ / "slipway.db");

  EXPECT_THROW(database->migrate({"create table items (name text)", "nonsense"}), Error);
  EXPECT_NO_THROW(database->migrate({"create table items (name text)"}));
}

TEST_F(DatabaseFile, RefusesASecondUserAndSaysWhatToDo) {
  const auto first = Database::open(directory_ / "slipway.db");

  try {
    Database::open(directory_ / "slipway.db");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.message(), "The data directory " + directory_.string() +
                                   " is in use by another Slipway (process " +
                                   std::to_string(::getpid()) +
                                   "): stop that one, or choose another directory.");
  }
}

TEST_F(DatabaseFile, NamesThePathThatCannotBeOpened) {
  fs::create_directories(directory_ / "slipway.db");  // a directory where the file should be

  try {
    Database::open(directory_ / "slipway.db");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_THAT(error.message(), testing::HasSubstr((directory_ / "slipway.db").string()));
  }
}

}  // namespace
}  // namespace slipway::store
