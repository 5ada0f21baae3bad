#include "images/layer_cache.h"

#include <algorithm>
#include <chrono>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/ids.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strings.h"
#include "images/decide.h"

namespace slipway::images {
namespace {

constexpr std::string_view kTemporary = "unpacking-";
constexpr std::chrono::hours kUnpackDeadline{2};

std::string boot_id() {
  std::ifstream file("/proc/sys/kernel/random/boot_id");
  std::string text;
  std::getline(file, text);
  return text;  // empty where the machine does not say; then every layer is synced at once
}

void sync_file_system(const std::filesystem::path& directory) {
  const base::FileDescriptor file(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!file || ::syncfs(file.get()) != 0) base::throw_errno("syncing unpacked layers");
}

ino_t inode_of(const std::filesystem::path& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

Json read_note(const std::filesystem::path& path) {
  std::error_code absent;
  if (!std::filesystem::exists(path, absent)) return Json::object();
  return base::try_parse_json(store::read_file(path, 4096)).value_or(Json::object());
}

bool is_hex_digest(const std::string& name) { return is_digest("sha256:" + name); }

void touch(const std::filesystem::path& path) { ::utimensat(AT_FDCWD, path.c_str(), nullptr, 0); }

timespec time_of(const std::filesystem::path& path) {
  struct stat status {};
  ::stat(path.c_str(), &status);
  return status.st_mtim;
}

// Every layer that a mount of some process on this machine names. A container may outlive the
// server that unpacked its image.
std::set<std::string> mounted_layers() {
  std::set<std::string> result;
  std::error_code unreadable;
  for (const auto& process : std::filesystem::directory_iterator("/proc", unreadable)) {
    if (!base::parse_integer(process.path().filename().string())) continue;
    std::ifstream file(process.path() / "mountinfo");
    for (std::string line; std::getline(file, line);) {
      if (line.find("overlay") == std::string::npos) continue;
      std::size_t run = 0;
      for (std::size_t at = 0; at <= line.size(); ++at) {
        const char c = at < line.size() ? line[at] : '\0';
        const bool hexadecimal = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (hexadecimal) {
          ++run;
          continue;
        }
        if (run == 64) result.insert(line.substr(at - 64, 64));
        run = 0;
      }
    }
  }
  return result;
}

}  // namespace

LayerCache::LayerCache(store::Disk& disk, std::filesystem::path directory, LayerLimits limits,
                       Sharing sharing)
    : disk_(disk),
      directory_(std::move(directory)),
      limits_(limits),
      sharing_(sharing),
      boot_(boot_id()) {
  std::filesystem::create_directories(directory_);
  // Layers hold set-user-id programs that strangers wrote; only this user may reach them.
  std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
  clean();
}

std::filesystem::path LayerCache::note_of(const std::string& hex) const {
  return directory_ / (hex + ".json");
}

std::filesystem::path LayerCache::new_temporary() const {
  return directory_ / (std::string(kTemporary) + base::random_hex(16));
}

bool LayerCache::is_there(const std::string& hex) const {
  return std::filesystem::exists(note_of(hex)) && std::filesystem::exists(directory_ / hex);
}

void LayerCache::clean() {
  std::vector<std::filesystem::path> entries;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    entries.push_back(entry.path());
  }
  const std::time_t yesterday = std::time(nullptr) - 24 * 3600;
  for (const auto& path : entries) {
    const std::string name = path.filename();
    if (name.starts_with(kTemporary)) {
      // Another process may be unpacking right now; nobody does for a day.
      if (sharing_ == Sharing::kManyProcesses && time_of(path).tv_sec > yesterday) continue;
      remove_tree(path);
    } else if (is_hex_digest(name)) {
      const Json note = read_note(note_of(name));
      const std::string boot = base::text_or(note, "boot");
      if (note.contains("bytes") && (boot.empty() || boot == boot_)) continue;
      // The new name first: half a layer must never be found under its digest.
      const std::filesystem::path temporary = new_temporary();
      std::filesystem::rename(path, temporary);
      remove_tree(temporary);
    }
  }
  for (const auto& path : entries) {
    if (path.extension() != ".json" || !is_hex_digest(path.stem())) continue;
    if (sharing_ == Sharing::kManyProcesses && time_of(path).tv_sec > yesterday) continue;
    if (!std::filesystem::exists(directory_ / path.stem())) disk_.remove(path);
  }
}

LayerCache::Layer LayerCache::get(const std::string& digest, const std::filesystem::path& blob) {
  const std::string hex = hex_of(digest);
  std::shared_ptr<Use> use;
  {
    std::unique_lock lock(mutex_);
    use = uses_[hex].lock();
    if (!use) {
      use = std::make_shared<Use>();
      uses_[hex] = use;
    }
    if (!unpacked_.wait_for(lock, kUnpackDeadline, [&] { return !unpacking_.contains(hex); })) {
      throw Error("InternalError", "unpacking layer " + digest + " takes too long", 500);
    }
    if (is_there(hex)) {
      touch(note_of(hex));
      return {directory_ / hex, use};
    }
    unpacking_.insert(hex);
  }
  const std::shared_ptr<void> done(nullptr, [&](void*) {
    const std::lock_guard lock(mutex_);
    unpacking_.erase(hex);
    unpacked_.notify_all();
  });
  unpack(hex, blob);
  return {directory_ / hex, use};
}

void LayerCache::unpack(const std::string& hex, const std::filesystem::path& blob) {
  const std::filesystem::path temporary = new_temporary();
  std::filesystem::create_directory(temporary);
  try {
    const LayerSize size = unpack_layer(blob, temporary, limits_);
    // Before the rename: a layer without its note is thrown away, never the reverse.
    Json note{{"bytes", size.bytes}, {"files", size.files}};
    if (boot_.empty()) {
      sync_file_system(temporary);
    } else {
      note["boot"] = boot_;
    }
    store::write_atomically(disk_, note_of(hex), base::dump_json(note));
    std::error_code taken;
    std::filesystem::rename(temporary, directory_ / hex, taken);
    if (!taken) return;
    // Another process was faster with the same layer.
    if (!is_there(hex)) throw Error("InternalError", "unpacking: " + taken.message(), 500);
    remove_tree(temporary);
  } catch (...) {
    remove_tree(temporary);
    throw;
  }
}

std::uint64_t LayerCache::evict(std::uint64_t bytes) {
  struct Candidate {
    std::string hex;
    std::uint64_t bytes;
    timespec used;
  };
  std::vector<Candidate> candidates;
  std::uint64_t total = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    const std::string hex = entry.path().stem();
    if (entry.path().extension() != ".json" || !is_hex_digest(hex)) continue;
    const auto size =
        static_cast<std::uint64_t>(base::integer_or(read_note(entry.path()), "bytes", 0));
    candidates.push_back({hex, size, time_of(entry.path())});
    total += size;
  }
  if (total <= bytes) return 0;
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::pair(a.used.tv_sec, a.used.tv_nsec) < std::pair(b.used.tv_sec, b.used.tv_nsec);
  });
  const std::set<std::string> mounted = mounted_layers();
  const std::time_t recently = std::time(nullptr) - 3600;
  std::uint64_t freed = 0;
  for (const Candidate& candidate : candidates) {
    if (total - freed <= bytes) break;
    if (mounted.contains(candidate.hex)) continue;
    // What another process holds is not known here; it was used not long ago.
    if (sharing_ == Sharing::kManyProcesses && candidate.used.tv_sec > recently) continue;
    const std::filesystem::path temporary = new_temporary();
    {
      const std::lock_guard lock(mutex_);
      const auto use = uses_.find(candidate.hex);
      if (use != uses_.end() && !use->second.expired()) continue;
      if (use != uses_.end()) uses_.erase(use);
      std::error_code absent;
      std::filesystem::rename(directory_ / candidate.hex, temporary, absent);
      disk_.remove(note_of(candidate.hex));
      if (absent) continue;
    }
    remove_tree(temporary);
    freed += candidate.bytes;
  }
  return freed;
}

void LayerCache::sync() {
  std::map<std::filesystem::path, ino_t> notes;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    if (entry.path().extension() != ".json" || !read_note(entry.path()).contains("boot")) continue;
    notes[entry.path()] = inode_of(directory_ / entry.path().stem());
  }
  if (notes.empty()) return;
  sync_file_system(directory_);
  for (const auto& [path, inode] : notes) {
    const std::lock_guard lock(mutex_);
    Json note = read_note(path);
    // Evicted meanwhile, or unpacked anew after the sync: the next one does it.
    if (!note.contains("bytes") || inode == 0 || inode_of(directory_ / path.stem()) != inode) {
      continue;
    }
    note.erase("boot");
    const timespec used = time_of(path);
    store::write_atomically(disk_, path, base::dump_json(note));
    const timespec times[2] = {used, used};  // syncing is no use
    ::utimensat(AT_FDCWD, path.c_str(), times, 0);
  }
}

}  // namespace slipway::images
