#include <utility>

#include "base/error.h"
#include "endpoints/fake_runtime_for_test.h"

namespace slipway::endpoints {

class FakeRuntime : public ReplicaRuntime {
 public:
  explicit FakeRuntime(FakeMachine& machine) : machine_(machine) {}

  base::FileDescriptor connect(const std::string& replica,
                               std::chrono::milliseconds) noexcept override {
    const std::lock_guard lock(machine_.mutex_);
    const auto found = machine_.containers_.find(replica);
    if (found == machine_.containers_.end() || !found->second.model) return {};
    return found->second.model->connect();
  }

  void prepare(const std::string&, const std::string&, const Fleet& fleet) override {
    for (const Variant& variant : fleet.variants) {
      if (variant.model.starts_with("unfetchable")) {
        throw Error("ValidationException",
                    "Could not find model data at s3://nowhere/model.tar.gz");
      }
    }
  }

  void start(const ReplicaPlace& place) override {
    const std::lock_guard lock(machine_.mutex_);
    if (machine_.containers_.contains(place.replica)) return;
    machine_.started_.emplace_back(place.replica, place.variant.model);
    FakeMachine::Container& container = machine_.containers_[place.replica];
    const std::string& model = place.variant.model;
    container.of_model = model;
    container.running = !model.starts_with("broken");
    if (!container.running) return;
    const bool silent = model.starts_with("silent");
    container.model =
        std::make_unique<FakeModel>([model, silent](const FakeModel::Request& request) {
          if (!request.head.starts_with("GET /ping")) return FakeModel::ok(model);
          return silent ? std::string("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
                        : FakeModel::ok("");
        });
  }

  void follow(const ReplicaPlace&) override {}

  Seen seen(const std::string& replica) const override {
    const std::lock_guard lock(machine_.mutex_);
    const auto found = machine_.containers_.find(replica);
    if (found == machine_.containers_.end()) return Seen::kAbsent;
    return found->second.running ? Seen::kRunning : Seen::kExited;
  }

  ReplicaEnd end_of(const ReplicaPlace&) override {
    return {"its container ended with exit code 1", "cannot open model.json"};
  }

  void stop(const std::string& replica) override { machine_.end(replica); }

  void remove(const std::string& replica) override {
    machine_.forget(replica);
    const std::lock_guard lock(machine_.mutex_);
    machine_.removed_.push_back(replica);
  }

  void remove_fleet(const std::string&, int) override {}

  void sweep(const std::set<std::string>& replicas,
             const std::set<std::pair<std::string, int>>&) override {
    std::vector<std::string> strays;
    {
      const std::lock_guard lock(machine_.mutex_);
      for (const auto& [id, container] : machine_.containers_) {
        if (!replicas.contains(id)) strays.push_back(id);
      }
    }
    for (const std::string& stray : strays) remove(stray);
  }

  void on_end(std::function<void(const std::string& replica)> ended) override {
    const std::lock_guard lock(machine_.mutex_);
    machine_.ended_ = std::move(ended);
  }

 private:
  FakeMachine& machine_;
};

std::unique_ptr<ReplicaRuntime> FakeMachine::runtime() {
  return std::make_unique<FakeRuntime>(*this);
}

std::vector<std::string> FakeMachine::running(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, container] : containers_) {
    if (container.running && (model.empty() || container.of_model == model)) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> FakeMachine::started(const std::string& model) const {
  const std::lock_guard lock(mutex_);
  std::vector<std::string> ids;
  for (const auto& [id, its_model] : started_) {
    if (model.empty() || its_model == model) ids.push_back(id);
  }
  return ids;
}

std::vector<std::string> FakeMachine::removed() const {
  const std::lock_guard lock(mutex_);
  return removed_;
}

void FakeMachine::end(const std::string& replica) {
  std::unique_ptr<FakeModel> model;
  std::function<void(const std::string&)> ended;
  {
    const std::lock_guard lock(mutex_);
    const auto found = containers_.find(replica);
    if (found == containers_.end()) return;
    found->second.running = false;
    model = std::move(found->second.model);
    ended = ended_;
  }
  model.reset();
  if (ended) ended(replica);
}

void FakeMachine::crash(const std::string& replica) { end(replica); }

void FakeMachine::lose_everything() {
  for (const std::string& replica : running()) end(replica);
}

void FakeMachine::forget(const std::string& replica) {
  Container container;
  const std::lock_guard lock(mutex_);
  const auto found = containers_.find(replica);
  if (found == containers_.end()) return;
  container = std::move(found->second);
  containers_.erase(found);
}

void FakeMachine::add_stray(const std::string& replica) {
  const std::lock_guard lock(mutex_);
  containers_[replica];
}

}  // namespace slipway::endpoints
