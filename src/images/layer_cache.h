#pragma once

// Unpacked layers by digest: <directory>/<hex>/ and, beside it, <hex>.json with its size.
//
// A layer is unpacked under a temporary name and renamed, so a directory under its final
// name is whole, as long as the machine does not lose power: the contents are synced later, by
// sync(). Until then <hex>.json names the boot in which it was unpacked, and a layer of
// another boot is thrown away when the cache is opened.

#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "images/unpack.h"
#include "store/files.h"

namespace slipway::images {

// Whether other processes use the same directory at the same time.
enum class Sharing { kOneProcess, kManyProcesses };

// Thread-safe.
class LayerCache {
 public:
  LayerCache(store::Disk& disk, std::filesystem::path directory, LayerLimits limits,
             Sharing sharing);

  struct Layer {
    std::filesystem::path directory;
    std::shared_ptr<void> keep;  // while it lives, the layer is not evicted
  };
  // Unpacks `blob` where the layer is not there yet; callers for one digest share the work.
  // Throws what unpack_layer() throws.
  Layer get(const std::string& digest, const std::filesystem::path& blob);

  // Removes layers that are neither kept nor mounted anywhere on the machine, least recently
  // used first, until at most `bytes` are left. Returns what it removed, in bytes.
  std::uint64_t evict(std::uint64_t bytes);

  // Makes durable what was unpacked. Slow: it writes back the whole file system.
  void sync();

 private:
  struct Use {};
  void clean();
  bool is_there(const std::string& hex) const;
  void unpack(const std::string& hex, const std::filesystem::path& blob);
  std::filesystem::path note_of(const std::string& hex) const;
  std::filesystem::path new_temporary() const;

  store::Disk& disk_;
  const std::filesystem::path directory_;
  const LayerLimits limits_;
  const Sharing sharing_;
  const std::string boot_;
  std::mutex mutex_;
  std::condition_variable unpacked_;
  std::set<std::string> unpacking_;                 // guarded by mutex_
  std::map<std::string, std::weak_ptr<Use>> uses_;  // guarded by mutex_
};

}  // namespace slipway::images
