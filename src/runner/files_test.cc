// Patterns, archives and the trace's reading, on real files.

#include "store/files.h"

#include <fstream>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/subprocess.h"
#include "containers/directory.h"
#include "runner/archive.h"
#include "runner/glob.h"
#include "runner/store.h"
#include "runner/trace.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class FilesTest : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/runner-files-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    fs::create_directories(directory_ / "root");
  }
  void TearDown() override { containers::remove_tree(directory_); }

  fs::path root() const { return directory_ / "root"; }
  void put(const std::string& path, const std::string& text = "x") {
    fs::create_directories((root() / path).parent_path());
    std::ofstream(root() / path) << text;
  }

  // A zip with one entry as hostile as can be; `target` makes it a link.
  fs::path zip_of(const std::string& name, const std::string& target = "") {
    const fs::path path = directory_ / "hostile.zip";
    archive* writer = archive_write_new();
    archive_write_set_format_zip(writer);
    archive_write_open_filename(writer, path.c_str());
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_perm(entry, 0644);
    if (target.empty()) {
      archive_entry_set_filetype(entry, AE_IFREG);
      archive_entry_set_size(entry, 4);
    } else {
      archive_entry_set_filetype(entry, AE_IFLNK);
      archive_entry_set_symlink(entry, target.c_str());
    }
    archive_write_header(writer, entry);
    if (target.empty()) archive_write_data(writer, "evil", 4);
    archive_entry_free(entry);
    archive_write_close(writer);
    archive_write_free(writer);
    return path;
  }

  fs::path directory_;
};

TEST(MatchesPath, IsDoublestar) {
  struct Case {
    const char* pattern;
    const char* path;
    bool matches;
  };
  const Case cases[] = {
      {"a", "a", true},
      {"a", "b", false},
      {"*", "a", true},
      {"*", "a/b", false},
      {"**", "a/b", true},
      {"**/*.txt", "x.txt", true},
      {"**/*.txt", "a/b/x.txt", true},
      {"**/*.txt", "a/b/x.txt.gz", false},
      {"a/**", "a/b/c", true},
      {"a/**", "b/a/c", false},
      {"a/**/z", "a/z", true},
      {"a/**/z", "a/b/c/z", true},
      {"a?c", "abc", true},
      {"a?c", "a/c", false},
      {"[a-c]x", "bx", true},
      {"[!a-c]x", "bx", false},
      {"[^a]x", "bx", true},
      {"*.{js,css}", "a.css", true},
      {"*.{js,css}", "a.html", false},
      {"{a,b/{c,d}}/*", "b/d/f", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"*a*b*c*", "xxaxxbxxcxx", true},
      {"*a*b*c*", "xxaxxcxxbxx", false},
      {"[", "[", true},
      {"*.env", ".env", true},
  };
  for (const Case& one : cases) {
    EXPECT_EQ(matches_path(one.pattern, one.path), one.matches) << one.pattern << " " << one.path;
  }
}

TEST(NormalPattern, StaysInTheProject) {
  const std::pair<const char*, const char*> cases[] = {{"a", "a"},
                                                       {"./a/", "a"},
                                                       {"a//b", "a/b"},
                                                       {".", "."},
                                                       {"./", "."},
                                                       {"../x", ""},
                                                       {"a/../../x", ""},
                                                       {"a/../x", "x"},
                                                       {"/builds/g/p/x", "x"},
                                                       {"/builds/g/p", "."},
                                                       {"/etc/passwd", ""},
                                                       {"/builds/g/pq", ""},
                                                       {"", ""},
                                                       {" a ", "a"}};
  for (const auto& [given, expected] : cases) {
    EXPECT_EQ(normal_pattern(given, "/builds/g/p"), expected) << given;
  }
}

