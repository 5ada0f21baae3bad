#pragma once

// One request that is handled on the worker pool: admitted, its body received, handled,
// answered.
//
// A task is run in turns. A turn works as long as the client keeps up; where the client
// lets a worker wait for more than a tenth of a second in all, the turn ends and the
// connection's loop watches the socket until the next turn. So a slow client costs a
// place in memory and never a worker.
//
// The loop's thread builds, reads and destroys a task; a worker's thread owns it during
// run(). The thread pool's mutex and the loop's hand it over.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/digest.h"
#include "net/http.h"
#include "net/parser.h"
#include "net/response_sender.h"
#include "net/server_context.h"
#include "net/socket.h"

namespace slipway::net {

// What is known of a request when it leaves the loop.
struct TaskStart {
  RequestHead head;
  BodyKind body = BodyKind::kNone;
  std::uint64_t content_length = 0;
  int minor_version = 1;
  bool keep_alive = true;
  bool expects_continue = false;
  // The body is whole, in `content`. Otherwise the task admits the request and receives the rest.
  bool received = true;
  std::string content;     // of the body, decoded
  std::string undecoded;   // bytes after it that arrived already
  ChunkedDecoder decoder;  // where it stands, for a chunked body
};

enum class Turn { kFinished, kNeedsRead, kNeedsWrite };

class WorkerTask {
 public:
  // `context` and `socket` outlive the task.
  WorkerTask(ServerContext& context, Socket& socket, TaskStart start);

  // On a worker. Anything that goes wrong becomes an answer, or the connection's end.
  Turn run() noexcept;

  // Between turns, on the loop.
  std::chrono::steady_clock::time_point last_progress() const noexcept { return last_progress_; }
  bool receiving() const noexcept { return phase_ == Phase::kReceive; }

  // After kFinished, on the loop.
  bool failed() const noexcept { return failed_; }  // the connection is of no further use
  bool keep_alive() const noexcept { return keep_alive_; }
  // Bytes received beyond the request: the start of the next one.
  std::string take_rest() noexcept { return std::move(rest_); }

 private:
  enum class Phase { kAdmit, kContinue, kReceive, kHandle, kSend, kDone };
  enum class Step { kGoOn, kRead, kWrite };

  Step step();
  Step admit();
  Step send_continue();
  Step receive();
  Step handle();
  Step send();
  Step fail();
  Step refuse(int status, std::string_view sentence);
  void answer(Response response);
  void answer_error(int status, const std::string& sentence);
  // Takes `size` bytes that arrived; false where the body is refused.
  bool accept_bytes(char* bytes, std::size_t size);
  void keep_content(std::string_view content);
  void finish_body();
  void release();
  // Waits for the socket out of this turn's patience; false where the turn must end.
  bool wait(short events);
  void note_progress() { last_progress_ = std::chrono::steady_clock::now(); }

  ServerContext& context_;
  Socket& socket_;
  Phase phase_;
  Request request_;
  const BodyKind body_;
  const int minor_version_;
  bool keep_alive_;
  const bool expects_continue_;
  bool failed_ = false;

  // Receiving.
  std::uint64_t expected_left_;  // of a body with a length
  std::string undecoded_;
  ChunkedDecoder decoder_;
  std::string content_;  // until it is too large for memory
  std::uint64_t content_size_ = 0;
  std::shared_ptr<store::Spool::File> file_;
  std::optional<base::Digest> digest_;  // of the file
  std::string rest_;

  std::optional<ResponseSender> sender_;
  std::chrono::milliseconds patience_{0};
  std::chrono::steady_clock::time_point last_progress_;
};

}  // namespace slipway::net
