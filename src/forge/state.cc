#include "forge/state.h"

#include <algorithm>
#include <chrono>
#include <set>

#include <sys/stat.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "forge/git.h"
#include "forge/git_hook_program.h"
#include "forge/limits.h"
#include "forge/store.h"
#include "store/files.h"

namespace slipway::forge {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFirstToken = "first start";

std::string read_line(const fs::path& path) {
  std::error_code missing;
  if (!fs::exists(path, missing)) return "";
  return std::string(base::trim(store::read_file(path, 64u << 10)));
}

// No git that lives writes there any more.
bool is_old(const fs::directory_entry& entry) {
  std::error_code gone;
  const auto written = entry.last_write_time(gone);
  return !gone && fs::file_time_type::clock::now() - written > kGitTime;
}

bool is_old_lock(const fs::directory_entry& entry) {
  return entry.path().extension() == ".lock" && is_old(entry);
}

// What was cut off by the machine's end: locks, which would block their refs, what a push had
// brought until then, which may be large, and the places of commits that were made through the API.
void remove_leavings(const fs::path& repository) {
  std::vector<fs::path> old;
  for (const fs::directory_entry& entry : fs::directory_iterator(repository)) {
    const bool workshop = entry.path().filename().string().starts_with("commit-");
    if (is_old_lock(entry) || (workshop && is_old(entry))) old.push_back(entry.path());
  }
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(repository / "refs")) {
    if (is_old_lock(entry)) old.push_back(entry.path());
  }
  for (const fs::directory_entry& entry : fs::directory_iterator(repository / "objects")) {
    const bool quarantine = entry.path().filename().string().starts_with("tmp_objdir-");
    if (quarantine && is_old(entry)) old.push_back(entry.path());
  }
  for (const fs::path& path : old) {
    std::error_code gone;
    fs::remove_all(path, gone);
    log(Level::kWarning, "what an old git has left was removed", {{"path", path.string()}});
  }
}

Moves moves_of(const Json& question) {
  Moves moves;
  moves.session = base::text_or(question, "session");
  moves.project = base::integer_or(question, "project", 0);
  moves.user = base::integer_or(question, "user", 0);
  for (const Json& update : base::array_or_empty(question, "updates")) {
    moves.updates.push_back({.ref = base::text_or(update, "ref"),
                             .before = base::text_or(update, "before"),
                             .after = base::text_or(update, "after"),
                             .forced = base::boolean_or(update, "forced", false)});
  }
  for (const Json& option : base::array_or_empty(question, "options")) {
    if (option.is_string()) moves.options.push_back(option.get<std::string>());
  }
  return moves;
}

}  // namespace

std::string token_digest(std::string_view token) { return base::sha256_hex(token); }

ForgeState::ForgeState(store::Database& database_in, const base::Clock& clock_in,
                       const iam::Iam& iam_in, ForgeOptions options_in)
    : database(database_in),
      clock(clock_in),
      iam(iam_in),
      options(std::move(options_in)),
      ledger(database_in, clock_in,
             {.account = iam_in.account(),
              .process_life = std::chrono::milliseconds(2 * kGitTime).count()}) {
  migrate_forge(database);
  store::create_directories_durably(store::system_disk(), repositories());
  fs::permissions(repositories(), fs::perms::owner_all);
  make_root();
  ledger.before_telling([this](const Push& push) { adopt_default_branch(push); });
}

void ForgeState::make_root() {
  const base::Millis now = clock.now();
  const auto known = database.read([](Reader& reader) { return find_user_named(reader, "root"); });
  if (!known) {
    database.write([&](Transaction& transaction) {
      User root;
      root.id = next_id(transaction, "users");
      root.username = "root";
      root.name = "Administrator";
      root.email = "root@localhost";
      root.admin = true;
      root.created = now;
      insert_user(transaction, root);
      Namespace space;
      space.id = next_id(transaction, "spaces");
      space.name = root.name;
      space.path = space.full_path = root.username;
      space.kind = "user";
      space.created = now;
      insert_space(transaction, space, root.id);
    });
  }
  const fs::path file = options.data / "gitlab-token";
  const std::string digest = token_digest(read_line(file));
  const auto stored = database.read([&](Reader& reader) { return find_token(reader, digest); });
  if (stored && !stored->revoked) return;
  const std::string text = "glpat-" + base::random_text(20, kTokenAlphabet);
  database.write([&](Transaction& transaction) {
    const User root = find_user_named(transaction, "root").value();
    // Of a first start that a crash cut short, or whose file is gone: nobody has it.
    for (const AccessToken& token : tokens_of(transaction, root.id)) {
      if (token.name == kFirstToken && !token.revoked) revoke(transaction, token.id);
    }
    AccessToken token;
    token.id = next_id(transaction, "tokens");
    token.name = kFirstToken;
    token.user = root.id;
    token.scopes = {"api"};
    token.created = now;
    insert_token(transaction, token, token_digest(text));
  });
  store::write_atomically(store::system_disk(), file, text + "\n");
}

void ForgeState::tidy_repositories() const {
  for (const fs::directory_entry& entry : fs::directory_iterator(repositories())) {
    if (entry.path().extension() == ".removed") {
      std::error_code later;  // the next start tries again
      fs::remove_all(entry.path(), later);
      continue;
    }
    const auto id = base::parse_integer(entry.path().stem().string());
    if (!id || entry.path().extension() != ".git") continue;
    const auto found = database.read([&](Reader& reader) { return find_project(reader, *id); });
    if (!found) continue;
    remove_leavings(entry.path());
    if (read_line(entry.path() / "HEAD") != "ref: refs/heads/" + found->default_branch) {
      point_head(entry.path(), found->default_branch);
    }
  }
}

