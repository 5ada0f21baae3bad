#include "containers/rootfs.h"

#include <cstring>
#include <fstream>
#include <sstream>

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "containers/host_base.h"

namespace slipway::containers {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kLongestAccountFile = 4u << 20;

void make_directory(const fs::path& path, mode_t mode = 0755) {
  if (::mkdir(path.c_str(), mode) != 0 && errno != EEXIST) {
    base::throw_errno("making " + path.string());
  }
}

void mount_tmpfs(const fs::path& at, const std::string& options) {
  if (::mount("tmpfs", at.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    base::throw_errno("mounting a tmpfs on " + at.string());
  }
}

std::string kernel_release() {
  utsname name{};
  ::uname(&name);
  return name.release;
}

// Where a container's part of the file system is put together. Works in the container's directory
// with short names, since the kernel takes only one page of mount options.
class RootMaker {
 public:
  RootMaker(const Plan& plan, const Paths& paths) : plan_(plan), directory_(paths.directory) {}

  Root make() {
    if (::chdir(directory_.c_str()) != 0) base::throw_errno("entering " + directory_.string());
    for (const char* name : {"layers", "root", "bundle"}) make_directory(name);
    mount_tmpfs("bundle", "mode=0700,size=64m");
    result_.root = directory_ / "root";
    result_.bundle = directory_ / "bundle";
    mount_root();
    if (plan_.spec.image.host_base) add_host_base();
    add_network_files();
    return std::move(result_);
  }

 private:
  // A short name for a layer, good in the options of a mount, whatever the path's characters.
  std::string link_to(const fs::path& layer) {
    const std::string name = "layers/" + std::to_string(links_++);
    if (::symlink(layer.c_str(), name.c_str()) != 0 && errno != EEXIST) {
      base::throw_errno("linking a layer");
    }
    return name;
  }

  bool mount_overlay(const std::string& at, const std::string& options, unsigned long flags) {
    const std::string own = plan_.rootless ? ",userxattr" : "";
    return ::mount("overlay", at.c_str(), "overlay", flags, (options + own).c_str()) == 0;
  }

  void mount_root() {
    std::string lower = "lowerdir=";
    const auto& layers = plan_.spec.image.layers;
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
      lower += link_to(*layer) + ":";
    }
    lower += link_to(plan_.skeleton);

    make_directory("upper");
    make_directory("work", 0700);
    // "volatile": what a container writes to its own root dies with it, so syncing it is waste.
    const std::string on_disk = lower + ",upperdir=upper,workdir=work";
    if (mount_overlay("root", on_disk + ",volatile", 0)) return;
    if (mount_overlay("root", on_disk, 0)) return;

    // The data directory's file system may be no good for an upper layer (another overlay, NFS).
    make_directory("scratch");
    mount_tmpfs("scratch", "mode=0700");
    make_directory("scratch/upper");
    make_directory("scratch/work", 0700);
    if (mount_overlay("root", lower + ",upperdir=scratch/upper,workdir=scratch/work", 0)) {
      result_.notes.push_back(
          "the data directory's file system cannot hold the container's changes; they are kept in "
          "memory");
      return;
    }
    const std::string why = std::strerror(errno);
    if (!layers.empty()) {
      base::throw_internal("mounting the image's layers with overlayfs failed: " + why +
                           " (kernel " + kernel_release() +
                           "; without root it needs 5.11 or newer)");
    }
    mount_tmpfs("root", "mode=0755");
    build_skeleton("root", plan_.spec.image.host_base ? Base::kHost : Base::kEmpty);
    result_.notes.push_back("overlayfs cannot be mounted here (" + why +
                            "); the container's changes are kept in memory");
  }

  // The machine's directories; where layers have something in the same place, over them.
  void add_host_base() {
    std::ifstream file("/proc/self/mountinfo");
    std::ostringstream mountinfo;
    mountinfo << file.rdbuf();
    for (const HostPath& path : host_paths()) {
      if (!path.directory) {
        if (!is_in_layers(path.path)) add_bind(path.path, path.path);
        continue;
      }
      const std::string merged = merge_with_layers(path.path);
      add_bind(merged.empty() ? path.path : merged, path.path);
      if (plan_.rootless || !merged.empty()) continue;
      for (const std::string& below : mounts_below(mountinfo.str(), path.path)) {
        if (fs::is_directory(below)) add_bind(below, below);
      }
    }
  }

  void add_bind(const std::string& source, const std::string& target) {
    result_.mounts.push_back({source, target, Access::kReadOnly});
  }

  bool is_in_layers(const std::string& path) const {
    struct stat status {};
    for (const fs::path& layer : plan_.spec.image.layers) {
      if (::lstat((layer.string() + path).c_str(), &status) == 0) return true;
    }
    return false;
  }

  std::string merge_with_layers(const std::string& path) {
    std::string lower;
    const auto& layers = plan_.spec.image.layers;
    for (auto layer = layers.rbegin(); layer != layers.rend(); ++layer) {
      struct stat status {};
      const std::string part = layer->string() + path;
      if (::lstat(part.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
        lower += link_to(part) + ":";
      }
    }
    if (lower.empty()) return "";
    const std::string at = "bundle/base-" + std::to_string(merged_++);
    make_directory(at);
    if (!mount_overlay(at, "lowerdir=" + lower + link_to(path), MS_RDONLY | MS_NODEV)) {
      base::throw_errno("laying the image over the machine's " + path);
    }
    return (directory_ / at).string();
  }

  void add_network_files() {
    const std::string host = hostname_of(plan_.spec);
    write("bundle/hostname", host + "\n");
    result_.mounts.push_back(
        {(directory_ / "bundle/hostname").string(), "/etc/hostname", Access::kReadWrite});
    if (plan_.spec.network == Network::kHost) {
      for (const char* name : {"/etc/resolv.conf", "/etc/hosts"}) {
        std::error_code error;
        const fs::path real = fs::canonical(name, error);
        if (!error) add_bind(real.string(), name);
      }
      return;
    }
    write("bundle/hosts", "127.0.0.1 localhost " + host + "\n::1 localhost ip6-localhost\n");
    result_.mounts.push_back(
        {(directory_ / "bundle/hosts").string(), "/etc/hosts", Access::kReadWrite});
  }

  static void write(const char* path, const std::string& text) {
    std::ofstream file(path, std::ios::trunc);
    file << text;
    if (!file.flush()) base::throw_errno(std::string("writing ") + path);
  }

  const Plan& plan_;
  const fs::path directory_;
  Root result_;
  int links_ = 0;
  int merged_ = 0;
};

}  // namespace

Root make_root(const Plan& plan, const Paths& paths) { return RootMaker(plan, paths).make(); }

std::string read_in_root(const fs::path& root, const std::string& path) {
  const base::FileDescriptor top(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  // An image may have links that lead out of it: RESOLVE_IN_ROOT keeps them inside.
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  const base::FileDescriptor file(
      static_cast<int>(::syscall(SYS_openat2, top.get(), path.c_str(), &how, sizeof(how))));
  std::string text;
  char buffer[16384];
  while (file && text.size() < kLongestAccountFile) {
    const ssize_t count = ::read(file.get(), buffer, sizeof(buffer));
    if (count <= 0) break;
    text.append(buffer, static_cast<std::size_t>(count));
  }
  return text;
}

}  // namespace slipway::containers