TEST_F(FilesTest, FindsPathsAndNeverFollowsLinks) {
  put("a/one.txt");
  put("a/b/two.txt");
  put("a/b/two.log");
  put("c/three.txt");
  put(".git/HEAD");
  fs::create_symlink("/etc", root() / "c/etc");
  fs::create_symlink("../a", root() / "c/a");
  EXPECT_THAT(find_paths(root(), "a"),
              ElementsAre("a", "a/b", "a/b/two.log", "a/b/two.txt", "a/one.txt"));
  EXPECT_THAT(find_paths(root(), "**/*.txt"),
              ElementsAre("a/b/two.txt", "a/one.txt", "c/three.txt"));
  EXPECT_THAT(find_paths(root(), "a/*.txt"), ElementsAre("a/one.txt"));
  EXPECT_THAT(find_paths(root(), "c"), ElementsAre("c", "c/a", "c/etc", "c/three.txt"));
  EXPECT_THAT(find_paths(root(), "c/etc/passwd"), IsEmpty());
  EXPECT_THAT(find_paths(root(), "c/*/passwd"), IsEmpty());
  EXPECT_THAT(find_paths(root(), "{a/one,c/three}.txt"), ElementsAre("a/one.txt", "c/three.txt"));
  EXPECT_THAT(find_paths(root(), "missing/**"), IsEmpty());
  EXPECT_THAT(find_paths(root(), "a/**/*"),
              ElementsAre("a/b", "a/b/two.log", "a/b/two.txt", "a/one.txt"));
  EXPECT_THAT(all_files(root()), ElementsAre("a/b/two.log", "a/b/two.txt", "a/one.txt", "c/a",
                                             "c/etc", "c/three.txt"));
}

