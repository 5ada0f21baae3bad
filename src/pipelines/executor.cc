#include "pipelines/executor.h"

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <future>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include <pthread.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread_pool.h"

namespace slipway::pipelines {
namespace {

// Before an execution is decided again that could not be read, or whose decision could not be
// recorded.
constexpr base::Millis kPauseAfterFailure = 5000;
constexpr base::Millis kLongestWait = 60'000;

struct PendingCommand {
  Executor::Command command;
  Executor::AlsoWrite also_write;
  std::promise<void> done;
};

// What has come for an execution and is not decided yet.
struct News {
  std::vector<Observation> seen;
  std::vector<Wait> calls;
  std::vector<std::shared_ptr<PendingCommand>> commands;

  bool empty() const { return seen.empty() && calls.empty() && commands.empty(); }
};

struct Entry {
  std::unique_ptr<Run> run;  // null: not read yet
  News news;
  bool queued = false;
  bool taken = false;  // by a deciding thread, which alone may touch the run
  bool again = false;
};

// An execution in a deciding thread's hands.
struct Turn {
  ExecutionKey key;
  std::unique_ptr<Run> run;
  News news;
  Decision decision;
  std::vector<std::shared_ptr<PendingCommand>> accepted;
  bool had_ended = false;  // before this turn
  bool gone = false;       // there is no such execution
  bool failed = false;     // for a reason of ours: to be decided again
};

std::exception_ptr not_found(const ExecutionKey& key) {
  return std::make_exception_ptr(
      Error("ResourceNotFound", "Pipeline execution '" + key.id + "' does not exist."));
}

std::exception_ptr busy() {
  return std::make_exception_ptr(
      Error("ServiceUnavailable", "The server cannot do this now. Try again.", 503));
}

bool has_task_under_way(const Run& run) {
  return std::any_of(run.steps.begin(), run.steps.end(),
                     [](const StepState& state) { return state.busy; });
}

}  // namespace

struct Executor::State {
  State(const PipelineStore& the_store, const base::Clock& the_clock, StepServices& the_services,
        ExecutorOptions the_options)
      : store(the_store), clock(the_clock), services(the_services), options(the_options) {}

  void decide_until_stopped();
  std::vector<Turn> next_turns(std::unique_lock<std::mutex>& lock);
  void decide(Turn& turn);
  void record(std::vector<Turn>& turns);
  void answer(Turn& turn);
  void finish(std::vector<Turn>& turns);
  void settle(Turn& turn);  // requires mutex
  void perform(const Turn& turn);
  void run_task(const Task& task);
  void report(const ExecutionKey& key, Observation seen);
  void enqueue(const ExecutionKey& key, Entry& entry);  // requires mutex
  void fire_timers();                                   // requires mutex
  void shrink();                                        // requires mutex
  void sweep();

  const PipelineStore& store;
  const base::Clock& clock;
  StepServices& services;
  const ExecutorOptions options;

  std::mutex mutex;
  std::condition_variable changed;
  // Guarded by mutex:
  bool running = false;
  std::map<ExecutionKey, Entry> entries;
  std::deque<ExecutionKey> queue;
  std::multimap<base::Millis, ExecutionKey> timers;
  std::map<ExecutionKey, base::Millis> armed;  // the earliest timer of each execution
  std::size_t unfinished = 0;
  std::chrono::steady_clock::time_point next_sweep;

