#pragma once

// A job's document: what Describe…Job answers, and under "SlipwayRun" what the state
// machine records about the run:
//
//   Phase, Container, Stream, Arn, ImageDigest, Token?,
//   RunningSince? (epoch s), StopRequested?, RuntimeExceeded?, Ending?, Reason?, ExitMessage?
//
// Each change below is one move of the state machine: pure, on a value that the caller
// then stores in one write.

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/json.h"
#include "jobs/decide.h"
#include "jobs/types.h"
#include "store/resources.h"

namespace slipway::jobs {

// At most this many bytes of FailureReason, StatusMessage and ExitMessage leave the room.
inline constexpr std::size_t kReasonLimit = 1024;

struct NewRun {
  JobKey key;
  std::string arn;
  std::string image_digest;
  std::string token;  // of the caller, to tell a repeated call from a name taken twice
};

// A job just created, in status InProgress. `described` is training_document() or its like.
store::Resource new_job(const NewRun& run, Json described, base::Millis now);

JobKey key_of(const store::Resource& job);
Record record_of(const store::Resource& job);
std::string container_of(const store::Resource& job);
std::string stream_of(const store::Resource& job);
std::string arn_of(const store::Resource& job);
std::string image_digest_of(const store::Resource& job);
std::string token_of(const store::Resource& job);
// When the container was first about to start; nothing before.
std::optional<base::Millis> running_since(const store::Resource& job);

// The Describe…Job answer.
Json described(const store::Resource& job);

void enter(store::Resource& job, Phase phase, const std::string& message, base::Millis now);
void request_stop(store::Resource& job, base::Millis now);
void record_timeout(store::Resource& job, base::Millis now);
// The container has ended: how, and on to kUploading.
void settle(store::Resource& job, const Action& action, base::Millis now);
// The terminal write: status, end time, reason and, for training, the last transition.
void end(store::Resource& job, const Action& action, base::Millis now);

// The message of a phase's transition; unlike every other message of the same job.
std::string message_of(Kind kind, Phase phase, std::size_t places);

// Names a container for ever: readable, lower-case, unique by account, kind and name.
std::string container_id(const JobKey& key, const std::string& arn);

}  // namespace slipway::jobs
