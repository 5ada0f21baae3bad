#include "functions/code.h"

#include <fstream>

#include <sys/stat.h>

#include "base/error.h"
#include "functions/test_room.h"
#include "functions/types.h"

namespace slipway::functions {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Code : public testing::Test {
 protected:
  Code() { fs::create_directories(root_ / "out"); }
  ~Code() override { fs::remove_all(root_); }

  fs::path file_of(const std::string& bytes) const {
    const fs::path path = root_ / base::random_hex(8);
    std::ofstream(path, std::ios::binary) << bytes;
    return path;
  }
  std::string refusal(const std::string& zip) const {
    try {
      unpack_zip(file_of(zip), root_ / "out");
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "InvalidParameterValueException");
      return error.what();
    }
  }

  const fs::path root_ = fs::path(testing::TempDir()) / ("code-" + base::random_hex(12));
};

TEST_F(Code, UnpacksFilesReadableByAnybody) {
  EXPECT_EQ(refusal(zip_of({{"app.py", "a"}, {"pkg/deep/b.py", "b"}, {"bootstrap", "c"}})), "");

  EXPECT_EQ(store::read_file(root_ / "out/pkg/deep/b.py"), "b");
  struct stat status {};
  ASSERT_EQ(::stat((root_ / "out/app.py").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0644u);
  ASSERT_EQ(::stat((root_ / "out/bootstrap").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0111, 0111u);
}

TEST_F(Code, RefusesPathsThatLeaveTheDirectory) {
  EXPECT_THAT(refusal(zip_of({{"../evil.py", "a"}})), HasSubstr("outside"));
  EXPECT_THAT(refusal(zip_of({{"a/../../evil.py", "a"}})), HasSubstr("outside"));
  EXPECT_THAT(refusal(zip_of({{"/etc/evil.py", "a"}})), HasSubstr("absolute"));
  EXPECT_THAT(refusal(zip_of({{"..\\evil.py", "a"}})), HasSubstr("outside"));
  EXPECT_FALSE(fs::exists(root_ / "evil.py"));
}

TEST_F(Code, RefusesLinks) {
  EXPECT_THAT(refusal(zip_of({{"a", "", 0777, AE_IFLNK, "/etc/passwd"}})), HasSubstr("links"));
}

TEST_F(Code, RefusesWhatIsNoArchive) {
  EXPECT_THAT(refusal("this is no zip"), HasSubstr("Could not unzip"));
  EXPECT_NE(refusal(zip_of({})), "");
}

TEST_F(Code, RefusesWhatUnpacksTooLarge) {
  const std::string zeros(4u << 20, '\0');
  std::vector<ZipEntry> entries;
  for (int i = 0; i < 63; ++i) entries.push_back({"f" + std::to_string(i), zeros});
  EXPECT_THAT(refusal(zip_of(entries)), HasSubstr("Unzipped size must be smaller"));
}

TEST_F(Code, KeepsAnArchiveByItsDigest) {
  const std::string zip = zip_of({{"app.py", "a"}});
  CodeStore code(store::system_disk(), root_ / "code");

  const Archive archive = code.add(file_of(zip));

  EXPECT_EQ(archive.sha256, base::sha256_hex(zip));
  EXPECT_EQ(archive.size, zip.size());
  EXPECT_EQ(code.add(file_of(zip)).sha256, archive.sha256);
  EXPECT_EQ(store::read_file(code.unpacked(archive.sha256) / "app.py"), "a");
}

TEST_F(Code, UnpacksAgainWhatWasLost) {
  CodeStore code(store::system_disk(), root_ / "code");
  const Archive archive = code.add(file_of(zip_of({{"app.py", "a"}})));
  fs::remove_all(code.unpacked(archive.sha256));

  EXPECT_EQ(store::read_file(code.unpacked(archive.sha256) / "app.py"), "a");
}

TEST_F(Code, TrustsNothingUnpackedBeforeTheMachineStarted) {
  std::string digest;
  {
    CodeStore code(store::system_disk(), root_ / "code");
    digest = code.add(file_of(zip_of({{"app.py", "a"}}))).sha256;
    std::ofstream(code.unpacked(digest) / "app.py") << "torn";
  }
  std::ofstream(root_ / "code/boot") << "another boot";

  CodeStore code(store::system_disk(), root_ / "code");

  EXPECT_EQ(store::read_file(code.unpacked(digest) / "app.py"), "a");
}

TEST_F(Code, LeavesNothingOfARefusedArchive) {
  CodeStore code(store::system_disk(), root_ / "code");

  EXPECT_THROW(code.add(file_of(zip_of({{"a.py", "a"}, {"../b.py", "b"}}))), Error);

  const auto left = std::distance(fs::directory_iterator(root_ / "code"), {});
  EXPECT_EQ(left, 1) << "only the file named boot";
}

TEST_F(Code, RemovesArchivesThatNobodyNames) {
  CodeStore code(store::system_disk(), root_ / "code");
  const std::string kept = code.add(file_of(zip_of({{"a.py", "a"}}))).sha256;
  const std::string gone = code.add(file_of(zip_of({{"b.py", "b"}}))).sha256;

  code.keep_only({kept});

  EXPECT_TRUE(fs::exists(code.archive(kept)));
  EXPECT_FALSE(fs::exists(code.archive(gone)));
  EXPECT_THROW(code.unpacked(gone), Error);
}

}  // namespace
}  // namespace slipway::functions
