#pragma once

// Runs executions: decides, records, carries out, and hears how it went.
//
// Each execution is decided by one thread at a time. A deciding thread takes many executions that
// have something new, records all their decisions in one transaction, and then hands their
// effects to workers. Steps that wait cost no thread: an event of the outbox, a timer or a
// command brings their execution back.

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "pipelines/decide.h"
#include "pipelines/services.h"
#include "pipelines/store.h"

namespace slipway::pipelines {

struct ExecutorOptions {
  std::size_t workers = 8;    // threads that start steps; as many again wait for functions
  std::size_t deciders = 2;   // threads that decide and record
  std::size_t batch = 64;     // executions recorded together
  std::size_t cached = 2000;  // executions kept in memory; others are read again
  std::size_t tasks = 5'000'000;
  std::chrono::seconds sweep{600};  // between looks at everything that waits
};

// Thread-safe.
class Executor {
 public:
  // A command: moves the run, may throw Error, and may write in the decision's transaction.
  using Command = std::function<void(Run& run, base::Millis now, Decision& decision)>;
  using AlsoWrite = std::function<void(store::Transaction&)>;

  // The arguments outlive the object.
  Executor(const PipelineStore& store, const base::Clock& clock, StepServices& services,
           ExecutorOptions options);
  ~Executor();  // stop()

  // Carries on with every unfinished execution.
  void start();
  // Waits for the threads, but not for functions that still run: the destructor does. What was
  // being done is done again after the next start(). Not at the same time as start().
  void stop();

  // An execution that was just recorded.
  void begin(std::unique_ptr<Run> run);
  // Something that concerns a step happened: look at it.
  void call(const Wait& wait);
  // Carries out a command and returns once it is durable. Throws what `command` throws, and
  // Error{ResourceNotFound} where there is no such execution.
  void command(const ExecutionKey& key, Command command, AlsoWrite also_write);

  std::size_t unfinished() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace slipway::pipelines