  std::vector<std::thread> deciders;
  std::unique_ptr<base::ThreadPool> workers;
  std::unique_ptr<base::ThreadPool> callers;  // wait for functions
};

void Executor::State::enqueue(const ExecutionKey& key, Entry& entry) {
  if (entry.taken) {
    entry.again = true;
    return;
  }
  if (std::exchange(entry.queued, true)) return;
  queue.push_back(key);
  changed.notify_one();
}

void Executor::State::fire_timers() {
  const base::Millis now = clock.now();
  while (!timers.empty() && timers.begin()->first <= now) {
    const auto [at, key] = *timers.begin();
    timers.erase(timers.begin());
    const auto found = armed.find(key);
    if (found == armed.end() || found->second != at) continue;
    armed.erase(found);
    enqueue(key, entries[key]);
  }
}

std::vector<Turn> Executor::State::next_turns(std::unique_lock<std::mutex>& lock) {
  std::vector<Turn> turns;
  while (running) {
    fire_timers();
    if (!queue.empty()) break;
    base::Millis wait = kLongestWait;
    if (!timers.empty())
      wait = std::clamp(timers.begin()->first - clock.now(), base::Millis{1}, wait);
    const auto due =
        std::min(next_sweep, std::chrono::steady_clock::now() + std::chrono::milliseconds(wait));
    changed.wait_until(lock, due);
    if (!running || std::chrono::steady_clock::now() < next_sweep) continue;
    next_sweep = std::chrono::steady_clock::now() + options.sweep;
    lock.unlock();
    sweep();
    lock.lock();
  }
  while (running && !queue.empty() && turns.size() < options.batch) {
    Turn turn;
    turn.key = std::move(queue.front());
    queue.pop_front();
    Entry& entry = entries[turn.key];
    entry.queued = false;
    entry.taken = true;
    turn.run = std::move(entry.run);
    turn.news = std::exchange(entry.news, News{});
    turns.push_back(std::move(turn));
  }
  return turns;
}

// The safety net below the events: whatever waits is looked at from time to time.
void Executor::State::sweep() {
  try {
    for (const Wait& wait : store.open_waits()) {
      const std::lock_guard lock(mutex);
      Entry& entry = entries[wait.execution];
      entry.news.calls.push_back(wait);
      enqueue(wait.execution, entry);
    }
  } catch (const std::exception& error) {
    log(Level::kWarning, "the sweep of waiting pipeline steps failed", {{"reason", error.what()}});
  }
}

void Executor::State::decide(Turn& turn) {
  if (!turn.run) turn.run = store.load(turn.key);
  if (!turn.run) {
    turn.gone = true;
    for (const auto& command : turn.news.commands) command->done.set_exception(not_found(turn.key));
    turn.news.commands.clear();
    return;
  }
  Run& run = *turn.run;
  turn.had_ended = run.has_ended();
  const base::Millis now = clock.now();
  for (const Wait& wait : turn.news.calls) {
    const auto found = run.info.definition->by_name.find(wait.step);
    if (found == run.info.definition->by_name.end()) continue;
    Observation call;
    call.step = found->second;
    call.attempt = wait.attempt;
    turn.news.seen.push_back(std::move(call));
  }
  turn.news.calls.clear();
  for (const auto& command : turn.news.commands) {
    try {
      command->command(run, now, turn.decision);
      turn.accepted.push_back(command);
    } catch (...) {
      command->done.set_exception(std::current_exception());
    }
  }
  turn.news.commands.clear();
  advance(run, turn.news.seen, now, turn.decision);
}

void Executor::State::record(std::vector<Turn>& turns) {
  const bool nothing = std::all_of(turns.begin(), turns.end(), [](const Turn& turn) {
    return turn.decision.events.empty() && turn.accepted.empty();
  });
  if (nothing) return;
  try {
    store.database().write([&](store::Transaction& transaction) {
      for (Turn& turn : turns) {
        if (turn.failed || turn.gone) continue;
        turn.gone = !store.record(transaction, *turn.run, turn.decision);
        for (const auto& command : turn.accepted) {
          if (command->also_write) command->also_write(transaction);
        }
      }
    });
  } catch (const std::exception& error) {
    log(Level::kError, "decisions on pipeline executions could not be recorded",
        {{"executions", turns.size()}, {"reason", error.what()}});
    for (Turn& turn : turns) turn.failed = true;
  }
}

void Executor::State::answer(Turn& turn) {
  for (const auto& command : turn.news.commands) command->done.set_exception(busy());
  for (const auto& command : turn.accepted) {
    if (turn.failed) {
      command->done.set_exception(busy());
    } else if (turn.gone) {
      command->done.set_exception(not_found(turn.key));
    } else {
      command->done.set_value();
    }
  }
}

void Executor::State::perform(const Turn& turn) {
  for (const Effect& effect : turn.decision.effects) {
    const ExecutionInfo& info = turn.run->info;
    Task task{turn.key, info.arn, info.pipeline, info.role, info.definition, effect};
    const bool waits =
        task.step().type == StepType::kLambda && effect.what != Effect::What::kForget;
    base::ThreadPool& pool = waits ? *callers : *workers;
    auto work = [this, task = std::move(task)] {
      {
        const std::lock_guard lock(mutex);
        if (!running) return;  // the next start does it
      }
      run_task(task);
    };
    if (!pool.submit(std::move(work))) {
      log(Level::kError, "a pipeline step waits for the next start: too many tasks are waiting",
          {{"execution", turn.key.id}});
    }
  }
}

void Executor::State::run_task(const Task& task) {
  Observation seen;
  switch (task.effect.what) {
    case Effect::What::kLook:
      seen = services.look(task);
      break;
    case Effect::What::kStop:
      seen = services.stop(task);
      break;
    case Effect::What::kForget:
      return services.forget(task);
    default:
      seen = services.start(task);
  }
  report(task.key, std::move(seen));
}

void Executor::State::report(const ExecutionKey& key, Observation seen) {
  const std::lock_guard lock(mutex);
  if (!running) return;
  Entry& entry = entries[key];
  entry.news.seen.push_back(std::move(seen));
  enqueue(key, entry);
}

void Executor::State::finish(std::vector<Turn>& turns) {
  for (Turn& turn : turns) {
    answer(turn);
    if (!turn.failed && !turn.gone) perform(turn);
  }
  const std::lock_guard lock(mutex);
  for (Turn& turn : turns) settle(turn);
  shrink();
}

void Executor::State::settle(Turn& turn) {
  Entry& entry = entries[turn.key];
  entry.taken = false;
  const bool more = std::exchange(entry.again, false) || !entry.news.empty();
  const auto arm = [&](base::Millis at) {
    const auto found = armed.find(turn.key);
    if (found != armed.end() && found->second <= at) return;
    armed[turn.key] = at;
    timers.emplace(at, turn.key);
  };
  if (turn.failed) {
    // The run may be ahead of what is stored: it is read again, and what was seen is told again.
    auto& seen = entry.news.seen;
    seen.insert(seen.begin(), turn.news.seen.begin(), turn.news.seen.end());
    return arm(clock.now() + kPauseAfterFailure);
  }
  const bool over = turn.gone || turn.run->has_ended();
  if (over && !turn.had_ended && unfinished > 0) --unfinished;
  if (!over && turn.had_ended) ++unfinished;
  if (over) {
    armed.erase(turn.key);
    if (more)
      enqueue(turn.key, entry);
    else
      entries.erase(turn.key);
    return;
  }
  entry.run = std::move(turn.run);
  if (turn.decision.wake_at) arm(*turn.decision.wake_at);
  if (more || turn.decision.again) enqueue(turn.key, entry);
}

// Executions that only wait need not be in memory.
void Executor::State::shrink() {
  if (entries.size() <= options.cached) return;
  const std::size_t enough = options.cached * 3 / 4;
  for (auto entry = entries.begin(); entry != entries.end() && entries.size() > enough;) {
    const bool idle = !entry->second.queued && !entry->second.taken && entry->second.news.empty() &&
                      entry->second.run && !has_task_under_way(*entry->second.run);
    entry = idle ? entries.erase(entry) : std::next(entry);
  }
}

void Executor::State::decide_until_stopped() {
  ::pthread_setname_np(::pthread_self(), "pipelines");
  std::unique_lock lock(mutex);
  while (running) {
    std::vector<Turn> turns = next_turns(lock);
    lock.unlock();
    for (Turn& turn : turns) {
      try {
        decide(turn);
      } catch (const std::exception& error) {
        // The task loop: an execution that cannot be decided must not hold up the others.
        log(Level::kError, "a pipeline execution could not be decided",
            {{"execution", turn.key.id}, {"reason", error.what()}});
        turn.failed = true;
      }
    }
    record(turns);
    finish(turns);
    lock.lock();
  }
}

Executor::Executor(const PipelineStore& store, const base::Clock& clock, StepServices& services,
                   ExecutorOptions options)
    : state_(std::make_unique<State>(store, clock, services, options)) {}

Executor::~Executor() { stop(); }

void Executor::start() {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    if (state.running) return;
  }
  state.callers.reset();
  const std::vector<ExecutionKey> unfinished = state.store.unfinished();
  const std::lock_guard lock(state.mutex);
  state.running = true;
  state.unfinished = unfinished.size();
  state.next_sweep = std::chrono::steady_clock::now() + state.options.sweep;
  state.workers = std::make_unique<base::ThreadPool>(
      base::ThreadPoolOptions{"pipeline-step", state.options.workers, state.options.tasks});
  state.callers = std::make_unique<base::ThreadPool>(
      base::ThreadPoolOptions{"pipeline-call", state.options.workers, state.options.tasks});
  for (const ExecutionKey& key : unfinished) state.enqueue(key, state.entries[key]);
  for (std::size_t i = 0; i < state.options.deciders; ++i) {
    state.deciders.emplace_back([&state] { state.decide_until_stopped(); });
  }
}

