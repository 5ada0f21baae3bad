#include <memory>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "containers/directory.h"

namespace slipway::containers {
namespace {

// Each level holds a descriptor; what lies deeper is first moved up to the top.
constexpr int kDeepest = 64;

class TreeRemover {
 public:
  explicit TreeRemover(const std::filesystem::path& path) : path_(path) {}

  void run() {
    const base::FileDescriptor top = open_directory(AT_FDCWD, path_.c_str());
    if (!top && (errno == ENOENT)) return;
    if (!top) base::throw_errno("opening " + path_.string());
    top_ = top.get();
    do {
      moved_ = false;
      empty(top.get(), 0);
    } while (moved_);
    if (::rmdir(path_.c_str()) != 0) base::throw_errno("removing " + path_.string());
  }

 private:
  static base::FileDescriptor open_directory(int parent, const char* name) {
    constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int descriptor = ::openat(parent, name, kFlags);
    if (descriptor < 0 && errno == EACCES) {
      // A directory that its owner may not enter, as overlayfs leaves one behind.
      if (::fchmodat(parent, name, 0700, 0) == 0) descriptor = ::openat(parent, name, kFlags);
    }
    return base::FileDescriptor(descriptor);
  }

  void empty(int directory, int depth) {
    // Unlinking needs write permission to the directory, whatever the container made of it.
    ::fchmod(directory, 0700);
    std::unique_ptr<DIR, int (*)(DIR*)> listing(::fdopendir(::dup(directory)), ::closedir);
    if (!listing) base::throw_errno("listing " + path_.string());
    ::rewinddir(listing.get());  // the descriptor's position is shared with an earlier pass
    while (const dirent* entry = ::readdir(listing.get())) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") remove_entry(directory, entry->d_name, depth);
    }
  }

  void remove_entry(int directory, const char* name, int depth) {
    if (::unlinkat(directory, name, 0) == 0 || errno == ENOENT) return;
    if (errno != EISDIR && errno != EPERM) base::throw_errno("removing " + path_.string());
    if (depth >= kDeepest) {
      const std::string up = ".moved-" + std::to_string(++moves_);
      ::fchmodat(directory, name, 0700, 0);  // a directory's parent is part of it
      if (::renameat(directory, name, top_, up.c_str()) != 0) {
        base::throw_errno("removing " + path_.string());
      }
      moved_ = true;
      return;
    }
    const base::FileDescriptor inner = open_directory(directory, name);
    if (!inner) base::throw_errno("opening a directory in " + path_.string());
    empty(inner.get(), depth + 1);
    if (::unlinkat(directory, name, AT_REMOVEDIR) != 0) {
      base::throw_errno("removing a directory in " + path_.string());
    }
  }

  const std::filesystem::path path_;
  int top_ = -1;
  bool moved_ = false;
  std::uint64_t moves_ = 0;
};

}  // namespace

void remove_tree(const std::filesystem::path& path) { TreeRemover(path).run(); }

}  // namespace slipway::containers
