#include "ship/stages.h"

#include "base/error.h"

namespace slipway::ship {

const std::vector<Stage>& stages() {
  static const std::vector<Stage> kStages{
      {"validate", "pylint and the repository's tests", validate_stage},
      {"build", "image with its next semantic version", build_stage},
      {"push", "to the registry", push_stage},
      {"train", "training job", train_stage},
      {"evaluate", "evaluation on held-out data", evaluate_stage},
      {"register", "model version with its evidence", register_stage},
      {"approve", "decision on the evidence", approve_stage},
      {"deploy", "create or update the endpoint", deploy_stage},
      {"smoke", "recorded request to the live endpoint", smoke_stage},
  };
  return kStages;
}

std::vector<StageTime> run_stages(ShipContext& context) {
  std::vector<StageTime> times;
  for (const Stage& stage : stages()) {
    context.observer.started(stage.name, stage.summary);
    const auto began = std::chrono::steady_clock::now();
    std::string note;
    try {
      note = stage.run(context);
    } catch (const Error& error) {
      Json detail{{"stage", stage.name}, {"code", error.code()}};
      if (error.detail().is_object()) detail.update(error.detail());
      throw Error("StageFailed", error.message(), error.status(), detail);
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - began);
    times.push_back({stage.name, took, note});
    context.observer.ended(stage.name, took, note);
  }
  return times;
}

}  // namespace slipway::ship
