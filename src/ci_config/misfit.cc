// What can only be seen when all jobs are known: stages, needs, dependencies, on_stop, cycles.

#include <algorithm>
#include <map>
#include <set>

#include "base/strings.h"
#include "ci_config/conditions.h"
#include "ci_config/jobs.h"

namespace slipway::ci_config {
namespace {

class Check {
 public:
  explicit Check(const Jobs& jobs) : jobs_(jobs) {}

  std::optional<Misfit> run() {
    for (const Job& job : jobs_.all()) {
      stage(job);
      dependencies(job);
      needs(job);
      child_includes(job);
      on_stop(job);
      if (found_) return found_;
    }
    cycles();
    return found_;
  }

 private:
  void say(const Job& job, std::string text, std::string_view key) {
    if (found_) return;
    const Node* at = job.config->find(key);
    found_ = Misfit{std::move(text), at ? at->position : job.config->position};
  }

  void stage(const Job& job) {
    if (jobs_.stage_index(job.stage)) return;
    say(job,
        job.name + " job: chosen stage " + job.stage + " does not exist; available stages are " +
            base::join(jobs_.stages(), ", "),
        "stage");
  }

  // `kind`: "need" or "dependency", and the key it stands under.
  void one(const Job& job, const std::string& name, const std::string& kind, std::string_view key,
           bool optional = false) {
    const Job* other = jobs_.find(name);
    if (!other) {
      if (!optional) say(job, job.name + " job: undefined " + kind + ": " + name, key);
      return;
    }
    const auto mine = jobs_.stage_index(job.stage);
    const auto theirs = jobs_.stage_index(other->stage);
    if (!theirs || !mine || *theirs > *mine) {
      say(job,
          job.name + " job: " + kind + ' ' + name + " is not defined in current or prior stages",
          key);
    }
  }

  void dependencies(const Job& job) {
    const Node* list = job.config->given("dependencies");
    if (!list) return;
    for (const std::string& name : texts_of(*list)) {
      for (const std::string& each : jobs_.names_of(name)) {
        one(job, each, "dependency", "dependencies");
      }
    }
  }

  void needs(const Job& job) {
    if (const Node* list = job.config->given("needs")) need_list(job, *list, "needs");
    if (const Node* rules = job.config->given("rules")) rule_needs(job, *rules);
  }

  void rule_needs(const Job& job, const Node& rules) {
    for (const Node& rule : rules.items) {
      if (rule.is_sequence()) rule_needs(job, rule);
      if (const Node* list = rule.given("needs")) need_list(job, *list, "rules");
    }
  }

  void need_list(const Job& job, const Node& list, std::string_view key) {
    std::map<std::string, int> times;
    std::vector<std::string> order;
    for (const Need& need : jobs_.needs_of(list)) {
      if (!need.project.empty() || !need.pipeline.empty()) continue;
      one(job, need.job, "need", key, need.optional);
      if (times[need.job]++ == 1) order.push_back(need.job);
    }
    if (order.empty()) return;
    say(job, job.name + " has the following needs duplicated: " + base::join(order, ", ") + ".",
        key);
  }

  void child_includes(const Job& job) {
    const Node* trigger = job.config->given("trigger");
    const Node* include = trigger ? trigger->given("include") : nullptr;
    if (!include) return;
    const auto check = [&](const Node& entry) {
      const Node* name = entry.given("job");
      if (name) one(job, name->text, "dependency", "trigger");
    };
    check(*include);
    for (const Node& item : include->items) check(item);
  }

  void on_stop(const Job& job) {
    const Node* environment = job.config->given("environment");
    const Node* name = environment ? environment->given("on_stop") : nullptr;
    if (!name) return;
    const std::string start = job.name + " job: on_stop job " + name->text;
    const Job* other = jobs_.find(name->text);
    if (!other) return say(job, start + " is not defined", "environment");
    const Node* theirs = other->config->given("environment");
    if (!theirs) return say(job, start + " does not have environment defined", "environment");
    const Node* mine = environment->given("name");
    const Node* their_name = theirs->is_mapping() ? theirs->given("name") : theirs;
    if (!mine || !their_name || mine->text != their_name->text) {
      return say(job, start + " have different environment name", "environment");
    }
    const Node* action = theirs->given("action");
    if (!action || action->text != "stop") {
      say(job, start + " needs to have action stop defined", "environment");
    }
  }

  // Depth first, with its own stack: there may be thousands of jobs in one chain.
  void cycles() {
    enum class State { kNew, kOpen, kDone };
    struct Frame {
      const Job* job;
      std::vector<std::string> needs;
      std::size_t next = 0;
    };
    std::map<std::string, State> states;
    const auto frame_of = [this](const Job& job) {
      Frame frame{&job, {}};
      if (const Node* list = job.config->given("needs")) {
        for (const Need& need : jobs_.needs_of(*list)) {
          if (need.project.empty() && need.pipeline.empty()) frame.needs.push_back(need.job);
        }
      }
      return frame;
    };
    for (const Job& root : jobs_.all()) {
      if (states[root.name] != State::kNew) continue;
      std::vector<Frame> stack{frame_of(root)};
      states[root.name] = State::kOpen;
      while (!stack.empty()) {
        Frame& top = stack.back();
        if (top.next == top.needs.size()) {
          states[top.job->name] = State::kDone;
          stack.pop_back();
          continue;
        }
        const Job* next = jobs_.find(top.needs[top.next++]);
        if (!next) continue;
        if (next == top.job) return cycle("self-dependency: " + next->name, *next);
        State& state = states[next->name];
        if (state == State::kOpen) {
          std::string names;
          bool inside = false;
          for (const Frame& frame : stack) {
            inside = inside || frame.job == next;
            if (inside) names += (names.empty() ? "\"" : ", \"") + frame.job->name + '"';
          }
          return cycle("topological sort failed: [" + names + "]", *next);
        }
        if (state == State::kNew) {
          state = State::kOpen;
          stack.push_back(frame_of(*next));
        }
      }
    }
  }

  void cycle(const std::string& what, const Job& job) {
    say(job, "The pipeline has circular dependencies: " + what, "needs");
  }

  const Jobs& jobs_;
  std::optional<Misfit> found_;
};

}  // namespace

std::optional<Misfit> find_misfit(const Jobs& jobs) { return Check(jobs).run(); }

}  // namespace slipway::ci_config