void Executor::stop() {
  State& state = *state_;
  std::vector<std::thread> deciders;
  {
    const std::lock_guard lock(state.mutex);
    if (!state.running) return;
    state.running = false;
    deciders.swap(state.deciders);
  }
  state.changed.notify_all();
  for (std::thread& thread : deciders) thread.join();
  state.workers.reset();
  const std::lock_guard lock(state.mutex);
  for (auto& [key, entry] : state.entries) {
    for (const auto& command : entry.news.commands) command->done.set_exception(busy());
  }
  state.entries.clear();
  state.queue.clear();
  state.timers.clear();
  state.armed.clear();
}

void Executor::begin(std::unique_ptr<Run> run) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!state.running) return;
  const ExecutionKey key{run->info.account, run->info.id};
  ++state.unfinished;
  Entry& entry = state.entries[key];
  entry.run = std::move(run);
  state.enqueue(key, entry);
}

void Executor::call(const Wait& wait) {
  State& state = *state_;
  const std::lock_guard lock(state.mutex);
  if (!state.running) return;
  Entry& entry = state.entries[wait.execution];
  entry.news.calls.push_back(wait);
  state.enqueue(wait.execution, entry);
}

void Executor::command(const ExecutionKey& key, Command command, AlsoWrite also_write) {
  auto pending = std::make_shared<PendingCommand>();
  pending->command = std::move(command);
  pending->also_write = std::move(also_write);
  std::future<void> done = pending->done.get_future();
  {
    State& state = *state_;
    const std::lock_guard lock(state.mutex);
    if (!state.running) std::rethrow_exception(busy());
    Entry& entry = state.entries[key];
    entry.news.commands.push_back(std::move(pending));
    state.enqueue(key, entry);
  }
  done.get();
}

std::size_t Executor::unfinished() const {
  const std::lock_guard lock(state_->mutex);
  return state_->unfinished;
}

}  // namespace slipway::pipelines
