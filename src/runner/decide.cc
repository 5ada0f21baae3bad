#include "runner/decide.h"

#include <algorithm>
#include <array>
#include <map>

#include "base/digest.h"
#include "base/strings.h"
#include "ci/merge_request.h"

namespace slipway::runner {
namespace {

constexpr int kDefaultDepth = 20;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_special(char c) {
  return std::string_view("*#$@!?-0123456789").find(c) != std::string_view::npos;
}

// The name after a "$" at the text's begin, and how many characters it takes.
std::pair<std::string_view, std::size_t> name_at(std::string_view text) {
  if (text.empty()) return {"", 0};
  if (text[0] == '{') {
    if (text.size() > 2 && is_special(text[1]) && text[2] == '}') return {text.substr(1, 1), 3};
    const std::size_t end = text.find('}');
    if (end == std::string_view::npos) return {"", 1};
    return {text.substr(1, end - 1), end + 1};
  }
  if (is_special(text[0])) return {text.substr(0, 1), 1};
  std::size_t end = 0;
  while (end < text.size() && is_name_character(text[end])) ++end;
  return {text.substr(0, end), end};
}

struct ReportKind {
  std::string_view format;
  std::string_view file;
};
// The reports whose format or file is not "gzip" and the type's own name.
const std::map<std::string_view, ReportKind>& report_kinds() {
  static const std::map<std::string_view, ReportKind> kinds{
      {"dotenv", {"gzip", ".env"}},
      {"junit", {"gzip", "junit.xml"}},
      {"metrics", {"gzip", "metrics.txt"}},
      {"cobertura", {"gzip", "cobertura-coverage.xml"}},
      {"jacoco", {"gzip", "jacoco-coverage.xml"}},
      {"lsif", {"zip", "lsif.json"}},
      {"cyclonedx", {"gzip", "gl-sbom.cdx.json"}},
      {"annotations", {"gzip", "gl-annotations.json"}},
      {"accessibility", {"raw", "gl-accessibility.json"}},
      {"codequality", {"raw", "gl-code-quality-report.json"}},
      {"sast", {"raw", "gl-sast-report.json"}},
      {"secret_detection", {"raw", "gl-secret-detection-report.json"}},
      {"dependency_scanning", {"raw", "gl-dependency-scanning-report.json"}},
      {"container_scanning", {"raw", "gl-container-scanning-report.json"}},
      {"dast", {"raw", "gl-dast-report.json"}},
      {"license_scanning", {"raw", "gl-license-scanning-report.json"}},
      {"performance", {"raw", "performance.json"}},
      {"browser_performance", {"raw", "browser-performance.json"}},
      {"load_performance", {"raw", "load-performance.json"}},
      {"terraform", {"raw", "tfplan.json"}},
      {"requirements", {"raw", "requirements.json"}},
      {"coverage_fuzzing", {"raw", "gl-coverage-fuzzing.json"}},
      {"api_fuzzing", {"raw", "gl-api-fuzzing-report.json"}}};
  return kinds;
}

ArtifactRequest report(std::string type, const Json& paths, const std::string& expire_in) {
  ArtifactRequest request;
  request.paths = texts(paths);
  if (paths.is_object()) {  // coverage_report
    type = base::text_or(paths, "coverage_format");
    request.paths = {base::text_or(paths, "path")};
  }
  const auto kind = report_kinds().find(type);
  request.format = kind == report_kinds().end() ? "gzip" : kind->second.format;
  request.name = kind == report_kinds().end() ? type : std::string(kind->second.file);
  request.type = std::move(type);
  request.when = "always";
  request.expire_in = expire_in;
  return request;
}

std::string key_of_files(const Json& key,
                         const std::function<std::string(const std::string&)>& last_change) {
  std::vector<std::string> commits;
  const Json& files =
      key.contains("files") ? key["files"] : base::array_or_empty(key, "files_commits");
  for (const std::string& file : texts(files)) {
    std::string commit = last_change(file);
    if (!commit.empty()) commits.push_back(std::move(commit));
  }
  std::sort(commits.begin(), commits.end());
  const std::string hash =
      commits.empty() ? "default"
                      : base::hex(base::digest(base::Algorithm::kSha1, base::join(commits, "-")));
  const std::string prefix = base::text_or(key, "prefix");
  return prefix.empty() ? hash : prefix + "-" + hash;
}

std::string with_protection(std::string key, bool is_protected) {
  if (key.ends_with("-protected") || key.ends_with("-non_protected")) return key;
  return key + (is_protected ? "-protected" : "-non_protected");
}

std::optional<std::vector<std::string>> words(const Json& object, const char* key) {
  if (!object.contains(key) || object[key].is_null()) return std::nullopt;
  return texts(object[key]);
}

}  // namespace

std::string expand_once(std::string_view text,
                        const std::function<std::string(std::string_view)>& value_of) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t dollar = text.find('$', at);
    if (dollar == std::string_view::npos || dollar + 1 == text.size()) {
      result += text.substr(at);
      break;
    }
    result += text.substr(at, dollar - at);
    const auto [name, length] = name_at(text.substr(dollar + 1));
    if (name.empty() && length == 0) {
      result += '$';  // not followed by a name
    } else if (name == "$") {
      result += '$';
    } else if (!name.empty() && !(name.size() == 1 && is_special(name[0]))) {
      result += value_of(name);
    }
    at = dollar + 1 + length;
  }
  return result;
}

