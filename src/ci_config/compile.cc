// The order of things: read, include, extend, refer, validate, decide, specify.

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/ci_config.h"
#include "ci_config/doubts.h"
#include "ci_config/include.h"
#include "ci_config/inheritance.h"
#include "ci_config/jobs.h"
#include "ci_config/rules.h"
#include "ci_config/specification.h"
#include "ci_config/validate.h"
#include "ci_config/yaml_writer.h"

namespace slipway::ci_config {
namespace {

constexpr std::size_t kMostNodes = 500'000;
constexpr std::size_t kMostNeeds = 50;
constexpr std::string_view kFilteredByWorkflow = "Pipeline filtered out by workflow rules.";
constexpr std::string_view kEmpty =
    "The resulting pipeline would have been empty. Review the rules configuration for the relevant "
    "jobs.";

Variables joined(std::initializer_list<const Variables*> parts) {
  Variables all;
  for (const Variables* part : parts) all.insert(all.end(), part->begin(), part->end());
  return all;
}

// The file's variables that a job inherits.
Variables inherited(const Variables& globals, const Node& job) {
  const Node* inherit = job.given("inherit");
  const Node* which = inherit ? inherit->given("variables") : nullptr;
  if (!which || (which->is(Kind::kBoolean) && which->boolean)) return globals;
  if (which->is(Kind::kBoolean)) return {};
  const auto names = texts_of(*which);
  Variables some;
  for (const Variable& variable : globals) {
    if (std::find(names.begin(), names.end(), variable.key) != names.end()) {
      some.push_back(variable);
    }
  }
  return some;
}

class Compilation {
 public:
  Compilation(const Context& context, Source& source)
      : context_(context),
        source_(source),
        budget_(kMostNodes),
        conditions_(source),
        pipeline_variables_(joined({&context.predefined, &context.outer})),
        includes_(source, pipeline_variables_, context.file, budget_) {}

  Result run(const std::string& text) {
    try {
      compile(text);
    } catch (const base::Error& error) {
      fail(error.message(), where(error));
    }
    result_.includes = includes_.list();
    if (!result_.errors.empty()) {
      result_.plan.reset();
      result_.filtered = false;
      result_.filter_reason.clear();
    }
    return std::move(result_);
  }

 private:
  struct Chosen {
    const Job* job;
    Decision decision;
    JobSpec spec;
  };

  void fail(std::string text, Where where) {
    result_.errors.push_back(std::move(text));
    result_.error_places.push_back(std::move(where));
  }
  void fail(std::string text, Position position) {
    fail(std::move(text), Where{position.line > 0 ? file(position.file) : "", position.line});
  }

  std::string file(int index) const {
    const auto& files = includes_.files();
    const auto place = static_cast<std::size_t>(index);
    return place < files.size() ? files[place] : context_.file;
  }

  Where where(const base::Error& error) const {
    const int line = static_cast<int>(base::integer_or(error.detail(), "line", 0));
    if (line == 0) return {};
    const Json& detail = error.detail();
    if (detail.contains("file") && detail["file"].is_string()) {
      return {detail["file"].get<std::string>(), line};
    }
    return {file(static_cast<int>(base::integer_or(detail, "file", 0))), line};
  }

  void compile(const std::string& text) {
    if (base::trim(text).empty()) {
      return fail("Please provide content of .gitlab-ci.yml", Where{});
    }
    Node root = includes_.load(text);
    apply_extends(root, budget_);
    resolve_references(root, budget_);
    write_merged(root);
    Problems problems;
    validate(root, problems);
    result_.warnings = std::move(problems.warnings);
    for (Problem& problem : problems.errors) fail(std::move(problem.text), problem.position);
    if (!result_.errors.empty()) return;
    const Jobs jobs(root, budget_);
    const Node* variables = root.given("variables");
    globals_ = variables ? variables_of(*variables) : Variables();
    for (std::string& doubt : doubts_about(jobs, globals_)) {
      result_.warnings.push_back(std::move(doubt));
    }
    if (auto misfit = find_misfit(jobs)) return fail(std::move(misfit->text), misfit->position);
    plan(root, jobs);
  }

  void write_merged(const Node& root) {
    Node shown = root;
    if (root.given("stages") && root.given("stages")->is_sequence()) {
      std::vector<Node> stages;
      for (std::string& stage : stages_of(root)) stages.push_back(Node::of_text(std::move(stage)));
      shown.set("stages", Node::of_sequence(std::move(stages)));
    }
    result_.merged_yaml = write_yaml(shown);
  }

  void plan(const Node& root, const Jobs& jobs) {
    Plan plan;
    const Node* workflow = root.given("workflow");
    const Node* name = workflow ? workflow->given("name") : nullptr;
    if (name) plan.name = std::string(base::trim(name->text));
    const WorkflowDecision decision =
        context_.every_job
            ? WorkflowDecision{}
            : decide_workflow(workflow, conditions_,
                              joined({&context_.predefined, &globals_, &context_.outer}));
    if (!decision.runs) return filter(kFilteredByWorkflow);
    if (!decision.auto_cancel.empty()) plan.auto_cancel = decision.auto_cancel;
    if (!decision.on_job_failure.empty()) plan.on_job_failure = decision.on_job_failure;
    globals_ = without_duplicates(joined({&globals_, &decision.variables}));
    plan.variables = globals_;
    auto chosen = choose(jobs, workflow && workflow->given("rules"));
    if (!result_.errors.empty()) return;
    const bool any = std::any_of(chosen.begin(), chosen.end(), [](const Chosen& one) {
      return one.spec.stage != ".pre" && one.spec.stage != ".post";
    });
    if (!any) return filter(kEmpty);
    connect(jobs, chosen);
    if (!result_.errors.empty()) return;
    arrange(jobs, chosen, plan);
    result_.plan = std::move(plan);
  }

