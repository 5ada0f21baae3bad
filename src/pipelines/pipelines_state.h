#pragma once

// What Pipelines and its operations are made of.

#include "pipelines/catalog.h"
#include "pipelines/executions.h"
#include "pipelines/executor.h"
#include "pipelines/pipelines.h"
#include "pipelines/services.h"
#include "pipelines/store.h"

namespace slipway::pipelines {

struct Pipelines::State {
  State(store::Database& database, const base::Clock& clock, objects::Objects& objects,
        jobs::Jobs& jobs, models::Models& models, endpoints::Endpoints& endpoints,
        FunctionCaller functions, const PipelinesOptions& options)
      : store(database, clock),
        services(store, clock, objects, jobs, models, endpoints, std::move(functions)),
        executor(store, clock, services, {.workers = options.workers}),
        catalog(
            store, clock,
            [&objects](const std::string& account, const std::string& bucket,
                       const std::string& key,
                       std::uint64_t limit) { return objects.read(account, bucket, key, limit); },
            options.region),
        executions(store, clock, catalog, executor, options.unfinished_executions) {}

  PipelineStore store;
  SageMakerServices services;
  Executor executor;
  Catalog catalog;
  Executions executions;
};

}  // namespace slipway::pipelines
