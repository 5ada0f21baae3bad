#include "runner/packing.h"

#include <algorithm>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "runner/archive.h"
#include "runner/glob.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;

// An archive may unpack to this many times the limit of its own size.
constexpr std::uint64_t kMostExpansion = 20;

std::string warning(const std::string& text) { return "\x1b[0;33mWARNING: " + text + "\x1b[0;m\n"; }

std::string file_name(const ArtifactRequest& request) {
  if (request.type == "archive") {
    const std::string name = request.name.empty() ? "artifacts" : request.name;
    return base::replace_all(name, "/", "_") + ".zip";
  }
  return request.format == "gzip" ? request.name + ".gz" : request.name;
}

}  // namespace

Packing::Packing(const Workshop& workshop, const ci::Assignment& assignment, const JobPlan& plan,
                 const JobPlaces& places, Print print)
    : workshop_(workshop),
      assignment_(assignment),
      plan_(plan),
      places_(places),
      print_(std::move(print)) {}

std::set<std::string> Packing::collect(const std::vector<std::string>& patterns, bool untracked,
                                       const std::vector<std::string>& exclude) {
  std::set<std::string> found;
  for (const std::string& given : patterns) {
    const std::string pattern = normal_pattern(given, plan_.script.project);
    const std::set<std::string> paths =
        pattern.empty() ? std::set<std::string>() : find_paths(places_.build, pattern);
    if (paths.empty()) {
      print_(warning(given +
                     ": no matching files. Ensure that the artifact path is relative to the "
                     "working directory (" +
                     plan_.script.project + ")"));
    } else {
      print_(given + ": found " + std::to_string(paths.size()) +
             " matching artifact files and directories\n");
    }
    found.insert(paths.begin(), paths.end());
  }
  if (untracked) {
    // What is tracked is known from the repository: the working tree's own git may not be asked,
    // for the job could have configured it.
    std::set<std::string> files = all_files(places_.build);
    for (const std::string& path :
         workshop_.forge.repository(assignment_.project.id).paths(assignment_.pipeline.sha)) {
      files.erase(path);
    }
    print_("untracked: found " + std::to_string(files.size()) + " files\n");
    found.merge(files);
  }
  std::size_t excluded = 0;
  for (const std::string& given : exclude) {
    const std::string pattern = normal_pattern(given, plan_.script.project);
    excluded +=
        std::erase_if(found, [&](const std::string& path) { return matches_path(pattern, path); });
  }
  if (excluded > 0) print_("excluded " + std::to_string(excluded) + " files\n");
  // A zip archive has its names in UTF-8.
  std::erase_if(found, [this](const std::string& path) {
    if (base::is_utf8(path)) return false;
    print_(warning(path + " is left out: its name is not UTF-8"));
    return true;
  });
  return found;
}

void Packing::restore_caches() {
  for (const CacheRequest& cache : plan_.caches) {
    if (cache.policy == "push") {
      print_("Not downloading cache " + cache.key + " due to policy\n");
      continue;
    }
    try {
      restore_cache(cache);
    } catch (const Error& error) {
      print_(warning("the cache cannot be used: " + error.message()));
    }
  }
}

void Packing::restore_cache(const CacheRequest& cache) {
  std::vector<std::string> keys{cache.key};
  keys.insert(keys.end(), cache.fallback_keys.begin(), cache.fallback_keys.end());
  for (const std::string& key : keys) {
    print_("Checking cache for " + key + "...\n");
    const fs::path file = places_.caches / (file_name_of(key) + ".zip");
    std::error_code error;
    if (!fs::exists(file, error)) continue;
    // The project's own links, as it made them: a virtual environment has absolute ones.
    extract_zip(file, places_.build, workshop_.options.artifact_limit * kMostExpansion,
                Links::kAny);
    fs::last_write_time(file, fs::file_time_type::clock::now(), error);  // it is in use
    print_("Successfully extracted cache\n");
    return;
  }
  print_("No cache was found; a fresh one will be made\n");
}

void Packing::save_caches(bool succeeded) {
  for (const CacheRequest& cache : plan_.caches) {
    if (cache.policy == "pull") {
      print_("Not uploading cache " + cache.key + " due to policy\n");
      continue;
    }
    if (!is_due(cache.when, succeeded)) continue;
    try {
      save_cache(cache);
    } catch (const std::exception& error) {
      print_(warning(std::string("the cache cannot be saved: ") + error.what()));
    }
  }
}

