#pragma once

// A machine of the test's own, whose replicas are FakeModels. It outlives the Endpoints object that
// uses it, as containers outlive the server.

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "endpoints/fake_model_for_test.h"
#include "endpoints/runtime.h"

namespace slipway::endpoints {

// Thread-safe. What a replica does depends on the name of its model: "broken…" exits when it is
// started, "silent…" never answers GET /ping well, every other answers invocations with the model's
// name.
class FakeMachine {
 public:
  std::unique_ptr<ReplicaRuntime> runtime();

  // Of one model, or of all.
  std::vector<std::string> running(const std::string& model = "") const;
  std::vector<std::string> started(const std::string& model = "") const;
  std::vector<std::string> removed() const;
  // The container ends by itself.
  void crash(const std::string& replica);
  // As when the machine loses power: nothing runs any more.
  void lose_everything();
  // Removes what a container left, as if it had never been.
  void forget(const std::string& replica);
  void add_stray(const std::string& replica);

 private:
  friend class FakeRuntime;
  struct Container {
    std::string of_model;
    bool running = true;
    std::unique_ptr<FakeModel> model;
  };
  void end(const std::string& replica);

  mutable std::mutex mutex_;
  std::map<std::string, Container> containers_;               // guarded by mutex_
  std::vector<std::pair<std::string, std::string>> started_;  // id, model; guarded by mutex_
  std::vector<std::string> removed_;                          // guarded by mutex_
  std::function<void(const std::string& replica)> ended_;     // guarded by mutex_
};

}  // namespace slipway::endpoints
