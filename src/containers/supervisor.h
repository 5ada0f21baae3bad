#pragma once

// Runs one container through the OCI runtime and watches it to its end: the loop of the shim.
//
//   starting ──runtime exits 0──▶ running ──init ends──▶ ended
//      └────────runtime fails────────────────────────────▶ ended
//
// A stop may come at any time: SIGTERM to the container's first process as soon as there is
// one, SIGKILL when the grace has passed.

#include <map>
#include <optional>
#include <string>

#include <sys/types.h>

#include "base/file_descriptor.h"
#include "containers/directory.h"
#include "containers/output.h"

namespace slipway::containers {

struct Bundle {
  std::filesystem::path directory;  // with config.json; the runtime's files go here too
  int machine_proc = -1;            // the machine's /proc, where pids are the machine's
  int control = -1;
};

// Belongs to one thread; the process has no other, and no children but these.
class Supervisor {
 public:
  Supervisor(const Plan& plan, const Paths& paths, Bundle bundle, OutputLog& log);

  // Returns how it ended, with all its output in the log.
  Exit run();

 private:
  void start_runtime();
  void wait_for_event();
  void read_output(base::FileDescriptor& pipe, Stream stream);
  void read_control();
  void read_signals();
  void reap();
  void runtime_ended(int status);
  void announce_running();
  void ask_to_stop(std::int64_t grace_ms);
  void pursue_stop();
  void drain();
  Exit finish();

  const Plan& plan_;
  const Paths& paths_;
  const Bundle bundle_;
  OutputLog& log_;
  base::FileDescriptor signals_;
  base::FileDescriptor output_;
  base::FileDescriptor error_;
  pid_t runtime_ = 0;
  std::optional<int> runtime_status_;
  pid_t init_ = 0;                       // of the container, in this process namespace
  std::map<pid_t, int> ended_;           // statuses of children that were not waited for yet
  std::optional<std::int64_t> kill_at_;  // monotonic milliseconds
  bool asked_init_ = false;
};

}  // namespace slipway::containers
