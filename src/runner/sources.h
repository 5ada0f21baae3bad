#pragma once

// A job's working tree, from the project's bare repository on this disk.
//
// Git runs here on directories that earlier jobs could write to. So of an earlier .git only what is
// data is kept (objects and refs); configuration, hooks, index and links go before git looks at it.

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runner/decide.h"

namespace slipway::runner {

struct Sources {
  std::filesystem::path repository;  // bare
  std::filesystem::path directory;   // the working tree
  GitStrategy strategy = GitStrategy::kFetch;
  int depth = 20;
  bool depth_is_asked = false;  // by the job: then the history is not to be longer either
  std::vector<std::string> refspecs;
  std::string sha;
  std::string ref;  // for the trace
  std::string url;  // of "origin", for the job's own git commands
  bool checkout = true;
  std::vector<std::string> clean_flags{"-ffdx"};  // empty: no cleaning
  enum class Submodules { kNone, kNormal, kRecursive } submodules = Submodules::kNone;
  bool world_writable = false;  // the image's user is not root
  std::chrono::milliseconds timeout{600'000};
};

// Throws Error with git's words. `print` gets lines for the trace.
void get_sources(const Sources& sources, const std::function<void(std::string_view)>& print);

// Makes a new .git by copying what the repository has, which takes no process of git's: most of a
// small job's start. False where the repository is not small, and then nothing is changed, or where
// it changed meanwhile, and then there is no .git.
bool copy_small_repository(const Sources& sources);

// Leaves in <directory>/.git only what git may trust. False where there is nothing to go on with,
// and then no .git.
bool clean_git_directory(const std::filesystem::path& directory);

}  // namespace slipway::runner