TEST_F(FilesTest, ZipsAndUnzips) {
  put("run.sh", "#!/bin/sh\n");
  ::chmod((root() / "run.sh").c_str(), 0755);
  put("d/e/data", std::string(3'000'000, 'z'));
  put("d/empty", "");
  fs::create_directories(root() / "hollow");
  fs::create_symlink("e/data", root() / "d/link");
  ::mkfifo((root() / "pipe").c_str(), 0600);
  const fs::path zip = directory_ / "a.zip";
  write_zip(root(), find_paths(root(), "."), zip, 1u << 20);
  EXPECT_LT(fs::file_size(zip), 100'000u);

  const fs::path out = directory_ / "out";
  fs::create_directories(out / "d");
  std::ofstream(out / "d/empty") << "old";
  EXPECT_EQ(extract_zip(zip, out, 10u << 20), 4u);
  EXPECT_EQ(fs::file_size(out / "d/e/data"), 3'000'000u);
  EXPECT_EQ(fs::file_size(out / "d/empty"), 0u);
  EXPECT_EQ(fs::read_symlink(out / "d/link"), "e/data");
  EXPECT_TRUE(fs::is_directory(out / "hollow"));
  EXPECT_FALSE(fs::exists(out / "pipe"));
  EXPECT_NE(fs::status(out / "run.sh").permissions() & fs::perms::owner_exec, fs::perms::none);
  // Another tool reads it, too.
  const auto listed = base::run({.arguments = {"python3", "-m", "zipfile", "-t", zip.string()}});
  EXPECT_TRUE(listed.ok()) << listed.error;

  EXPECT_THROW(extract_zip(zip, out, 1u << 20), Error);
  EXPECT_THROW(write_zip(root(), {"d/e/data"}, directory_ / "b.zip", 100), Error);
  EXPECT_FALSE(fs::exists(directory_ / "b.zip"));
}

TEST_F(FilesTest, GzipsEachFileAsAMember) {
  put("one.env", "A=1\n");
  put("two.env", "B=2\n");
  const fs::path file = directory_ / "r.gz";
  write_gzip(root(), {"one.env", "two.env"}, file, 1u << 20);
  const auto result = base::run({.arguments = {"gzip", "-dc", file.string()}});
  EXPECT_TRUE(result.ok()) << result.error;
  EXPECT_EQ(result.output, "A=1\nB=2\n");
}

TEST_F(FilesTest, RefusesArchivesThatLeave) {
  const fs::path outside = directory_ / "outside";
  fs::create_directories(outside);
  fs::create_directories(root() / "in");
  fs::create_symlink(outside, root() / "away");
  fs::create_symlink("in", root() / "inner");
  EXPECT_THROW(extract_zip(zip_of("../outside/x"), root(), 1000), Error);
  EXPECT_THROW(extract_zip(zip_of("a/../../outside/x"), root(), 1000), Error);
  EXPECT_THROW(extract_zip(zip_of((outside / "x").string()), root(), 1000), Error);
  EXPECT_THROW(extract_zip(zip_of("away/x"), root(), 1000), Error);
  EXPECT_THROW(extract_zip(zip_of("link", "../outside"), root(), 1000), Error);
  EXPECT_THROW(extract_zip(zip_of("link", "/etc"), root(), 1000), Error);
  EXPECT_TRUE(fs::is_empty(outside));
  EXPECT_EQ(extract_zip(zip_of("link", "../outside"), root(), 1000, Links::kAny), 1u);
  EXPECT_THROW(extract_zip(zip_of("link/x"), root(), 1000, Links::kAny), Error);
  EXPECT_TRUE(fs::is_empty(outside));
  // The project's own links are followed where they stay inside, and replaced where they are meant.
  EXPECT_EQ(extract_zip(zip_of("inner/x"), root(), 1000), 1u);
  EXPECT_TRUE(fs::exists(root() / "in/x"));
  EXPECT_EQ(extract_zip(zip_of("away"), root(), 1000), 1u);
  EXPECT_TRUE(fs::is_regular_file(fs::symlink_status(root() / "away")));
  EXPECT_TRUE(fs::is_empty(outside));
  std::ofstream(directory_ / "no.zip") << "hello";
  EXPECT_THROW(extract_zip(directory_ / "no.zip", root(), 1000), Error);
}

TEST(LinkStaysInside, CountsSteps) {
  EXPECT_TRUE(link_stays_inside("a/b/c", "../../d"));
  EXPECT_FALSE(link_stays_inside("a/b/c", "../../../d"));
  EXPECT_TRUE(link_stays_inside("a", "b"));
  EXPECT_FALSE(link_stays_inside("a", ".."));
  EXPECT_FALSE(link_stays_inside("a", "/b"));
  EXPECT_FALSE(link_stays_inside("a", ""));
  EXPECT_FALSE(link_stays_inside("a/b", "../x/../../y"));
}

TEST(ParseLog, TakesWholeLines) {
  const std::string log = "1700000000000 O one\n1700000000001 E  two\ntorn\n1700000000002 O thr";
  const LogPiece growing = parse_log(log, false);
  EXPECT_EQ(growing.text, "one\n two\ntorn\n");
  EXPECT_EQ(growing.consumed, log.size() - 19);
  const LogPiece ended = parse_log(log, true);
  EXPECT_EQ(ended.text, "one\n two\ntorn\nthr\n");
  EXPECT_EQ(ended.consumed, log.size());
  EXPECT_EQ(parse_log("1700000000000 O \n", false).text, "\n");
  EXPECT_EQ(parse_log("", true).consumed, 0u);
}

TEST_F(FilesTest, LogTailGivesEachByteOnce) {
  const fs::path path = directory_ / "log";
  LogTail tail(path, 0);
  EXPECT_EQ(tail.read(false).consumed, 0u);
  std::ofstream file(path);
  file << "1700000000000 O a\n" << std::flush;
  EXPECT_EQ(tail.read(false).text, "a\n");
  EXPECT_EQ(tail.read(false).consumed, 0u);
  file << "1700000000000 O b\n1700" << std::flush;
  EXPECT_EQ(tail.read(false).text, "b\n");
  file << "000000000 O cd\n" << std::flush;
  EXPECT_EQ(tail.read(false).text, "cd\n");
  const std::string all = "a\nb\ncd\n";
  for (std::size_t skip = 0; skip <= all.size() + 1; ++skip) {
    LogTail again(path, skip);
    EXPECT_EQ(again.read(true).text, all.substr(std::min(skip, all.size()))) << skip;
  }
}

TEST_F(FilesTest, LogWatchWakesOnGrowthAndOnRing) {
  const fs::path path = directory_ / "log";
  std::ofstream file(path);
  Wake wake;
  LogWatch watch(path, wake);
  const auto begin = std::chrono::steady_clock::now();
  file << "x" << std::flush;
  watch.wait(std::chrono::seconds(20));
  wake.ring();
  watch.wait(std::chrono::seconds(20));
  wake.ring();
  watch.rest(std::chrono::seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
}

TEST(JobStore, KeepsRowsAndTheRunner) {
  const auto database = store::Database::in_memory_for_test();
  JobStore store(*database);
  EXPECT_FALSE(store.runner());
  store.set_runner(4);
  store.set_runner(5);
  EXPECT_EQ(store.runner(), 5);
  JobRow row;
  row.job = 9;
  row.project = 2;
  row.slot = 1;
  store.put(row);
  row.phase = Phase::kUploading;
  row.trace_at = 77;
  row.outcome = {Ending::kScriptFailure, 3, "why"};
  store.put(row);
  const auto rows = store.jobs();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].phase, Phase::kUploading);
  EXPECT_EQ(rows[0].slot, 1);
  EXPECT_EQ(rows[0].trace_at, 77u);
  EXPECT_EQ(rows[0].outcome.ending, Ending::kScriptFailure);
  EXPECT_EQ(rows[0].outcome.exit_code, 3);
  EXPECT_EQ(rows[0].outcome.message, "why");
  store.remove(9);
  EXPECT_TRUE(store.jobs().empty());
}

}  // namespace
}  // namespace slipway::runner
