#pragma once

// What an Endpoints object is made of.

#include <memory>

#include "endpoints/configs.h"
#include "endpoints/endpoints.h"
#include "endpoints/reconciler.h"
#include "endpoints/runtime.h"

namespace slipway::endpoints {

struct Endpoints::TestParts {
  std::unique_ptr<ReplicaRuntime> runtime;
  ModelSource models;
  ImageSource images;
  ReconcilerOptions reconciler;
};

struct Endpoints::State {
  State(store::Database& used_database, const base::Clock& used_clock,
        const wire::Credentials& credentials, TestParts parts, EndpointsOptions given);

  std::string arn(const std::string& account, const std::string& resource) const;
  std::string endpoint_arn(const std::string& account, const std::string& name) const;
  std::string config_arn(const std::string& account, const std::string& name) const;
  // Throws Error{ValidationException} "Could not find endpoint configuration …".
  Json config(const std::string& account, const std::string& name) const;
  Fleet fleet_for(const std::string& account, const std::string& config_name) const;
  // Throws Error{ValidationException} for alarms that are not there.
  DeploymentPolicy policy_for(const std::string& account, const Json& deployment_config,
                              const Fleet& fleet) const;

  store::Database& database;
  const base::Clock& clock;
  const EndpointsOptions options;
  const ModelSource models;
  const ImageSource images;
  // In this order: each uses those above it.
  const std::unique_ptr<ReplicaRuntime> runtime;
  Gateway gateway;
  Reconciler reconciler;
};

}  // namespace slipway::endpoints