std::string expand_once(std::string_view text, const ci::Variables& variables) {
  return expand_once(text, [&](std::string_view name) {
    return std::string(ci_config::value_of(variables, name));
  });
}

std::vector<std::string> texts(const Json& value) {
  std::vector<std::string> result;
  if (value.is_string()) result.push_back(value.get<std::string>());
  if (!value.is_array()) return result;
  for (const Json& entry : value) {
    if (entry.is_string()) {
      result.push_back(entry.get<std::string>());
    } else if (entry.is_number() || entry.is_boolean()) {
      result.push_back(entry.dump());
    }
  }
  return result;
}

std::vector<ArtifactRequest> artifact_requests(const Json& options) {
  const Json& artifacts = base::object_or_empty(options, "artifacts");
  std::vector<ArtifactRequest> requests;
  ArtifactRequest archive;
  archive.name = base::text_or(artifacts, "name");
  archive.untracked = base::boolean_or(artifacts, "untracked", false);
  archive.when = base::text_or(artifacts, "when", "on_success");
  archive.expire_in = base::text_or(artifacts, "expire_in");
  if (artifacts.contains("paths")) archive.paths = texts(artifacts["paths"]);
  if (artifacts.contains("exclude")) archive.exclude = texts(artifacts["exclude"]);
  const std::string expire_in = archive.expire_in;
  if (!archive.paths.empty() || archive.untracked) requests.push_back(std::move(archive));
  const Json& reports = base::object_or_empty(artifacts, "reports");
  for (auto entry = reports.begin(); entry != reports.end(); ++entry) {
    if (entry.value().is_null()) continue;
    requests.push_back(report(entry.key(), entry.value(), expire_in));
  }
  return requests;
}

bool is_due(std::string_view when, bool succeeded) {
  if (when == "always") return true;
  return (when == "on_failure") != succeeded;
}

