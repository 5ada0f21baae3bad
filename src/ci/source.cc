#include "ci/source.h"

#include <utility>

#include "base/error.h"
#include "net/client.h"

namespace slipway::ci {
namespace {

constexpr std::uint64_t kRemoteLimit = 1u << 20;

std::string without_slash(const std::string& path) {
  const std::size_t start = path.find_first_not_of('/');
  return start == std::string::npos ? "" : path.substr(start);
}

}  // namespace

ForgeSource::ForgeSource(const forge::Forge& forge, forge::Identity identity,
                         forge::Project project, std::string sha, std::string before)
    : forge_(forge),
      identity_(std::move(identity)),
      project_(std::move(project)),
      repository_(forge.repository(project_.id)),
      sha_(std::move(sha)),
      before_(std::move(before)) {}

std::optional<std::string> ForgeSource::local(const std::string& path) {
  return repository_.read(sha_, without_slash(path));
}

std::vector<std::string> ForgeSource::paths() {
  if (!paths_) paths_ = repository_.paths(sha_);
  return *paths_;
}

std::unique_ptr<ci_config::Source> ForgeSource::project(const std::string& path,
                                                        const std::string& ref) {
  const auto project = forge_.project_at(path);
  if (!project || !forge_.can_read(&identity_, *project)) {
    throw Error("NotFound", "Project `" + path +
                                "` not found or access denied! Make sure any includes in the "
                                "pipeline configuration are correctly defined.");
  }
  const std::string name = ref.empty() ? project->default_branch : ref;
  const auto sha = forge_.repository(project->id).resolve(name);
  if (!sha) {
    throw Error("NotFound", "Project `" + path + "` reference `" + name + "` does not exist!");
  }
  return std::make_unique<ForgeSource>(forge_, identity_, *project, *sha, "");
}

std::optional<std::string> ForgeSource::remote(const std::string& url) {
  net::Client client;
  net::ClientRequest request;
  request.url = url;
  request.connect_timeout = std::chrono::milliseconds(5'000);
  request.timeout = std::chrono::milliseconds(10'000);
  request.response_limit = kRemoteLimit;
  const net::ClientResponse response = client.send(request);
  if (response.status >= 400) throw Error("HttpStatus", std::to_string(response.status));
  if (response.status != 200) return std::nullopt;
  return response.body;
}

std::optional<std::vector<std::string>> ForgeSource::changed_paths(const std::string& compare_to) {
  if (!compare_to.empty()) {
    const auto other = repository_.resolve(compare_to);
    if (!other) {
      throw Error("NotFound", "rules:changes:compare_to is not a valid ref");
    }
    return repository_.changed_paths(repository_.merge_base(*other, sha_).value_or(*other), sha_);
  }
  if (before_.empty() || before_ == forge::kNoCommit || !repository_.commit(before_)) {
    return std::nullopt;
  }
  return repository_.changed_paths(before_, sha_);
}

std::optional<std::string> ForgeSource::artifact(const std::string& job, const std::string& path) {
  return read_artifact_ ? read_artifact_(job, path) : std::nullopt;
}

}  // namespace slipway::ci
