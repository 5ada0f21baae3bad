#include "forge/forge.h"

#include <algorithm>
#include <chrono>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "forge/decide.h"
#include "forge/limits.h"
#include "forge/state.h"
#include "forge/store.h"

namespace slipway::forge {

Forge::Forge(store::Database& database, const base::Clock& clock, const iam::Iam& iam,
             ForgeOptions options)
    : state_(std::make_unique<State>(database, clock, iam, std::move(options))) {}

Forge::~Forge() { stop(); }

void Forge::start() {
  {
    const std::lock_guard lock(state_->mutex);
    if (state_->pool) return;
    state_->stopping = false;
    state_->write_hooks();
    // A post-receive hook waits here for what follows its push, so there are some of them.
    state_->pool = std::make_shared<base::ThreadPool>(
        base::ThreadPoolOptions{.name = "forge", .threads = 8, .queue = 256});
    state_->socket_server = std::make_unique<HookSocket>(
        state_->socket(), *state_->pool,
        [this](const Json& question) { return state_->answer_hook(question); });
    // Listens before it looks: a git that has outlived an earlier server is seen or heard.
    state_->socket_server->start();
  }
  if (state_->ledger.recover([this](Id project) { return state_->repository_of(project); })) {
    state_->watcher = std::thread([this] { state_->watch_open_pushes(); });
  }
  state_->later([this] { state_->tidy_repositories(); });
}

void Forge::stop() {
  std::shared_ptr<base::ThreadPool> pool;
  std::unique_ptr<HookSocket> socket;
  {
    const std::lock_guard lock(state_->mutex);
    pool = std::move(state_->pool);
    socket = std::move(state_->socket_server);
    state_->stopping = true;
  }
  state_->stopped.notify_all();
  if (state_->watcher.joinable()) state_->watcher.join();
  if (socket) socket->stop();
  if (pool) pool->stop();
}

void Forge::on_push(std::function<std::vector<std::string>(const Push&)> handler) {
  state_->ledger.tell_to(std::move(handler));
}

void Forge::job_tokens_by(std::function<std::optional<Identity>(std::string_view token)> find) {
  const std::lock_guard lock(state_->mutex);
  state_->find_job = std::move(find);
}

std::optional<Identity> Forge::authenticate(std::string_view token) const {
  if (token.empty() || token.size() > 1024) return std::nullopt;
  if (token.starts_with("glcbt-")) {
    JobTokenFinder find;
    {
      const std::lock_guard lock(state_->mutex);
      find = state_->find_job;
    }
    return find ? find(token) : std::nullopt;
  }
  // Found by its digest: how long the look-up takes tells nothing about the token.
  const std::string digest = token_digest(token);
  const base::Millis now = state_->clock.now();
  std::optional<AccessToken> stored;
  std::optional<Identity> identity;
  state_->database.read([&](Reader& reader) {
    stored = find_token(reader, digest);
    if (!stored || stored->revoked || (stored->expires && *stored->expires <= now)) return;
    const auto owner = find_user(reader, stored->user);
    if (!owner) return;
    identity = Identity{.user = *owner,
                        .kind = TokenKind::kAccess,
                        .scopes = stored->scopes,
                        .only_project = stored->project,
                        .token = stored->id};
  });
  const auto often = std::chrono::milliseconds(kNoteUse).count();
  if (identity && stored->last_used.value_or(0) + often <= now) {
    state_->database.write(
        [&](Transaction& transaction) { note_use(transaction, stored->id, now); });
  }
  return identity;
}

std::optional<Identity> Forge::authenticate(std::string_view user,
                                            std::string_view password) const {
  if (auto identity = authenticate(password)) return identity;
  const auto key = state_->iam.find(user);
  // Keys of role sessions are for the AWS APIs.
  if (!key || !key->session_token.empty() || key->expires != 0 ||
      !base::equals_in_constant_time(key->secret, password)) {
    return std::nullopt;
  }
  const auto root =
      state_->database.read([](Reader& reader) { return find_user_named(reader, "root"); });
  if (!root) return std::nullopt;
  return Identity{.user = *root, .kind = TokenKind::kPassword, .scopes = {"api"}};
}

Access Forge::access(const Identity& identity, const Project& project) const {
  if (identity.only_project && *identity.only_project != project.id) return Access::kNone;
  const Access role = state_->role(identity.user, project);
  if (identity.kind != TokenKind::kJob || identity.job_project == project.id) return role;
  if (!lets_job_in(project, identity.job_project.value_or(0))) return Access::kNone;
  return std::min(role, Access::kReporter);
}

bool Forge::can_read(const Identity* identity, const Project& project) const {
  const Access access = identity ? this->access(*identity, project) : Access::kNone;
  return access >= Access::kGuest || state_->reads_code(identity, project, access);
}

bool Forge::can_push(const Identity& identity, const Project& project,
                     const std::string& ref) const {
  if (identity.kind == TokenKind::kJob) return false;
  const RefUpdate update{.ref = ref, .before = kNoCommit, .after = "new"};
  return !refusal(update, project, state_->rules(project.id, ref), access(identity, project),
                  Way::kApi);
}

bool Forge::is_protected(const Project& project, const std::string& ref) const {
  return state_->rules(project.id, ref).is_protected;
}

Repository Forge::repository(Id project) const {
  return Repository(state_->repository_of(project));
}

}  // namespace slipway::forge