std::vector<CacheRequest> cache_requests(
    const Json& options, bool is_protected,
    const std::function<std::string(const std::string& path)>& last_change) {
  std::vector<CacheRequest> requests;
  if (!options.contains("cache")) return requests;
  const Json& cache = options["cache"];
  const Json list = cache.is_array() ? cache : Json::array({cache});
  for (const Json& entry : list) {
    if (!entry.is_object()) continue;
    CacheRequest request;
    if (entry.contains("key") && entry["key"].is_object()) {
      request.key = key_of_files(entry["key"], last_change);
    } else {
      request.key = base::text_or(entry, "key", "default");
    }
    request.untracked = base::boolean_or(entry, "untracked", false);
    request.policy = base::text_or(entry, "policy", "pull-push");
    request.when = base::text_or(entry, "when", "on_success");
    if (entry.contains("paths")) request.paths = texts(entry["paths"]);
    if (entry.contains("fallback_keys")) request.fallback_keys = texts(entry["fallback_keys"]);
    if (request.paths.empty() && !request.untracked) continue;
    const bool suffix = !base::boolean_or(entry, "unprotect", false);
    const bool as_protected = is_protected && suffix;
    request.key = with_protection(request.key, as_protected);
    for (std::string& key : request.fallback_keys) key = with_protection(key, as_protected);
    requests.push_back(std::move(request));
  }
  return requests;
}

std::vector<ServiceRequest> service_requests(const Json& options) {
  std::vector<ServiceRequest> requests;
  for (const Json& entry : base::array_or_empty(options, "services")) {
    ServiceRequest request;
    if (entry.is_string()) {
      request.image = entry.get<std::string>();
    } else if (entry.is_object()) {
      request.image = base::text_or(entry, "name");
      request.aliases =
          base::split(base::replace_all(base::text_or(entry, "alias"), " ", ","), ',');
      request.entrypoint = words(entry, "entrypoint");
      request.command = words(entry, "command");
      const Json& variables = base::object_or_empty(entry, "variables");
      for (auto each = variables.begin(); each != variables.end(); ++each) {
        const bool text = each.value().is_string();
        request.variables.push_back(
            {each.key(), text ? each.value().get<std::string>() : each.value().dump()});
      }
    }
    std::erase(request.aliases, "");
    if (!request.image.empty()) requests.push_back(std::move(request));
  }
  return requests;
}

int depth_of(const forge::Project& project, const ci::Variables& variables) {
  const std::string given = ci_config::value_of(variables, "GIT_DEPTH");
  if (const auto depth = base::parse_integer(given); depth && *depth >= 0 && *depth < 1'000'000) {
    return static_cast<int>(*depth);
  }
  return static_cast<int>(
      base::integer_or(project.settings, "ci_default_git_depth", kDefaultDepth));
}

std::vector<std::string> refspecs(const ci::Pipeline& pipeline, int depth) {
  const std::string own = "refs/pipelines/" + std::to_string(pipeline.id);
  std::vector<std::string> result{"+" + own + ":" + own};
  if (depth == 0) {
    result.push_back("+refs/heads/*:refs/remotes/origin/*");
    result.push_back("+refs/tags/*:refs/tags/*");
  } else if (pipeline.tag) {
    result.push_back("+refs/tags/" + pipeline.ref + ":refs/tags/" + pipeline.ref);
  } else if (!ci::is_merge_request_ref(pipeline.ref)) {
    result.push_back("+refs/heads/" + pipeline.ref + ":refs/remotes/origin/" + pipeline.ref);
  }
  return result;
}

GitStrategy strategy_of(const ci::Variables& variables) {
  const std::string text = ci_config::value_of(variables, "GIT_STRATEGY", "fetch");
  if (text == "clone") return GitStrategy::kClone;
  if (text == "none") return GitStrategy::kNone;
  if (text == "empty") return GitStrategy::kEmpty;
  return GitStrategy::kFetch;
}

std::vector<std::string> lacking_features(const ci_config::JobSpec& spec, const Json& info) {
  const Json& features = base::object_or_empty(info, "features");
  if (features.empty()) return {};
  const auto artifacts = artifact_requests(spec.options);
  const Json& caches = base::array_or_empty(spec.options, "cache");
  const auto is_report = [](const ArtifactRequest& each) { return each.type != "archive"; };
  const auto excludes = [](const ArtifactRequest& each) { return !each.exclude.empty(); };
  const auto falls_back = [](const Json& cache) {
    return !base::array_or_empty(cache, "fallback_keys").empty();
  };
  const std::pair<const char*, bool> needs[] = {
      {"upload_multiple_artifacts", std::any_of(artifacts.begin(), artifacts.end(), is_report)},
      {"artifacts_exclude", std::any_of(artifacts.begin(), artifacts.end(), excludes)},
      {"return_exit_code",
       !spec.allow_failure_exit_codes.empty() || !spec.retry.exit_codes.empty()},
      {"fallback_cache_keys", std::any_of(caches.begin(), caches.end(), falls_back)}};
  std::vector<std::string> lacking;
  for (const auto& [feature, is_needed] : needs) {
    if (is_needed && !base::boolean_or(features, feature, false)) lacking.emplace_back(feature);
  }
  return lacking;
}

