#pragma once

// What steps start, ask after and stop: the seam between executions and the other rooms.

#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/json.h"
#include "endpoints/endpoints.h"
#include "functions/functions.h"
#include "jobs/jobs.h"
#include "models/models.h"
#include "objects/objects.h"
#include "pipelines/decide.h"
#include "pipelines/requests.h"
#include "pipelines/store.h"

namespace slipway::pipelines {

// An effect with what is known of its execution. A copy of its own: the execution goes on.
struct Task {
  ExecutionKey key;
  std::string execution_arn;
  std::string pipeline;
  std::string role;
  std::shared_ptr<const Definition> definition;
  Effect effect;

  const Step& step() const { return definition->steps[effect.step]; }
};

// Thread-safe.
class StepServices {
 public:
  virtual ~StepServices() = default;
  // Starts what the effect names, or finds it where the same effect has started it before, or says
  // that it is not its turn. Failures are observations, not exceptions. Lambda steps alone take as
  // long as they run.
  virtual Observation start(const Task& task) = 0;
  // How what the step started is doing.
  virtual Observation look(const Task& task) = 0;
  // Asks it to stop; then as look().
  virtual Observation stop(const Task& task) = 0;
  // What the task started has ended, and will not be asked for again.
  virtual void forget(const Task& task) = 0;
  // The JSON at an s3:// URI. Throws Error.
  virtual Json read(const std::string& account, const std::string& uri) = 0;
};

// As functions::Functions::invoke_once() and forget().
struct FunctionCaller {
  std::function<functions::Invocation(const std::string& account, const std::string& name,
                                      const std::string& payload, const std::string& token)>
      invoke;
  std::function<void(const std::string& account, const std::string& token)> forget;
};

// The rooms of this server.
class SageMakerServices final : public StepServices {
 public:
  // The arguments outlive the object.
  SageMakerServices(const PipelineStore& store, const base::Clock& clock, objects::Objects& objects,
                    jobs::Jobs& jobs, models::Models& models, endpoints::Endpoints& endpoints,
                    FunctionCaller functions);

  Observation start(const Task& task) override;
  Observation look(const Task& task) override;
  Observation stop(const Task& task) override;
  void forget(const Task& task) override;
  Json read(const std::string& account, const std::string& uri) override;

 private:
  Observation start_job(const Task& task, jobs::Kind kind, const Json& arguments);
  Observation create_model(const Task& task, const Json& arguments);
  Observation register_model(const Task& task, const Json& arguments);
  Observation create_endpoint_config(const Task& task, const Json& arguments);
  Observation put_endpoint(const Task& task, const Json& arguments);
  Observation move_endpoint(const Task& task, const Json& request, const Json& found);
  // The version that `current` serves, where that is of the same group as that of `config`, was
  // approved later, and was put there by an execution that began after this one; else empty. Throws
  // Error where one of these is gone.
  std::string overtaken_by(const Task& task, const std::string& config,
                           const std::string& current) const;
  // The model package that the configuration serves; empty: none.
  std::string package_of(const std::string& account, const std::string& config) const;
  Observation call_function(const Task& task, const Json& arguments);
  Observation wait_for_callback(const Task& task, const Json& arguments) const;
  Observation look_at_job(const Task& task, jobs::Kind kind) const;
  Observation look_at_endpoint(const Task& task) const;

  // Whether this very step made the resource, before a crash.
  bool made_here(const Task& task, const std::string& arn) const;
  wire::Caller caller(const Task& task) const;

  const PipelineStore& store_;
  const base::Clock& clock_;
  objects::Objects& objects_;
  jobs::Jobs& jobs_;
  models::Models& models_;
  endpoints::Endpoints& endpoints_;
  const FunctionCaller functions_;
  const Requests requests_;
};

// What a retry policy calls a failure of a service's operation; empty where none fits.
std::string exception_of(const Error& error);
// The same of a job that failed with this reason.
std::string exception_of_job(const std::string& reason);

}  // namespace slipway::pipelines
