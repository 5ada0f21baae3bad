#include "objects/objects.h"

#include <fstream>

#include "objects/fixture_for_test.h"

namespace slipway::objects {
namespace {

const std::string kLarge(100'000, 'L');

std::string text_of(const std::filesystem::path& path) { return store::read_file(path); }

TEST(S3Uri, HasABucketAndPerhapsAKey) {
  EXPECT_EQ(parse_s3_uri("s3://b/a/c")->bucket, "b");
  EXPECT_EQ(parse_s3_uri("s3://b/a/c")->key, "a/c");
  EXPECT_EQ(parse_s3_uri("s3://b")->key, "");
  EXPECT_EQ(parse_s3_uri("s3://b/")->key, "");
  EXPECT_FALSE(parse_s3_uri("s3:///a"));
  EXPECT_FALSE(parse_s3_uri("https://b/a"));
}

class ObjectsTest : public testing::Test {
 protected:
  ObjectsTest() : objects(data.open()) { objects->ensure_bucket(kAccount, "bucket"); }

  DataDirectory data;
  std::unique_ptr<Objects> objects;
};

TEST_F(ObjectsTest, GivesBackWhatWasPut) {
  for (const std::string& bytes : {std::string(), std::string("small"), std::string(4096, 'i'),
                                   std::string(4097, 'f'), kLarge}) {
    ObjectInfo put = objects->put(kAccount, "bucket", "k", bytes, "text/plain");

    EXPECT_EQ(objects->read(kAccount, "bucket", "k"), bytes);
    auto found = objects->find(kAccount, "bucket", "k");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->size, bytes.size());
    EXPECT_EQ(found->etag, put.etag);
    EXPECT_EQ(found->content_type, "text/plain");
  }
}

TEST_F(ObjectsTest, KeepsSmallBytesInTheDatabaseAndOneFileForLargeOnes) {
  objects->put(kAccount, "bucket", "small", std::string(4096, 's'));
  EXPECT_EQ(data.files(), 0u);

  objects->put(kAccount, "bucket", "large", kLarge);
  objects->put(kAccount, "bucket", "large", kLarge + "again");
  EXPECT_EQ(data.files(), 1u);

  objects->put(kAccount, "bucket", "large", "small");
  EXPECT_EQ(data.files(), 0u);
}

TEST_F(ObjectsTest, KeysAreNeverPaths) {
  for (const char* key : {"../../escape", "/etc/passwd", "a//b", ".", "..", "a b", "ü/ß"}) {
    objects->put(kAccount, "bucket", key, kLarge);
    EXPECT_EQ(objects->read(kAccount, "bucket", key), kLarge) << key;
  }
  EXPECT_EQ(data.files(), 7u);
  EXPECT_FALSE(std::filesystem::exists(data.root.parent_path() / "escape"));
}

TEST_F(ObjectsTest, SaysWhatIsMissing) {
  EXPECT_EQ(code_of([&] { objects->read(kAccount, "bucket", "none"); }), "NoSuchKey");
  EXPECT_EQ(code_of([&] { objects->read(kAccount, "other", "k"); }), "NoSuchBucket");
  EXPECT_EQ(code_of([&] { objects->read("999999999999", "bucket", "k"); }), "AccessDenied");
  EXPECT_EQ(code_of([&] { objects->put(kAccount, "other", "k", ""); }), "NoSuchBucket");
  EXPECT_EQ(code_of([&] { objects->ensure_bucket("999999999999", "bucket"); }), "AccessDenied");
  EXPECT_FALSE(objects->find(kAccount, "bucket", "none"));
  EXPECT_TRUE(objects->has_bucket(kAccount, "bucket"));
  EXPECT_FALSE(objects->has_bucket("999999999999", "bucket"));
}

TEST_F(ObjectsTest, VisitsEveryKeyOfAPrefixInOrder) {
  data.database->write([](store::Transaction& transaction) {
    for (int i = 0; i < 2500; ++i) {
      Version version;
      version.bucket = "bucket";
      version.key = "p/" + std::to_string(100'000 + i);
      put_version(transaction, {"bucket", kAccount, 0, "us-east-1", Versioning::kOff}, version);
    }
  });
  objects->put(kAccount, "bucket", "q", "");
  std::vector<std::string> keys;

  objects->for_each(kAccount, "bucket", "p/",
                    [&](const ObjectInfo& info) { keys.push_back(info.key); });

  EXPECT_EQ(keys.size(), 2500u);
  EXPECT_TRUE(std::is_sorted(keys.begin(), keys.end()));
}

TEST_F(ObjectsTest, ADownloadIsTheCallersOwn) {
  for (const std::string& bytes : {std::string("small"), kLarge}) {
    objects->put(kAccount, "bucket", "k", bytes);
    objects->download(kAccount, "bucket", "k", data.root / "copy");
    EXPECT_EQ(text_of(data.root / "copy"), bytes);

    std::ofstream(data.root / "copy", std::ios::in | std::ios::out) << "changed";

    EXPECT_EQ(objects->read(kAccount, "bucket", "k"), bytes);
  }
}

TEST_F(ObjectsTest, TakesAFileOver) {
  std::ofstream(data.root / "model") << kLarge;

  objects->put_file(kAccount, "bucket", "k", data.root / "model");

  EXPECT_EQ(objects->read(kAccount, "bucket", "k"), kLarge);
  EXPECT_FALSE(std::filesystem::exists(data.root / "model"));
}

TEST_F(ObjectsTest, CopiesAFileThatHasAnotherName) {
  std::ofstream(data.root / "model") << kLarge;
  std::filesystem::create_hard_link(data.root / "model", data.root / "other");

  objects->put_file(kAccount, "bucket", "k", data.root / "model");
  std::ofstream(data.root / "other", std::ios::in | std::ios::out) << "changed";

  EXPECT_EQ(objects->read(kAccount, "bucket", "k"), kLarge);
}

TEST_F(ObjectsTest, LeavesTheFileWhereItCannotBeStored) {
  std::ofstream(data.root / "model") << kLarge;

  EXPECT_EQ(code_of([&] { objects->put_file(kAccount, "other", "k", data.root / "model"); }),
            "NoSuchBucket");
  EXPECT_EQ(text_of(data.root / "model"), kLarge);
}

TEST_F(ObjectsTest, AnOpenObjectOutlivesItsOverwrite) {
  objects->put(kAccount, "bucket", "k", kLarge);
  OpenedObject opened = open_object(objects->state(), {kAccount, ""}, "bucket", "k");
  objects->put(kAccount, "bucket", "k", "new");

  auto body = opened.bytes.slice(10, kLarge.size() - 10);

  auto& slice = std::get<net::FileSlice>(body);
  EXPECT_EQ(text_of(slice.path), kLarge);
  EXPECT_EQ(slice.offset, 10u);
}

TEST_F(ObjectsTest, RemovesFilesThatNothingNames) {
  objects->put(kAccount, "bucket", "k", kLarge);
  auto shard = data.root / "objects" / "aa";
  std::filesystem::create_directories(shard);
  std::ofstream(shard / ("00000001" + std::string(22, '0') + "aa")) << "orphan";
  objects.reset();

  objects = data.open();

  EXPECT_EQ(data.files(), 1u);
  EXPECT_EQ(objects->read(kAccount, "bucket", "k"), kLarge);
}

TEST_F(ObjectsTest, WriteConditionsHoldAtTheMomentOfTheWrite) {
  objects->put(kAccount, "bucket", "k", "one");
  auto put = [&](WriteConditions conditions) {
    Version next;
    next.bucket = "bucket";
    next.key = "k";
    Draft draft = objects->state().contents.write(kLarge, {});
    put_object(objects->state(), {kAccount, ""}, next, std::move(draft), conditions);
  };

  EXPECT_EQ(code_of([&] { put({"", "*"}); }), "PreconditionFailed");
  EXPECT_EQ(code_of([&] { put({"\"0\"", ""}); }), "PreconditionFailed");
  EXPECT_EQ(data.files(), 0u) << "a refused write leaves no file";
  EXPECT_EQ(objects->read(kAccount, "bucket", "k"), "one");
}

// Puts with the disk stopping at each step in turn; after the restart the key has the old
// bytes or the new ones, new ones where the put succeeded, and no file is left over.
void put_with_stop_at(int step, const std::string& old_bytes, const std::string& new_bytes,
                      bool& stopped) {
  SCOPED_TRACE("step " + std::to_string(step));
  DataDirectory data;
  FaultyDisk disk;
  auto objects = data.open(disk);
  objects->ensure_bucket(kAccount, "bucket");
  objects->put(kAccount, "bucket", "k", old_bytes);
  disk.stop_at(step);
  const bool put = code_of([&] { objects->put(kAccount, "bucket", "k", new_bytes); }).empty();
  stopped = disk.stopped();
  objects.reset();
  disk.drop_unsynced();

  objects = data.open();

  const std::string found = objects->read(kAccount, "bucket", "k");
  EXPECT_TRUE(found == new_bytes || (!put && found == old_bytes));
  EXPECT_EQ(data.files(), found.size() > kInlineLimit ? 1u : 0u);
}

TEST(ObjectsAndCrashes, APutIsWholeOrNotAtAll) {
  const std::string other(50'000, 'O');
  for (const auto& [old_bytes, new_bytes] :
       {std::pair{kLarge, other}, std::pair{kLarge, std::string("s")},
        std::pair{std::string("s"), other}}) {
    bool stopped = true;
    int step = 0;
    for (; stopped; ++step) put_with_stop_at(step, old_bytes, new_bytes, stopped);
    EXPECT_GT(step, 1);
  }
}

}  // namespace
}  // namespace slipway::objects
