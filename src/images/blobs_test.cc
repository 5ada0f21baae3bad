#include "images/blobs.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "images/decide.h"
#include "images/state.h"
#include "images/test_room.h"

namespace slipway::images {
namespace {

constexpr base::Millis kDay = 86'400'000;
const RepositoryKey kTumour{"123456789012", "health/tumour"};
const RepositoryKey kOther{"123456789012", "health/other"};
const RepositoryKey kStranger{"210987654321", "health/tumour"};

class Blobs : public testing::Test {
 protected:
  std::string put(const std::string& bytes, const RepositoryKey& key = kTumour) {
    room_.images->state().blobs.store_body(key, digest_of(bytes), net::Body(bytes));
    return digest_of(bytes);
  }
  BlobStore& blobs() { return room_.images->state().blobs; }

  // An image with `layer` in it, pushed with a tag.
  void put_image(const std::string& layer) {
    const std::string config = put("{}");
    Manifest manifest;
    manifest.content =
        base::dump_json(Json{{"schemaVersion", 2},
                             {"mediaType", kOciManifest},
                             {"config", {{"digest", config}, {"size", 2}}},
                             {"layers", Json::array({{{"digest", layer}, {"size", 1}}})}});
    manifest.digest = digest_of(manifest.content);
    manifest.media_type = kOciManifest;
    room_.images->state().put_manifest(kTumour, manifest,
                                       parse_manifest(manifest.content, kOciManifest), "1.0",
                                       WhenMissing::kCreate);
  }

  TestRoom room_;
};

TEST_F(Blobs, BelongToTheRepositoryThatGotThem) {
  const std::string digest = put("layer");

  EXPECT_EQ(blobs().find(kTumour, digest)->size, 5u);
  EXPECT_EQ(read_text(blobs().path_of(digest)), "layer");
  EXPECT_FALSE(blobs().find(kOther, digest));
}

TEST_F(Blobs, AreRefusedWithAnotherDigest) {
  EXPECT_THROW(blobs().store_body(kTumour, digest_of("other"), net::Body(std::string("layer"))),
               Error);
  EXPECT_FALSE(blobs().find(kTumour, digest_of("other")));
}

TEST_F(Blobs, AreMountedWithinTheAccountAlone) {
  const std::string digest = put("layer");

  EXPECT_TRUE(blobs().mount(kOther, kTumour.name, digest));
  EXPECT_TRUE(blobs().find(kOther, digest));
  EXPECT_FALSE(blobs().mount(kStranger, kTumour.name, digest));
  EXPECT_FALSE(blobs().mount(kStranger, "", digest));
  EXPECT_FALSE(blobs().find(kStranger, digest));
}

TEST_F(Blobs, StayWhileAManifestRefersToThem) {
  const std::string used = put("used");
  put_image(used);
  const std::string unused = put("unused");
  room_.clock.advance(2 * kDay);

  const Garbage garbage = blobs().collect(kDay);

  EXPECT_EQ(garbage.blobs, 1u);
  EXPECT_EQ(garbage.bytes, 6u);
  EXPECT_TRUE(std::filesystem::exists(blobs().path_of(used)));
  EXPECT_FALSE(std::filesystem::exists(blobs().path_of(unused)));
  EXPECT_FALSE(blobs().find(kTumour, unused));
}

TEST_F(Blobs, StayDuringTheGrace) {
  const std::string digest = put("layer");
  room_.clock.advance(kDay / 2);

  EXPECT_EQ(blobs().collect(kDay).blobs, 0u);
  EXPECT_TRUE(blobs().find(kTumour, digest));
}

TEST_F(Blobs, StayWhenAPushAskedForThemNotLongAgo) {
  const std::string digest = put("layer");
  room_.clock.advance(2 * kDay);
  ASSERT_TRUE(blobs().find(kTumour, digest));

  EXPECT_EQ(blobs().collect(kDay).blobs, 0u);
  EXPECT_TRUE(blobs().find(kTumour, digest));
}

TEST_F(Blobs, CanBePushedAgainAfterACollection) {
  put("layer");
  room_.clock.advance(2 * kDay);
  blobs().collect(kDay);

  const std::string digest = put("layer");

  EXPECT_EQ(read_text(blobs().path_of(digest)), "layer");
}

TEST_F(Blobs, LoseAFileThatACrashLeftWithoutARow) {
  const auto orphan = blobs().path_of(digest_of("orphan"));
  write_text(orphan, "orphan");
  EXPECT_EQ(blobs().collect(kDay).blobs, 0u);
  room_.clock.advance(2 * kDay);

  EXPECT_EQ(blobs().collect(kDay).blobs, 1u);
  EXPECT_FALSE(std::filesystem::exists(orphan));
}

class UploadSessions : public testing::Test {
 protected:
  Uploads& uploads() { return room_.images->state().uploads; }
  void append(const std::string& id, const std::string& bytes) {
    uploads().open(kTumour, id)->append(net::Body(bytes));
  }
  TestRoom room_;
};

TEST_F(UploadSessions, GrowByPieces) {
  const std::string id = uploads().start(kTumour);

  append(id, "one");
  append(id, "two");

  const auto session = uploads().open(kTumour, id);
  EXPECT_EQ(session->received(), 6u);
  EXPECT_EQ(session->digest(), digest_of("onetwo"));
}

TEST_F(UploadSessions, KnowTheDigestOfASinglePiece) {
  const std::string id = uploads().start(kTumour);

  append(id, "one");

  EXPECT_EQ(uploads().open(kTumour, id)->digest(), digest_of("one"));
}

TEST_F(UploadSessions, AreForTheirRepositoryAlone) {
  const std::string id = uploads().start(kTumour);

  EXPECT_FALSE(uploads().open(kOther, id));
  EXPECT_FALSE(uploads().open(kStranger, id));
  EXPECT_FALSE(uploads().open(kTumour, "../../../etc/passwd"));
}

TEST_F(UploadSessions, SurviveARestart) {
  const std::string id = uploads().start(kTumour);
  append(id, "one");

  room_.open();

  const auto session = uploads().open(kTumour, id);
  ASSERT_TRUE(session);
  EXPECT_EQ(session->received(), 3u);
  EXPECT_EQ(session->digest(), digest_of("one"));
}

TEST_F(UploadSessions, TakeALargePieceByRename) {
  const std::string id = uploads().start(kTumour);
  auto file = std::make_shared<store::Spool::File>(room_.spool->create());
  file->append("large");
  const auto spooled = file->path();

  uploads().open(kTumour, id)->append(net::Body(file, 5, base::sha256_hex("large")));

  EXPECT_FALSE(std::filesystem::exists(spooled));
  EXPECT_EQ(read_text(uploads().open(kTumour, id)->path()), "large");
}

TEST_F(UploadSessions, EndWhenDiscarded) {
  const std::string id = uploads().start(kTumour);

  uploads().open(kTumour, id)->discard();

  EXPECT_FALSE(uploads().open(kTumour, id));
}

TEST_F(UploadSessions, Expire) {
  const std::string id = uploads().start(kTumour);
  uploads().expire();
  ASSERT_TRUE(uploads().open(kTumour, id));
  room_.clock.advance(2 * kDay);

  uploads().expire();

  EXPECT_FALSE(uploads().open(kTumour, id));
}

}  // namespace
}  // namespace slipway::images
