#pragma once

// What the room's tests share: a data directory of their own, with the parts that Images takes.

#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <stdlib.h>

#include "base/digest.h"
#include "images/images.h"
#include "images/tar_writer.h"
#include "images/types.h"
#include "images/unpack.h"
#include "store/database.h"
#include "store/files.h"
#include "store/resources.h"

namespace slipway::images {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "images-test-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~TemporaryDirectory() { remove_tree(path_); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

inline std::string digest_of(const std::string& bytes) {
  return "sha256:" + base::sha256_hex(bytes);
}

// The bytes of a tar file with these entries and contents.
inline std::string tar_of(const std::vector<std::pair<TarEntry, std::string>>& entries) {
  std::string bytes;
  TarWriter tar([&](std::string_view piece) { bytes += piece; });
  for (auto [entry, contents] : entries) {
    entry.size = contents.size();
    tar.begin(entry);
    if (!contents.empty()) tar.data(contents);
  }
  tar.finish();
  return bytes;
}

inline std::pair<TarEntry, std::string> tar_file(const std::string& path,
                                                 const std::string& contents = "") {
  TarEntry entry;
  entry.path = path;
  return {entry, contents};
}

inline std::pair<TarEntry, std::string> tar_directory(const std::string& path) {
  TarEntry entry;
  entry.type = TarType::kDirectory;
  entry.path = path + "/";
  entry.mode = 0755;
  return {entry, ""};
}

inline std::pair<TarEntry, std::string> tar_link(const std::string& path, const std::string& target,
                                                 TarType type = TarType::kSymbolicLink) {
  TarEntry entry;
  entry.type = type;
  entry.path = path;
  entry.link = target;
  return {entry, ""};
}

// The room over a database in memory.
struct TestRoom {
  TestRoom() : clock(now()), database(store::Database::in_memory_for_test()) {
    store::migrate_resources(*database);
    spool = std::make_unique<store::Spool>(directory.path() / "spool");
    open();
  }

  // As after a restart of the process.
  void open() {
    images.reset();
    ImagesOptions options;
    options.directory = directory.path();
    images = std::make_unique<Images>(*database, clock, store::system_disk(), *spool, options);
  }

  // Files carry the machine's time, so the clock starts there.
  static base::Millis now() { return base::SystemClock().now(); }

  TemporaryDirectory directory;
  base::FakeClock clock;
  std::unique_ptr<store::Database> database;
  std::unique_ptr<store::Spool> spool;
  std::unique_ptr<Images> images;
};

}  // namespace slipway::images
