#include "objects/store.h"

#include "objects/fixture_for_test.h"
#include "objects/uploads.h"

namespace slipway::objects {
namespace {

class Versions : public testing::Test {
 protected:
  Versions() {
    migrate_objects(*database);
    database->write([&](store::Transaction& t) { insert_bucket(t, bucket); });
  }

  // Writes a version whose content id is `content`; gives its version id.
  std::string put(const std::string& key, const std::string& content) {
    Version version;
    version.bucket = bucket.name;
    version.key = key;
    version.etag = content;
    version.content = {Place::kFile, content, 1};
    return put(version);
  }
  std::string remove(const std::string& key) {
    Version marker;
    marker.bucket = bucket.name;
    marker.key = key;
    marker.delete_marker = true;
    return put(marker);
  }
  std::string put(Version version) {
    for (auto& gone :
         database->write([&](store::Transaction& t) { return put_version(t, bucket, version); })) {
      dropped.push_back(gone.id);
    }
    return version.version;
  }
  void remove(const std::string& key, const std::string& version) {
    auto removed = database->write(
        [&](store::Transaction& t) { return remove_version(t, bucket.name, key, version); });
    for (auto& gone : removed.dropped) dropped.push_back(gone.id);
  }

  // The versions of all keys, newest first: "key=content*" for the current one.
  std::string listed(int limit = 1000) {
    std::string text;
    ListQuery query;
    query.limit = limit;
    for (;;) {
      auto page = database->read(
          [&](store::Reader& reader) { return list_versions(reader, bucket.name, query); });
      for (const ListedVersion& row : page.rows) {
        text += row.key + "=" + (row.version.delete_marker ? "-" : row.version.etag) +
                (row.current ? "* " : " ");
      }
      if (!page.truncated) return text;
      query.start = position_after(page.last, page.last_within, "", "");
    }
  }
  std::string current(const std::string& key) {
    auto found = database->read(
        [&](store::Reader& reader) { return find_current(reader, bucket.name, key); });
    return found ? found->etag : "none";
  }