void Packing::save_cache(const CacheRequest& cache) {
  print_("Creating cache " + cache.key + "...\n");
  const std::set<std::string> paths = collect(cache.paths, cache.untracked, {});
  if (paths.empty()) {
    print_("No files to cache\n");
    return;
  }
  fs::create_directories(places_.caches);
  const std::string name = file_name_of(cache.key);
  // Another job may save the same cache now: each makes its own file, and the last one stays.
  const fs::path made = places_.caches / (name + "." + std::to_string(assignment_.job.id) + ".new");
  write_zip(places_.build, paths, made, workshop_.options.artifact_limit);
  fs::rename(made, places_.caches / (name + ".zip"));
  print_("Created cache\n");
}

void Packing::download() {
  for (const ci::Job& job : assignment_.dependencies) {
    const auto is_archive = [](const ci::Artifact& artifact) { return artifact.type == "archive"; };
    if (std::none_of(job.artifacts.begin(), job.artifacts.end(), is_archive)) continue;
    const std::string name = job.name() + " (" + std::to_string(job.id) + ")";
    print_("Downloading artifacts for " + name + "...\n");
    const auto file = workshop_.ci.artifact_path(job.id, "archive");
    if (!file) throw Error("NotFound", "the artifacts of " + name + " are gone");
    try {
      extract_zip(*file, places_.build, workshop_.options.artifact_limit * kMostExpansion);
    } catch (const Error& error) {
      throw Error(error.code(), "the artifacts of " + name + " cannot be used: " + error.message());
    }
  }
}

void Packing::upload(bool succeeded) {
  int number = 0;
  for (const ArtifactRequest& request : plan_.artifacts) {
    if (is_due(request.when, succeeded)) upload_one(request, number++);
  }
}

// The server refuses an archive with a link that leads out of the project.
void Packing::leave_out_links(std::set<std::string>& paths) {
  std::erase_if(paths, [&](const std::string& path) {
    const fs::path file = places_.build / path;
    if (!fs::is_symlink(fs::symlink_status(file))) return false;
    const std::string target = fs::read_symlink(file).string();
    if (link_stays_inside(path, target)) return false;
    print_(warning(path + " leads out of the project (to " + target + ") and is left out"));
    return true;
  });
}

void Packing::upload_one(const ArtifactRequest& request, int number) {
  // After a restart some may be there already.
  const auto job = workshop_.ci.job(assignment_.job.id);
  if (job &&
      std::any_of(job->artifacts.begin(), job->artifacts.end(),
                  [&](const ci::Artifact& artifact) { return artifact.type == request.type; })) {
    return;
  }
  print_("Uploading artifacts...\n");
  std::set<std::string> paths = collect(request.paths, request.untracked, request.exclude);
  leave_out_links(paths);
  if (paths.empty()) {
    print_("\x1b[31;1mERROR: No files to upload\x1b[0;m\n");
    return;
  }
  fs::create_directories(places_.outgoing);
  const fs::path file = places_.outgoing / std::to_string(number);
  if (request.format == "zip") {
    write_zip(places_.build, paths, file, workshop_.options.artifact_limit);
  } else if (request.format == "gzip") {
    write_gzip(places_.build, paths, file, workshop_.options.artifact_limit);
  } else {
    if (paths.size() > 1) throw Error("Invalid", request.type + " takes one file");
    // Copied: the working tree keeps its own, and a link is not followed.
    if (!fs::is_regular_file(fs::symlink_status(places_.build / *paths.begin()))) {
      throw Error("Invalid", *paths.begin() + " is no file");
    }
    fs::copy_file(places_.build / *paths.begin(), file, fs::copy_options::overwrite_existing);
  }
  ci::Artifact artifact;
  artifact.type = request.type;
  artifact.format = request.format;
  artifact.filename = file_name(request);
  artifact.size = fs::file_size(file);
  const std::string uploading =
      "Uploading artifacts as \"" + request.type + "\" to coordinator... ";
  try {
    workshop_.queue.add_artifact(assignment_.job.id, artifact, file);
  } catch (const Error& error) {
    print_("\x1b[31;1mERROR: " + uploading + std::to_string(error.status()) + " " +
           error.message() + "\x1b[0;m\n");
    throw;
  }
  print_(uploading + "201 Created  id=" + std::to_string(assignment_.job.id) + "\n");
}

}  // namespace slipway::runner