void ForgeState::write_hooks() const {
  store::create_directories_durably(store::system_disk(), hooks());
  for (const char* name : {"pre-receive", "post-receive"}) {
    const fs::path path = hooks() / name;
    store::write_atomically(store::system_disk(), path, std::string(git_hook_program()));
    fs::permissions(path, fs::perms::owner_all);
  }
}

Access ForgeState::role(const User& user, const Project& project) const {
  if (user.admin) return Access::kOwner;
  return database.read([&](Reader& reader) {
    Standing standing;
    standing.owns_namespace = owns_space(reader, user.id, project.space);
    standing.memberships.push_back(member_access(reader, project.id, true, user.id));
    for (const Id space : lineage(reader, project.space)) {
      standing.memberships.push_back(member_access(reader, space, false, user.id));
    }
    return role_of(standing);
  });
}

bool ForgeState::reads_code(const Identity* identity, const Project& project, Access access) const {
  if (project.visibility == Visibility::kPublic) return true;
  if (identity == nullptr) return false;
  const bool whole = identity->kind != TokenKind::kJob && !identity->only_project;
  if (project.visibility == Visibility::kInternal && whole) return true;
  return access >= Access::kReporter;
}

bool ForgeState::may_create_in(const User& user, const Namespace& space) const {
  if (user.admin) return true;
  return database.read([&](Reader& reader) {
    if (owns_space(reader, user.id, space.id)) return true;
    const std::vector<Id> spaces = lineage(reader, space.id);
    return std::any_of(spaces.begin(), spaces.end(), [&](Id id) {
      return member_access(reader, id, false, user.id) >= Access::kDeveloper;
    });
  });
}

RefRules ForgeState::rules(Id project, const std::string& ref) const {
  return rules_for(
      database.read([&](Reader& reader) { return protected_refs_of(reader, project); }), ref);
}

Json ForgeState::answer_hook(const Json& question) {
  const Moves moves = moves_of(question);
  const std::string hook = base::text_or(question, "hook");
  const auto found =
      database.read([&](Reader& reader) { return find_project(reader, moves.project); });
  const auto pusher = database.read([&](Reader& reader) { return find_user(reader, moves.user); });
  if (!found || !pusher || moves.session.empty()) {
    throw Error("NotFound", "The project or the user is gone.", 404);
  }
  if (hook == "post-receive") return {{"lines", ledger.moved(moves)}};
  if (hook != "pre-receive") throw Error("Invalid", "There is no hook \"" + hook + "\".");
  const Access access = role(*pusher, *found);
  const auto protections =
      database.read([&](Reader& reader) { return protected_refs_of(reader, found->id); });
  for (const RefUpdate& update : moves.updates) {
    const auto reason =
        refusal(update, *found, rules_for(protections, update.ref), access, Way::kGit);
    if (reason) throw Error("Forbidden", *reason, 403);
  }
  ledger.announce(moves, repository_of(moves.project));
  return Json::object();
}

void ForgeState::set_default_branch(const Project& project, const std::string& branch) {
  database.write([&](Transaction& transaction) {
    auto current = find_project(transaction, project.id);
    if (!current) return;
    current->default_branch = branch;
    store_project(transaction, *current);
  });
  point_head(repository_of(project.id), branch);
}

void ForgeState::adopt_default_branch(const Push& push) {
  const auto branch = branch_of(push.ref);
  if (!branch || push.before != kNoCommit || push.after == kNoCommit) return;
  const auto found =
      database.read([&](Reader& reader) { return find_project(reader, push.project); });
  if (!found || found->default_branch == *branch) return;
  const fs::path repository = repository_of(push.project);
  if (ref_value(repository, "refs/heads/" + found->default_branch) != kNoCommit) return;
  if (ref_value(repository, push.ref) == kNoCommit) return;
  set_default_branch(*found, *branch);
  // The protection that the project was made with goes to the branch that it has.
  database.write([&](Transaction& transaction) {
    remove_protected_ref(transaction, push.project, found->default_branch, false);
    store_protected_ref(transaction, push.project, {.name = *branch});
  });
}

void ForgeState::watch_open_pushes() {
  // Soon at first: what such a git still has to do takes it milliseconds.
  std::chrono::milliseconds pause = kFirstLook;
  std::unique_lock lock(mutex);
  while (!stopped.wait_for(lock, pause, [this] { return stopping; })) {
    lock.unlock();
    bool open = true;
    try {
      open = ledger.look_again([this](Id project) { return repository_of(project); });
    } catch (const std::exception& error) {
      log(Level::kError, "the pushes of an earlier process could not be looked at",
          {{"error", std::string_view(error.what())}});
    }
    lock.lock();
    if (!open) return;
    pause = std::min(pause * 2, kLastLook);
  }
}

void ForgeState::later(std::function<void()> work) {
  std::shared_ptr<base::ThreadPool> workers;
  {
    const std::lock_guard lock(mutex);
    workers = pool;
  }
  const auto shared = std::make_shared<std::function<void()>>(std::move(work));
  if (workers && workers->submit([shared] { (*shared)(); })) return;
  (*shared)();
}

}  // namespace slipway::forge