  std::unique_ptr<store::Database> database = store::Database::in_memory_for_test();
  Bucket bucket{"bucket", kAccount, 0, "us-east-1", Versioning::kOff};
  std::vector<std::string> dropped;
};

TEST_F(Versions, WithoutThemAnOverwriteDropsTheOldBytes) {
  EXPECT_EQ(put("k", "1"), "null");
  put("k", "2");
  EXPECT_EQ(dropped, (std::vector<std::string>{"1"}));
  remove("k");
  EXPECT_EQ(dropped, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(listed(), "");
}

TEST_F(Versions, AreKeptWhileEnabled) {
  put("k", "1");
  bucket.versioning = Versioning::kEnabled;
  put("k", "2");
  put("k", "3");
  put("a", "4");

  EXPECT_TRUE(dropped.empty());
  EXPECT_EQ(listed(), "a=4* k=3* k=2 k=1 ");
  EXPECT_EQ(listed(1), listed());
  EXPECT_EQ(listed(3), listed());
}

TEST_F(Versions, ADeleteHidesTheKeyUntilItsMarkerGoes) {
  bucket.versioning = Versioning::kEnabled;
  put("k", "1");
  std::string marker = remove("k");
  EXPECT_EQ(current("k"), "none");
  EXPECT_EQ(listed(), "k=-* k=1 ");
  EXPECT_EQ(listed(1), "k=-* k=1 ");

  remove("k", marker);

  EXPECT_EQ(current("k"), "1");
  EXPECT_TRUE(dropped.empty());
}

TEST_F(Versions, RemovingTheCurrentOneBringsTheOneBeforeBack) {
  bucket.versioning = Versioning::kEnabled;
  std::string first = put("k", "1");
  std::string second = put("k", "2");
  std::string third = put("k", "3");

  remove("k", second);
  EXPECT_EQ(current("k"), "3");
  remove("k", third);
  EXPECT_EQ(current("k"), "1");
  remove("k", first);
  EXPECT_EQ(current("k"), "none");
  EXPECT_EQ(dropped, (std::vector<std::string>{"2", "3", "1"}));
}

TEST_F(Versions, SuspendedTheNullVersionIsReplaced) {
  bucket.versioning = Versioning::kEnabled;
  put("k", "1");
  bucket.versioning = Versioning::kSuspended;
  EXPECT_EQ(put("k", "2"), "null");
  put("k", "3");
  EXPECT_EQ(dropped, (std::vector<std::string>{"2"}));
  EXPECT_EQ(listed(), "k=3* k=1 ");

  EXPECT_EQ(remove("k"), "null");
  EXPECT_EQ(dropped, (std::vector<std::string>{"2", "3"}));
  EXPECT_EQ(listed(), "k=-* k=1 ");

  bucket.versioning = Versioning::kEnabled;
  put("k", "4");
  bucket.versioning = Versioning::kSuspended;
  put("k", "5");
  EXPECT_EQ(listed(), "k=5* k=4 k=1 ");
}

TEST_F(Versions, ADocumentComesBackWhole) {
  Version version;
  version.bucket = bucket.name;
  version.key = std::string("zero\0byte", 9);
  version.headers = {{"ContentType", "a/b"}};
  version.metadata = {{"m", "1"}};
  version.tags = {{"t", "2"}};
  version.checksums = {{"CRC32", "c"}};
  version.parts = {{1, 5, "p"}, {3, 6, ""}};
  put(version);

  auto found = database->read(
      [&](store::Reader& reader) { return find_current(reader, bucket.name, version.key); });

  ASSERT_TRUE(found);
  EXPECT_EQ(found->key, version.key);
  EXPECT_EQ(found->headers, version.headers);
  EXPECT_EQ(found->metadata, version.metadata);
  EXPECT_EQ(found->tags, version.tags);
  EXPECT_EQ(found->checksums, version.checksums);
  ASSERT_EQ(found->parts.size(), 2u);
  EXPECT_EQ(found->parts[0].checksum, "p");
  EXPECT_EQ(found->parts[1].number, 3);
}

TEST_F(Versions, OpenUploadsAreListedByKeyAndStart) {
  auto list = [&](int limit) {
    std::string text;
    ListQuery query{"", "/", {}, limit};
    for (;;) {
      auto page = database->read(
          [&](store::Reader& reader) { return list_uploads(reader, bucket.name, query); });
      for (const Upload& upload : page.rows) text += upload.key + "=" + upload.id + " ";
      for (const std::string& prefix : page.common_prefixes) text += "[" + prefix + "] ";
      if (!page.truncated) return text;
      query.start = position_after(page.last, page.last_within, "", "/");
    }
  };
  database->write([&](store::Transaction& transaction) {
    for (const auto& [key, id] : {std::pair{"k", "2"}, std::pair{"k", "1"}, std::pair{"a/1", "3"},
                                  std::pair{"a/2", "4"}, std::pair{"z", "5"}}) {
      Upload upload;
      upload.id = id;
      upload.bucket = bucket.name;
      upload.key = key;
      insert_upload(transaction, upload);
    }
    complete_upload(transaction, "5", 1, Json{{"ETag", "e"}});
  });

  EXPECT_EQ(list(1000), "k=1 k=2 [a/] ");
  EXPECT_EQ(list(1), "[a/] k=1 k=2 ");
}

TEST_F(Versions, CompletedUploadsAreForgottenAfterADay) {
  Upload upload;
  upload.id = "old";
  upload.bucket = bucket.name;
  upload.key = "k";
  database->write([&](store::Transaction& transaction) {
    insert_upload(transaction, upload);
    complete_upload(transaction, "old", 1'000, Json{{"ETag", "e"}});
  });
  auto found = [&] {
    return database->read([&](store::Reader& reader) { return find_upload(reader, "old"); });
  };
  EXPECT_EQ(found()->result["ETag"], "e");

  upload.id = "new";
  upload.initiated = kKeepCompleted + 1'001;
  database->write([&](store::Transaction& transaction) { insert_upload(transaction, upload); });

  EXPECT_FALSE(found());
}

}  // namespace
}  // namespace slipway::objects
