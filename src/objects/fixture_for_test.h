#pragma once

// What the tests of the room share: a data directory of their own, and a disk that stops.

#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "base/error.h"
#include "base/ids.h"
#include "objects/objects.h"
#include "objects/service.h"

namespace slipway::objects {

// Fails at the step of a number and at every later one, as a process that died takes no
// further step. drop_unsynced() then undoes what a power cut would.
class FaultyDisk final : public store::Disk {
 public:
  void stop_at(int step) { left_ = step; }
  bool stopped() const { return left_ == 0; }

  base::FileDescriptor create(const std::filesystem::path& path) override {
    take_step();
    return store::system_disk().create(path);
  }
  void write(int descriptor, std::string_view bytes) override {
    take_step();
    store::system_disk().write(descriptor, bytes);
  }
  void sync(int descriptor) override {
    take_step();
    store::system_disk().sync(descriptor);
    synced_.insert(std::filesystem::read_symlink("/proc/self/fd/" + std::to_string(descriptor)));
  }
  void rename(const std::filesystem::path& from, const std::filesystem::path& to) override {
    take_step();
    store::system_disk().rename(from, to);
    if (synced_.erase(from) == 0) torn_.push_back(to);
    renamed_.insert(to);
  }
  void sync_directory(const std::filesystem::path& directory) override {
    take_step();
    store::system_disk().sync_directory(directory);
    std::erase_if(renamed_, [&](const auto& path) { return path.parent_path() == directory; });
  }
  void remove(const std::filesystem::path& path) override {
    take_step();
    store::system_disk().remove(path);
  }

  // Renames into unsynced directories never happened; unsynced contents are gone.
  void drop_unsynced() {
    for (const auto& path : torn_) {
      if (std::filesystem::exists(path)) std::filesystem::resize_file(path, 0);
    }
    for (const auto& path : renamed_) std::filesystem::remove(path);
  }

 private:
  void take_step() {
    if (left_ == 0) throw Error("DiskStopped", "the disk has stopped", 500);
    if (left_ > 0) --left_;
  }

  int left_ = -1;  // steps until the stop; -1: never
  std::set<std::filesystem::path> synced_;
  std::set<std::filesystem::path> renamed_;
  std::vector<std::filesystem::path> torn_;
};

inline std::filesystem::path make_temporary_directory() {
  auto path = std::filesystem::temp_directory_path() / ("objects-test-" + base::random_hex(16));
  std::filesystem::create_directories(path);
  return path;
}

// A data directory with its database; Objects on it can be opened again and again.
class DataDirectory {
 public:
  DataDirectory()
      : root(make_temporary_directory()),
        database(store::Database::open(root / "slipway.db")),
        spool(root / "spool") {}
  ~DataDirectory() { std::filesystem::remove_all(root); }
  DataDirectory(const DataDirectory&) = delete;
  DataDirectory& operator=(const DataDirectory&) = delete;

  std::unique_ptr<Objects> open(store::Disk& disk) {
    auto objects =
        std::make_unique<Objects>(*database, clock, disk, spool, ObjectsOptions{root / "objects"});
    objects->state().finish_scrub_for_test();
    return objects;
  }
  std::unique_ptr<Objects> open() { return open(store::system_disk()); }

  std::size_t files() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(root / "objects")) {
      if (entry.is_regular_file()) ++count;
    }
    return count;
  }

  const std::filesystem::path root;
  base::FakeClock clock;
  std::unique_ptr<store::Database> database;
  store::Spool spool;
};

inline constexpr char kAccount[] = "123456789012";

inline std::string code_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& error) {
    return error.code();
  }
  return "";
}

}  // namespace slipway::objects
