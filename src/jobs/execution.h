#pragma once

// Carries one job from where it is recorded to its end: asks decide() what is next, records
// it, does it. Belongs to one thread.

#include <atomic>
#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

#include "base/clock.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "images/images.h"
#include "jobs/decide.h"
#include "jobs/instance_types.h"
#include "jobs/plan.h"
#include "jobs/store.h"
#include "jobs/types.h"
#include "objects/objects.h"
#include "observe/logs.h"

namespace slipway::jobs {

// What executions work with; outlives them.
struct Workshop {
  const base::Clock& clock;
  JobStore& store;
  objects::Objects& objects;
  images::Images& images;
  containers::Engine& engine;
  containers::LogPump& pump;
  observe::Logs& logs;
  std::filesystem::path directory;  // of the jobs' work directories
  std::string region;
  std::size_t places = 1;
  InstanceSize machine;
  std::chrono::milliseconds stop_grace{120'000};
};

class Execution {
 public:
  // `interrupted`: the server stops; drive() returns soon and leaves the job as recorded.
  Execution(const Workshop& workshop, JobKey key, const std::atomic<bool>& interrupted);

  // Returns when the job has ended and nothing of it is left, or when interrupted.
  void drive();

 private:
  enum class Next { kGoOn, kFinished };

  void take_up(const store::Resource& job);
  Observation observe(const store::Resource& job, const Record& record);
  Next perform(const store::Resource& job, const Record& record, const Action& action);

  void prepare(const store::Resource& job);
  void load_inputs(const store::Resource& job);
  void start(const store::Resource& job);
  void follow(const store::Resource& job);
  ContainerEnd see_end(const store::Resource& job);
  void upload(const store::Resource& job, Ending ending);
  void upload_one(const std::string& account, const PlannedUpload& upload);

  const Workshop& workshop_;
  const JobKey key_;
  const std::atomic<bool>& interrupted_;

  std::optional<RunPlan> plan_;
  std::string container_;
  std::filesystem::path work_;
  std::optional<images::UnpackedImage> image_;  // its layers stay while the container runs
  Progress preparation_ = Progress::kNotTried;
  std::string preparation_failure_;
  Progress upload_ = Progress::kNotTried;
  std::string upload_failure_;
  bool followed_ = false;
  bool stop_sent_ = false;
  std::optional<ContainerEnd> end_;
};

}  // namespace slipway::jobs
