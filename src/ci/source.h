#pragma once

// A commit of a project as the source of CI configuration.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ci_config/ci_config.h"
#include "forge/forge.h"

namespace slipway::ci {

// Reads with the rights of `identity`. One thread.
class ForgeSource final : public ci_config::Source {
 public:
  // `before`: the commit before the push, or empty.
  ForgeSource(const forge::Forge& forge, forge::Identity identity, forge::Project project,
              std::string sha, std::string before);

  // How to read a file of a job's artifacts, for a child pipeline.
  using ReadArtifact =
      std::function<std::optional<std::string>(const std::string& job, const std::string& path)>;
  void artifacts_by(ReadArtifact read) { read_artifact_ = std::move(read); }

  std::optional<std::string> local(const std::string& path) override;
  std::vector<std::string> paths() override;
  std::unique_ptr<ci_config::Source> project(const std::string& path,
                                             const std::string& ref) override;
  std::optional<std::string> remote(const std::string& url) override;
  std::optional<std::vector<std::string>> changed_paths(const std::string& compare_to) override;
  std::optional<std::string> artifact(const std::string& job, const std::string& path) override;

 private:
  const forge::Forge& forge_;
  const forge::Identity identity_;
  const forge::Project project_;
  const forge::Repository repository_;
  const std::string sha_;
  const std::string before_;
  ReadArtifact read_artifact_;
  std::optional<std::vector<std::string>> paths_;
};

}  // namespace slipway::ci
