#include "net/worker_task.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>

#include <poll.h>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"

namespace slipway::net {
namespace {

// How long one turn may wait for its client, all in all.
constexpr std::chrono::milliseconds kPatience{100};
constexpr std::size_t kReadSize = 128u << 10;
constexpr std::string_view kContinueLine = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

WorkerTask::WorkerTask(ServerContext& context, Socket& socket, TaskStart start)
    : context_(context),
      socket_(socket),
      phase_(start.received ? Phase::kHandle : Phase::kAdmit),
      request_{std::move(start.head), Body()},
      body_(start.body),
      minor_version_(start.minor_version),
      keep_alive_(start.keep_alive),
      expects_continue_(start.expects_continue),
      expected_left_(start.content_length),
      undecoded_(std::move(start.undecoded)),
      decoder_(start.decoder),
      content_(std::move(start.content)),
      content_size_(content_.size()),
      last_progress_(std::chrono::steady_clock::now()) {
  if (start.received) finish_body();
}

Turn WorkerTask::run() noexcept {
  patience_ = kPatience;
  while (phase_ != Phase::kDone) {
    if (context_.grace_over) fail();
    Step next = Step::kGoOn;
    try {
      next = step();
    } catch (const std::exception& error) {
      log(Level::kError, "a request failed",
          {{"method", request_.method}, {"error", std::string_view(error.what())}});
      next = fail();
    }
    if (next == Step::kRead && !wait(POLLIN)) return Turn::kNeedsRead;
    if (next == Step::kWrite && !wait(POLLOUT)) return Turn::kNeedsWrite;
  }
  release();
  return Turn::kFinished;
}

WorkerTask::Step WorkerTask::step() {
  switch (phase_) {
    case Phase::kAdmit:
      return admit();
    case Phase::kContinue:
      return send_continue();
    case Phase::kReceive:
      return receive();
    case Phase::kHandle:
      return handle();
    case Phase::kSend:
      return send();
    case Phase::kDone:
      break;
  }
  return Step::kGoOn;
}

// Whatever it held goes on this thread: removing a large file takes time that a loop
// does not have.
void WorkerTask::release() {
  sender_.reset();
  request_ = {};
  file_.reset();
}

WorkerTask::Step WorkerTask::fail() {
  failed_ = true;
  keep_alive_ = false;
  phase_ = Phase::kDone;
  return Step::kGoOn;
}

bool WorkerTask::wait(short events) {
  if (patience_.count() <= 0) return false;
  pollfd waited{socket_.descriptor(), events, 0};
  const auto before = std::chrono::steady_clock::now();
  const int ready = ::poll(&waited, 1, static_cast<int>(patience_.count()));
  // Rounded up: a client that sends a byte now and then uses the patience up, too.
  patience_ -=
      std::chrono::ceil<std::chrono::milliseconds>(std::chrono::steady_clock::now() - before);
  return ready != 0;
}

void WorkerTask::answer(Response response) {
  const ResponseTerms terms{.answers_head = request_.method == "HEAD",
                            .minor_version = minor_version_,
                            .keep_alive = keep_alive_ && !context_.stopping};
  phase_ = Phase::kSend;
  sender_.emplace(std::move(response), terms);
}

void WorkerTask::answer_error(int status, const std::string& sentence) {
  answer(plain(status, sentence + "\n"));
}

WorkerTask::Step WorkerTask::refuse(int status, std::string_view sentence) {
  keep_alive_ = false;  // the rest of the body would be read as a request
  answer_error(status, std::string(sentence));
  return Step::kGoOn;
}

WorkerTask::Step WorkerTask::admit() {
  std::optional<Response> refusal;
  try {
    refusal = context_.handler.admit(request_);
  } catch (const std::exception& error) {
    log(Level::kError, "a request could not be admitted",
        {{"error", std::string_view(error.what())}});
    return refuse(500, "The server failed while it looked at the request.");
  }
  if (refusal) {
    keep_alive_ = false;
    answer(std::move(*refusal));
    return Step::kGoOn;
  }
  // A client that already sends its body does not wait for the permission.
  phase_ = expects_continue_ && undecoded_.empty() ? Phase::kContinue : Phase::kReceive;
  if (body_ == BodyKind::kLength && expected_left_ <= context_.options.memory_body) {
    content_.reserve(static_cast<std::size_t>(expected_left_));
  }
  return Step::kGoOn;
}

WorkerTask::Step WorkerTask::send_continue() {
  const iovec line{const_cast<char*>(kContinueLine.data()), kContinueLine.size()};
  const Moved moved = socket_.write(&line, 1);
  if (moved.state == Transfer::kWouldBlock) return Step::kWrite;
  // Nothing but this is on its way to the client, so it fits whole or the client is gone.
  if (moved.bytes != kContinueLine.size()) return fail();
  phase_ = Phase::kReceive;
  return Step::kGoOn;
}

void WorkerTask::keep_content(std::string_view content) {
  content_size_ += content.size();
  if (!file_ && content_size_ <= context_.options.memory_body) {
    content_.append(content);
    return;
  }
  if (!file_) {
    file_ = std::make_shared<store::Spool::File>(context_.spool.create());
    digest_.emplace(base::Algorithm::kSha256);
    digest_->update(content_);
    file_->append(content_);
    content_ = std::string();
  }
  digest_->update(content);
  file_->append(content);
}

void WorkerTask::finish_body() {
  if (file_) {
    request_.body = Body(std::move(file_), content_size_, base::hex(digest_->finish()));
  } else {
    request_.body = Body(std::move(content_));
  }
  phase_ = Phase::kHandle;
}

bool WorkerTask::accept_bytes(char* bytes, std::size_t size) {
  if (body_ == BodyKind::kLength) {
    const auto mine = static_cast<std::size_t>(std::min<std::uint64_t>(size, expected_left_));
    keep_content({bytes, mine});
    expected_left_ -= mine;
    if (expected_left_ > 0) return true;
    rest_.assign(bytes + mine, size - mine);
    finish_body();
    return true;
  }
  const auto decoded = decoder_.decode(bytes, size);
  if (decoded.progress == Progress::kBad) {
    refuse(400, "The chunked coding of the body is broken.");
    return false;
  }
  if (content_size_ + decoded.produced > context_.options.body_limit) {
    refuse(413, "The body is larger than this server takes.");
    return false;
  }
  keep_content({bytes, decoded.produced});
  if (decoded.progress == Progress::kComplete) {
    rest_.assign(bytes + decoded.consumed, size - decoded.consumed);
    finish_body();
  }
  return true;
}

WorkerTask::Step WorkerTask::receive() {
  try {
    if (!undecoded_.empty()) {
      std::string arrived = std::exchange(undecoded_, std::string());
      accept_bytes(arrived.data(), arrived.size());
      return Step::kGoOn;
    }
    // Lives for the turn only: a waiting task keeps no buffer.
    const auto buffer = std::make_unique_for_overwrite<char[]>(kReadSize);
    while (phase_ == Phase::kReceive && !context_.grace_over) {
      const Moved moved = socket_.read(buffer.get(), kReadSize);
      if (moved.state == Transfer::kClosed) return fail();
      if (moved.state == Transfer::kWouldBlock) {
        if (!wait(POLLIN)) return Step::kRead;
        continue;
      }
      note_progress();
      if (!accept_bytes(buffer.get(), moved.bytes)) return Step::kGoOn;
    }
    return Step::kGoOn;
  } catch (const Error& error) {  // the spool's disk
    log(Level::kError, "a request's body could not be spooled", {{"error", error.message()}});
    return refuse(error.status(), error.message());
  }
}

WorkerTask::Step WorkerTask::handle() {
  // The answer refers to the request's method; the rest is the handler's.
  Request request = std::move(request_);
  request_.method = request.method;
  try {
    answer(context_.handler.handle(std::move(request)));
  } catch (const std::exception& error) {
    log(Level::kError, "a handler threw",
        {{"method", request_.method}, {"error", std::string_view(error.what())}});
    answer_error(500, "The server failed while it handled the request.");
  }
  return Step::kGoOn;
}

WorkerTask::Step WorkerTask::send() {
  const auto before = sender_->sent();
  const auto state = sender_->send(socket_);
  if (sender_->sent() > before) note_progress();
  switch (state) {
    case ResponseSender::State::kWouldBlock:
      return Step::kWrite;
    case ResponseSender::State::kClosed:
      return fail();
    case ResponseSender::State::kSent:
      break;
  }
  keep_alive_ = sender_->keep_alive();
  phase_ = Phase::kDone;
  return Step::kGoOn;
}

}  // namespace slipway::net
