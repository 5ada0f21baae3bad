#include "images/layer_cache.h"

#include <atomic>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "images/test_room.h"

namespace slipway::images {
namespace {

class LayerCaching : public testing::Test {
 protected:
  // Writes a layer whose one file has `bytes` bytes; returns its digest.
  std::string add_layer(const std::string& name, std::size_t bytes) {
    const std::string tar = tar_of({tar_file(name, std::string(bytes, 'x'))});
    write_text(directory_.path() / digest_of(tar), tar);
    return digest_of(tar);
  }
  LayerCache::Layer get(LayerCache& cache, const std::string& digest) {
    return cache.get(digest, directory_.path() / digest);
  }
  LayerCache open() {
    return LayerCache(store::system_disk(), images_, LayerLimits{}, Sharing::kOneProcess);
  }

  TemporaryDirectory directory_;
  std::filesystem::path images_ = directory_.path() / "images";
};

TEST_F(LayerCaching, UnpacksOnce) {
  LayerCache cache = open();
  const std::string digest = add_layer("file", 5);
  const auto first = get(cache, digest);
  std::filesystem::remove(directory_.path() / digest);

  const auto second = get(cache, digest);

  EXPECT_EQ(first.directory, second.directory);
  EXPECT_EQ(read_text(second.directory / "file"), "xxxxx");
}

TEST_F(LayerCaching, LetsConcurrentCallersShareTheWork) {
  LayerCache cache = open();
  const std::string digest = add_layer("file", 4u << 20);
  std::vector<std::thread> threads;
  std::atomic<int> whole = 0;

  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      const auto layer = get(cache, digest);
      if (std::filesystem::file_size(layer.directory / "file") == 4u << 20) ++whole;
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(whole, 8);
}

TEST_F(LayerCaching, LeavesNothingOfALayerThatIsBroken) {
  LayerCache cache = open();
  write_text(directory_.path() / "broken", std::string(2048, 'x'));
  const std::string digest = "sha256:" + std::string(64, '0');

  EXPECT_THROW(cache.get(digest, directory_.path() / "broken"), Error);
  EXPECT_TRUE(std::filesystem::is_empty(images_));
}

TEST_F(LayerCaching, EvictsTheLeastRecentlyUsedThatNobodyKeeps) {
  LayerCache cache = open();
  const std::string old = add_layer("old", 1000);
  const std::string kept = add_layer("kept", 1000);
  const std::string recent = add_layer("recent", 1000);
  get(cache, old);
  const auto keep = get(cache, kept);
  const auto recent_directory = get(cache, recent).directory;

  const std::uint64_t freed = cache.evict(2000);

  EXPECT_EQ(freed, 1000u);
  EXPECT_FALSE(std::filesystem::exists(images_ / old.substr(7)));
  EXPECT_TRUE(std::filesystem::exists(keep.directory));
  EXPECT_TRUE(std::filesystem::exists(recent_directory));
  EXPECT_EQ(cache.evict(0), 1000u);
  EXPECT_TRUE(std::filesystem::exists(keep.directory));
}

TEST_F(LayerCaching, ThrowsAwayWhatAnotherBootDidNotSync) {
  const std::string synced = add_layer("synced", 10);
  const std::string unsynced = add_layer("unsynced", 10);
  {
    LayerCache cache = open();
    get(cache, synced);
    cache.sync();
    get(cache, unsynced);
  }
  write_text(images_ / (unsynced.substr(7) + ".json"),
             R"({"boot":"another","bytes":10,"files":1})");

  const LayerCache reopened = open();

  EXPECT_TRUE(std::filesystem::exists(images_ / synced.substr(7)));
  EXPECT_FALSE(std::filesystem::exists(images_ / unsynced.substr(7)));
}

TEST_F(LayerCaching, CleansUpAfterAnUnpackingThatWasKilled) {
  std::filesystem::create_directories(images_ / "unpacking-0123" / "usr");
  // Renamed, but without its note: the crash came between.
  std::filesystem::create_directories(images_ / std::string(64, 'a'));

  const LayerCache cache = open();

  EXPECT_TRUE(std::filesystem::is_empty(images_));
}

}  // namespace
}  // namespace slipway::images
