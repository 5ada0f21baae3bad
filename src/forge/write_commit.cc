#include "forge/write_commit.h"

#include "base/strings.h"
#include "forge/git.h"
#include "forge/raw_commit.h"

namespace slipway::forge {

std::string write_commit(const std::filesystem::path& repository, const std::string& tree,
                         const std::vector<std::string>& parents, const std::string& message,
                         const Signature& author, const Signature& committer) {
  GitCall call{.arguments = {"commit-tree", tree}, .input = message};
  for (const std::string& parent : parents) {
    call.arguments.insert(call.arguments.end(), {"-p", parent});
  }
  const auto sign = [&](const std::string& role, const Signature& signature) {
    const Signature clean = cleaned(signature);
    call.environment["GIT_" + role + "_NAME"] = clean.name;
    call.environment["GIT_" + role + "_EMAIL"] = clean.email;
    call.environment["GIT_" + role + "_DATE"] =
        "@" + std::to_string(signature.at / 1000) + " +0000";
  };
  sign("AUTHOR", author);
  sign("COMMITTER", committer);
  return std::string(base::trim(git_output(repository, call)));
}

}  // namespace slipway::forge
