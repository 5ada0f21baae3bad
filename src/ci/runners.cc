// The half of the queue that knows runners.

#include <utility>

#include "base/digest.h"
#include "base/ids.h"
#include "ci/job_queue.h"
#include "ci/record.h"

namespace slipway::ci {
namespace {

constexpr const char* kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
constexpr base::Millis kContactEvery = 60'000;  // a runner's contact is stored as often

}  // namespace

std::pair<Runner, std::string> JobQueue::add_runner(Runner runner) {
  const std::string token = "glrt-" + base::random_text(20, kLetters);
  runner.created = workshop_.clock.now();
  return workshop_.database.write([&](store::Transaction& transaction) {
    runner.id = next_number(transaction, "runner");
    insert(transaction, runner, token);
    return std::pair(runner, token);
  });
}

std::optional<Runner> JobQueue::runner_of(std::string_view token) const {
  if (token.empty()) return std::nullopt;
  auto found = workshop_.database.read([&](store::Reader& reader) {
    return runners_where(reader, "where token_hash = ?", {base::sha256_hex(token)});
  });
  if (found.empty()) return std::nullopt;
  return std::move(found.front());
}

std::optional<Runner> JobQueue::runner(Id id) const {
  auto found =
      workshop_.database.read([&](store::Reader& reader) { return find_runner(reader, id); });
  const std::lock_guard lock(mutex_);
  const auto contact = runner_contacts_.find(id);
  if (found && contact != runner_contacts_.end()) found->contacted = contact->second;
  return found;
}

std::vector<Runner> JobQueue::runners() const {
  auto found = workshop_.database.read(
      [](store::Reader& reader) { return runners_where(reader, "order by id", {}); });
  const std::lock_guard lock(mutex_);
  for (Runner& each : found) {
    const auto contact = runner_contacts_.find(each.id);
    if (contact != runner_contacts_.end()) each.contacted = contact->second;
  }
  return found;
}

void JobQueue::update_runner(const Runner& runner) {
  workshop_.database.write([&](store::Transaction& transaction) {
    if (!find_runner(transaction, runner.id)) {
      throw Error("NotFound", "404 Runner Not Found", 404);
    }
    ci::update(transaction, runner);
    transaction.after_commit(workshop_.wakes.pending);  // it may take more now
  });
}

void JobQueue::remove_runner(Id id) {
  const auto removed = workshop_.database.write([&](store::Transaction& transaction) {
    return transaction.execute("delete from ci_runners where id = ?", {id});
  });
  if (removed == 0) throw Error("NotFound", "404 Runner Not Found", 404);
  const std::lock_guard lock(mutex_);
  runner_contacts_.erase(id);
}

std::string JobQueue::registration_token() {
  return workshop_.database.write([&](store::Transaction& transaction) {
    transaction.execute(
        "insert into ci_secrets (name, value) values ('registration', ?)"
        " on conflict (name) do nothing",
        {"GR1348941" + base::random_text(20, kLetters)});
    std::string token;
    transaction.query("select value from ci_secrets where name = 'registration'", {},
                      [&](const store::Row& row) { token = row.text(0); });
    return token;
  });
}

void JobQueue::note_runner(const Runner& runner, const Json& info) {
  const base::Millis now = workshop_.clock.now();
  {
    const std::lock_guard lock(mutex_);
    runner_contacts_[runner.id] = now;
  }
  // The stored one is behind by a minute at most: a write for each question would cost too much.
  const bool is_old = !runner.contacted || now - *runner.contacted >= kContactEvery;
  const bool has_news = info.is_object() && !info.empty() && info != runner.info;
  if (!is_old && !has_news) return;
  workshop_.database.write([&](store::Transaction& transaction) {
    auto stored = find_runner(transaction, runner.id);
    if (!stored) return;
    stored->contacted = now;
    if (has_news) stored->info = info;
    ci::update(transaction, *stored);
  });
}

}  // namespace slipway::ci
