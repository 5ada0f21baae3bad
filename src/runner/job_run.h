#pragma once

// One job at its place in the executor, from its assignment to the end that the queue is told.
//
// Each phase is recorded before its work can have an effect that must not come twice; drive()
// goes on from the recorded one.

#include <optional>
#include <string>
#include <string_view>

#include "runner/job_plan.h"
#include "runner/packing.h"
#include "runner/trace.h"
#include "runner/workshop.h"

namespace slipway::runner {

// Belongs to one thread.
class JobRun {
 public:
  JobRun(const Workshop& workshop, ci::Assignment assignment, JobRow row, int place,
         const Wake& wake);

  // Returns when the job has ended and is cleaned up, or with the executor's stopping: then it
  // is as recorded.
  void drive();
  // The job's end where the machinery itself failed.
  void give_up(const std::string& why);

 private:
  enum class Stop { kNone, kCanceled, kTimeout, kGone };

  void prepare();
  void start();
  void start_services();
  void follow();
  void finish();

  struct Chosen {
    images::UnpackedImage image;
    std::string line;  // for the trace
  };
  // Throws Error{ImagePullFailure} that says what to push.
  Chosen choose_image(const std::string& name);
  void write_scripts();
  void fetch_sources();
  LogTail tail_of_log();
  // Carries what is new in the container's log; false where nothing was.
  bool carry(LogTail& tail, bool at_end);
  void look_around();
  void stop_container(Stop why);
  Outcome outcome_of(const containers::Exit& exit);
  void enter(Phase phase);
  void end_with(Outcome outcome);
  std::string closing_line() const;
  bool is_late() const { return workshop_.clock.now() >= deadline_; }
  void print(std::string_view text) { trace_.write(text); }
  template <class Work>
  void section(std::string_view name, std::string_view title, const Work& work);

  const Workshop& workshop_;
  const ci::Assignment assignment_;
  JobRow row_;
  const int place_;
  const Wake& wake_;
  const JobPlaces places_;
  JobPlan plan_;
  Trace trace_;
  Packing packing_;
  const base::Millis deadline_;
  base::Millis next_look_ = 0;
  std::optional<images::UnpackedImage> image_;
  Stop stop_ = Stop::kNone;
};

// Removes what a job left: containers, files and its record. Repeatable.
void clean_up(const Workshop& workshop, const JobRow& row);

}  // namespace slipway::runner
