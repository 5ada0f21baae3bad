#pragma once

// An approved model version goes live by itself: the approval's event starts the model's
// deployment pipeline.

#include "base/clock.h"
#include "pipelines/pipelines.h"
#include "store/outbox.h"

namespace slipway::app {

// Consumes ModelPackage.Approved: where the pipeline "<group>-deployment" exists, starts it with
// ModelPackageArn, by the token "deploy-<SHA-256 of the ARN>", which others that deploy the same
// version use too (docs/flow.md): it is deployed once. A group without such a pipeline
// is left alone. Before EventPump::start().
void deploy_on_approval(store::EventPump& events, pipelines::Pipelines& pipelines);

}  // namespace slipway::app