bool is_common_base(std::string_view image) {
  static constexpr std::array<std::string_view, 6> kPrefixes{"docker.io/library/",
                                                             "registry.hub.docker.com/library/",
                                                             "public.ecr.aws/docker/library/",
                                                             "docker.io/",
                                                             "library/",
                                                             "index.docker.io/"};
  static const std::set<std::string_view> kNames{"python",
                                                 "alpine",
                                                 "ubuntu",
                                                 "debian",
                                                 "bash",
                                                 "busybox",
                                                 "fedora",
                                                 "amazonlinux",
                                                 "centos",
                                                 "rockylinux",
                                                 "almalinux",
                                                 "node",
                                                 "ruby",
                                                 "golang",
                                                 "rust",
                                                 "gcc",
                                                 "buildpack-deps",
                                                 "openjdk",
                                                 "eclipse-temurin",
                                                 "maven",
                                                 "gradle",
                                                 "perl",
                                                 "php",
                                                 "docker",
                                                 "amazon/aws-cli",
                                                 "alpine/git",
                                                 "curlimages/curl",
                                                 "continuumio/miniconda3",
                                                 "continuumio/anaconda3",
                                                 "bitnami/git",
                                                 "badouralix/curl-jq",
                                                 "apache/airflow",
                                                 "pytorch/pytorch",
                                                 "tensorflow/tensorflow",
                                                 "registry.gitlab.com/gitlab-org/release-cli",
                                                 "r-base",
                                                 "julia",
                                                 "astral/uv"};
  for (const std::string_view prefix : kPrefixes) {
    if (image.starts_with(prefix)) {
      image.remove_prefix(prefix.size());
      break;
    }
  }
  image = image.substr(0, image.find('@'));
  const std::size_t slash = image.rfind('/');
  const std::size_t colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  return kNames.contains(image.substr(0, colon));
}

ci::JobUpdate update_of(const Outcome& outcome) {
  ci::JobUpdate update;
  update.state = outcome.ending == Ending::kSuccess ? "success" : "failed";
  switch (outcome.ending) {
    case Ending::kSuccess:
      update.exit_code = 0;
      break;
    case Ending::kScriptFailure:
      update.failure_reason = "script_failure";
      update.exit_code = outcome.exit_code;
      break;
    case Ending::kTimeout:
      update.failure_reason = "job_execution_timeout";
      break;
    case Ending::kCanceled:
      update.failure_reason = "job_canceled";
      break;
    case Ending::kImageFailure:
      update.failure_reason = "image_pull_failure";
      break;
    case Ending::kSystemFailure:
      update.failure_reason = "runner_system_failure";
      break;
  }
  return update;
}

std::string duration_text(std::chrono::seconds duration) {
  const std::int64_t all = duration.count();
  std::string text;
  if (all >= 3600) text += std::to_string(all / 3600) + "h";
  if (all >= 60) text += std::to_string(all / 60 % 60) + "m";
  return text + std::to_string(all % 60) + "s";
}

std::string file_name_of(std::string_view key) {
  // The hash keeps long keys apart, and those that differ in what is replaced.
  std::string name;
  for (const char c : key.substr(0, 100)) name += is_name_character(c) || c == '-' ? c : '_';
  return name + "-" + base::sha256_hex(key).substr(0, 16);
}

}  // namespace slipway::runner
