#include "containers/spawn.h"

#include <cerrno>
#include <string_view>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#include "base/file_descriptor.h"

namespace slipway::containers {
namespace {

constexpr int kFirstInherited = 3;
// Copies lie above every number that they are given in the child.
constexpr int kFirstCopy = 16;

std::vector<char*> pointers(std::vector<std::string>& words) {
  std::vector<char*> result;
  for (std::string& word : words) result.push_back(word.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> small_environment() {
  std::vector<std::string> kept;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    for (const char* name : {"PATH=", "LD_LIBRARY_PATH=", "ASAN_OPTIONS=", "TSAN_OPTIONS="}) {
      if (text.starts_with(name)) kept.emplace_back(text);
    }
  }
  return kept;
}

}  // namespace

pid_t spawn_self(const std::filesystem::path& self, const std::vector<std::string>& arguments,
                 const std::vector<int>& inherited) {
  std::vector<std::string> words = {self.string()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<std::string> environment = small_environment();
  std::vector<base::FileDescriptor> copies;
  for (const int descriptor : inherited) {
    copies.emplace_back(::fcntl(descriptor, F_DUPFD_CLOEXEC, kFirstCopy));
    if (!copies.back()) return -1;
  }

  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
  ::posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  int place = kFirstInherited;
  for (const base::FileDescriptor& copy : copies) {
    ::posix_spawn_file_actions_adddup2(&actions, copy.get(), place++);
  }
  ::posix_spawn_file_actions_addclosefrom_np(&actions, place);

  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t signals;
  ::sigemptyset(&signals);
  ::posix_spawnattr_setsigmask(&attributes, &signals);
  ::sigfillset(&signals);
  ::posix_spawnattr_setsigdefault(&attributes, &signals);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  pid_t child = -1;
  const int error = ::posix_spawn(&child, self.c_str(), &actions, &attributes,
                                  pointers(words).data(), pointers(environment).data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == 0) return child;
  errno = error;
  return -1;
}

}  // namespace slipway::containers