  void filter(std::string_view reason) {
    result_.filtered = true;
    result_.filter_reason = reason;
  }

  std::vector<Chosen> choose(const Jobs& jobs, bool has_workflow_rules) {
    const Run run{context_, conditions_, has_workflow_rules};
    std::vector<Chosen> chosen;
    for (const Job& job : jobs.all()) {
      Variables own = inherited(globals_, *job.config);
      if (const Node* mapping = job.config->given("variables")) {
        const Variables more = variables_of(*mapping);
        own.insert(own.end(), more.begin(), more.end());
      }
      own.insert(own.end(), job.matrix.begin(), job.matrix.end());
      try {
        const Variables known = known_before(job);
        Decision decision =
            decide(job, run, joined({&context_.predefined, &known, &own, &context_.outer}));
        if (!decision.included) continue;
        JobSpec spec = specify(job, decision, source_);
        spec.variables = without_duplicates(joined({&own, &decision.variables}));
        chosen.push_back({&job, std::move(decision), std::move(spec)});
      } catch (const base::Error& error) {
        fail("Failed to parse rule for " + job.name + ": " + error.message(), job.config->position);
      }
    }
    return chosen;
  }

  // What is predefined for a job before it exists; its id and token come later.
  static Variables known_before(const Job& job) {
    Variables known{{.key = "CI_JOB_NAME", .value = job.name},
                    {.key = "CI_JOB_NAME_SLUG", .value = slug(job.name)},
                    {.key = "CI_JOB_STAGE", .value = job.stage},
                    {.key = "CI_NODE_TOTAL", .value = std::to_string(job.node_total)}};
    if (job.node_index > 0) {
      known.push_back({.key = "CI_NODE_INDEX", .value = std::to_string(job.node_index)});
    }
    return known;
  }

  // Needs and dependencies, now that it is known which jobs there are.
  void connect(const Jobs& jobs, std::vector<Chosen>& chosen) {
    std::set<std::string> present;
    for (const Chosen& one : chosen) present.insert(one.spec.name);
    for (Chosen& one : chosen) {
      const Node* list = one.decision.needs ? one.decision.needs : one.job->config->given("needs");
      if (list) one.spec.needs = needs_in(jobs.needs_of(*list), present, one);
      const Node* dependencies = one.job->config->given("dependencies");
      if (!dependencies) continue;
      one.spec.dependencies.emplace();
      for (const std::string& name : texts_of(*dependencies)) {
        for (std::string& each : jobs.names_of(name)) {
          one.spec.dependencies->push_back(std::move(each));
        }
      }
    }
  }

  std::vector<Need> needs_in(std::vector<Need> needs, const std::set<std::string>& present,
                             const Chosen& of) {
    const std::string& name = of.spec.name;
    if (needs.size() > kMostNeeds) {
      fail(name + ": one job can only need " + std::to_string(kMostNeeds) +
               " others, but you have listed " + std::to_string(needs.size()) +
               ". See needs keyword documentation for more details",
           of.job->config->position);
    }
    std::vector<Need> found;
    for (Need& need : needs) {
      const bool elsewhere = !need.project.empty() || !need.pipeline.empty();
      if (elsewhere || present.contains(need.job)) {
        found.push_back(std::move(need));
      } else if (!need.optional) {
        fail("'" + name + "' job needs '" + need.job + "' job, but '" + need.job +
                 "' does not exist in the pipeline. This might be because of the only, except, or "
                 "rules keywords. To need a job that sometimes does not exist in the pipeline, use "
                 "needs:optional.",
             of.job->config->position);
      }
    }
    return found;
  }

  // Stages without jobs fall away; within a stage the file's order stays.
  static void arrange(const Jobs& jobs, std::vector<Chosen>& chosen, Plan& plan) {
    for (const std::string& stage : jobs.stages()) {
      const auto place = static_cast<int>(plan.stages.size());
      bool used = false;
      for (Chosen& one : chosen) {
        if (one.spec.stage != stage) continue;
        used = true;
        one.spec.stage_index = place;
        plan.jobs.push_back(std::move(one.spec));
        one.spec.stage.clear();
      }
      if (used) plan.stages.push_back(stage);
    }
  }

  const Context& context_;
  Source& source_;
  Budget budget_;
  Conditions conditions_;
  const Variables pipeline_variables_;
  Includes includes_;
  Variables globals_;  // of the file, and of workflow:rules
  Result result_;
};

}  // namespace

Result compile(const std::string& text, const Context& context, Source& source) {
  return Compilation(context, source).run(text);
}

}  // namespace slipway::ci_config
