#pragma once

// The forge: users, tokens, groups, projects and their git repositories (GitLab's project half).
//
// Repositories are bare, under <data>/repositories/<project id>.git. Everything else is in
// the database. The first start makes the user "root" (id 1, administrator) and an access
// token for it in <data>/gitlab-token (0600); an access key of iam logs in as well (user: its
// id, password: its secret), as root.

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "forge/repository.h"
#include "forge/types.h"
#include "iam/iam.h"
#include "net/server.h"
#include "store/database.h"

namespace slipway::forge {

struct MergeOrder;  // merge.h
struct Merged;

struct ForgeOptions {
  std::filesystem::path data;  // <data>: repositories/, gitlab-token, forge.sock
};

// Thread-safe. Names, tokens and refs are checked; what is refused is an Error whose code is
// "Unauthorized" (401), "Forbidden" (403), "NotFound" (404), "Conflict" (409) or "Invalid" (400,
// detail: {"field": ["what is wrong"]}), with GitLab's message.
class Forge {
 public:
  Forge(store::Database& database, const base::Clock& clock, const iam::Iam& iam,
        ForgeOptions options);
  ~Forge();

  // Starts what the git hooks talk to and tells of pushes that a crash left untold. Call after
  // on_push(); stop() is repeatable.
  void start();
  void stop();

  // What is done for a push, before the client's `git push` returns; the lines that it returns are
  // shown to the person who pushes. It may be called twice for one Push::id. At most one.
  void on_push(std::function<std::vector<std::string>(const Push&)> handler);
  // Answers for glcbt- tokens. At most one; without it they are refused.
  void job_tokens_by(std::function<std::optional<Identity>(std::string_view token)> find);

  // Of a token, whatever its kind; nothing where it is unknown, expired or revoked.
  std::optional<Identity> authenticate(std::string_view token) const;
  // Git's and the registry's Basic: password = a token (any user name) or an access key's secret.
  std::optional<Identity> authenticate(std::string_view user, std::string_view password) const;

  // What the identity may do in the project, its own role or a group's, the highest. A job token
  // has its user's role in its own project, and read elsewhere where the target allows it.
  Access access(const Identity& identity, const Project& project) const;
  bool can_read(const Identity* identity, const Project& project) const;  // null: nobody
  // Whether the user may push to this branch or create this tag, protected or not.
  bool can_push(const Identity& identity, const Project& project, const std::string& ref) const;
  bool is_protected(const Project& project, const std::string& ref) const;  // "refs/heads/main"

  User create_user(User user);
  std::optional<User> user(Id id) const;
  std::optional<User> user_named(std::string_view username) const;
  std::vector<User> users() const;

  // Returns the token's text too, which is not kept.
  std::pair<AccessToken, std::string> create_token(AccessToken token);
  std::vector<AccessToken> tokens(Id user) const;
  void revoke_token(Id id);

  Namespace create_group(Namespace group, Id owner);
  std::optional<Namespace> space(Id id) const;
  std::optional<Namespace> space_at(std::string_view full_path) const;
  std::vector<Namespace> spaces() const;
  void remove_group(Id id);  // with its projects

  // Makes the repository too. Missing: name from path, space from the user's own, default_branch.
  Project create_project(Project project, Id creator);
  std::optional<Project> project(Id id) const;
  std::optional<Project> project_at(std::string_view full_path) const;
  std::vector<Project> projects() const;  // all, by id
  void update_project(const Project& project);
  void remove_project(Id id);

  void set_member(Id space_or_project, bool of_project, Id user, Access access);  // kNone: removes
  std::vector<Member> members(Id space_or_project, bool of_project) const;

  std::vector<ProtectedRef> protected_refs(Id project) const;
  void protect(Id project, ProtectedRef ref);
  void unprotect(Id project, const std::string& name, bool tag);

  // Valid as long as the forge.
  Repository repository(Id project) const;

  // Changes files on a branch by one commit and does for it what a push does. Throws Error{Invalid}
  // where an action does not fit (a file that is there already, …), {Conflict} where the branch is
  // no longer at `expected`.
  Commit commit(const Identity& identity, Id project, const CommitRequest& request);
  // Creates, moves or removes a branch or tag, as a push would.
  void set_ref(const Identity& identity, Id project, const std::string& ref,
               const std::string& commit);
  // Whether the user may merge into this branch, protected or not.
  bool can_merge(const Identity& identity, const Project& project, const std::string& branch) const;
  // Merges a branch into another and does for it what a push does. Throws Error{NotMergeable} (406,
  // detail: {"conflicts": [paths]}) where that cannot be, {Conflict} where the source is no longer
  // at `expected`.
  Merged merge(const Identity& identity, Id project, const MergeOrder& order);

 private:
  friend class GitHttp;
  struct State;
  std::unique_ptr<State> state_;
};

// Git's smart HTTP by `git http-backend`: /<group>/<project>.git/info/refs,
// /git-upload-pack, /git-receive-pack, with or without ".git". Thread-safe.
class GitHttp final : public net::Handler {
 public:
  explicit GitHttp(Forge& forge) : forge_(forge) {}
  // Whether the path is git's.
  static bool takes(std::string_view path);
  std::optional<net::Response> admit(const net::RequestHead& head) override;
  net::Response handle(net::Request request) override;

 private:
  Forge& forge_;
};

}  // namespace slipway::forge
