#pragma once

// The engine over shims and an OCI runtime.
//
// Thread "containers": waits on inotify for exit files and for locks that a dead shim let
// go, looks at every running container's lock once a second besides, and calls the on_exit
// functions. Everything else runs on the callers' threads.

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "containers/cgroups.h"
#include "containers/containers.h"
#include "containers/directory.h"
#include "containers/runtime.h"

namespace slipway::containers {

class OciEngine final : public Engine {
 public:
  OciEngine(EngineOptions options, Privilege privilege, CgroupTree tree, Runtime runtime);
  ~OciEngine() override;  // the containers go on

  void start(const ContainerSpec& spec) override;
  State state(const std::string& id) const override;
  std::optional<Exit> exit_of(const std::string& id) const override;
  std::optional<Exit> wait(const std::string& id, std::chrono::milliseconds timeout) override;
  void on_exit(std::function<void(const std::string& id)> ended) override;
  void stop(const std::string& id, std::chrono::milliseconds grace) override;
  void remove(const std::string& id) override;
  std::vector<std::string> list() const override;
  std::filesystem::path log_path(const std::string& id) const override;
  std::optional<Usage> usage(const std::string& id) const override;
  base::FileDescriptor connect(const std::string& id, std::uint16_t port,
                               std::chrono::milliseconds timeout) override;
  const std::string& runtime() const override { return runtime_.name; }

 private:
  struct Entry {
    std::optional<Exit> exit;    // nothing: it runs
    std::shared_ptr<void> keep;  // the image's layers, while it runs
    int watch = -1;              // of inotify
    bool host_network = false;
    Running running;                                      // pid 0: not known yet
    std::shared_ptr<const base::FileDescriptor> network;  // its namespace, once used
  };

  Paths paths_of(const std::string& id) const { return Paths(options_.directory / id); }
  // Control groups are named over the whole machine, ids only in this engine.
  std::string cgroup_name(const std::string& id) const { return tag_ + "-" + id; }
  void recover_all();
  void recover_one(const std::string& id);
  void launch(const ContainerSpec& spec);
  void forget(const std::string& id);
  Plan plan_for(const ContainerSpec& spec) const;
  // With mutex_ held, these three. The entry, with entry.running filled in where the shim has told.
  Entry* running_entry(const std::string& id) const;
  void watch(const std::string& id, Entry& entry);
  void unwatch(Entry& entry);
  void command(const std::string& id, const std::string& text) const;
  void kill_for_removal(const std::string& id);
  bool wait_until_unlocked(const std::string& id);
  void wake() const;

  void run();
  void read_notices();
  void sweep();
  // Records the end of `id` where it has ended, and tells everybody.
  void check(const std::string& id);
  std::optional<Exit> find_end(const std::string& id) const;

  const EngineOptions options_;
  const Privilege privilege_;
  const CgroupTree tree_;
  const Runtime runtime_;
  const std::string tag_;         // of this engine's directory
  CgroupSupport support_;         // constant after construction
  base::FileDescriptor notices_;  // inotify
  base::FileDescriptor wake_;     // eventfd: look around at once

  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  mutable std::map<std::string, Entry> entries_;                    // guarded by mutex_
  std::map<int, std::string> watched_;                              // guarded by mutex_
  std::set<std::string> starting_;                                  // guarded by mutex_
  std::set<std::string> removing_;                                  // guarded by mutex_
  std::vector<std::function<void(const std::string&)>> listeners_;  // guarded by mutex_
  bool stopping_ = false;                                           // guarded by mutex_
  std::uint64_t removals_ = 0;                                      // guarded by mutex_
  std::thread thread_;
};

}  // namespace slipway::containers
