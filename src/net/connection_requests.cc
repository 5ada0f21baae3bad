// The way of one request through its connection: head, body, and who handles it.

#include <algorithm>
#include <string>
#include <utility>

#include "net/connection.h"
#include "net/event_loop.h"
#include "net/loop_server.h"
#include "net/response_head.h"

namespace slipway::net {
namespace {

constexpr std::size_t kHeadRead = 8u << 10;
constexpr std::size_t kChunkedRead = 32u << 10;
constexpr std::string_view kContinueLine = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace

// Does one thing; false where nothing is to be done until something happens.
bool Connection::step() {
  if (state_ == State::kHead) return step_head();
  if (state_ == State::kBody) return step_body();
  return false;
}

bool Connection::step_head() {
  if (!input_.empty()) {
    switch (parser_.parse(input_.view(), head_)) {
      case Progress::kComplete:
        parsed_at_ = input_.data();
        return start_request();
      case Progress::kBad:
        return refuse(parser_.refusal().status, parser_.refusal().sentence);
      case Progress::kIncomplete:
        break;
    }
  }
  if (read_more(kHeadRead)) return true;
  if (state_ == State::kHead && !input_.empty() && !head_started_) {
    head_started_ = true;
    expect_progress_by(loop_.now() + context_.options.head_timeout);
  }
  return false;
}

bool Connection::start_request() {
  head_started_ = false;
  body_size_ = 0;
  on_loop_ = context_.loop_handler && context_.loop_handler->takes(head_.method, head_.target);
  body_limit_ = on_loop_ ? context_.loop_handler->body_limit() : context_.options.memory_body;
  if (head_.body == BodyKind::kNone) {
    // Without the 100, botocore takes the final answer for it and then misreads the next
    // answer on the connection.
    if (head_.expects_continue && !send_continue()) return false;
    return finish_body(0);
  }

  const std::uint64_t known = head_.body == BodyKind::kLength ? head_.content_length : 0;
  if (known > (on_loop_ ? body_limit_ : context_.options.body_limit)) {
    return refuse(413, "The body is larger than this server takes.");
  }
  if (!on_loop_ && (head_.expects_continue || known > body_limit_)) {
    TaskStart start = make_task_start();
    start.received = false;
    start.undecoded = input_.view().substr(head_.size);
    input_.take(input_.size());
    input_.shrink(0);
    return hand_over(std::move(start));
  }
  if (head_.expects_continue && input_.size() == head_.size && !send_continue()) return false;
  decoder_ = ChunkedDecoder();
  state_ = State::kBody;
  expect_progress_by(loop_.now() + context_.options.idle_timeout);
  return true;
}

bool Connection::send_continue() {
  const iovec line{const_cast<char*>(kContinueLine.data()), kContinueLine.size()};
  // Nothing else is on its way to the client, so it fits whole or the client is gone.
  if (socket_.write(&line, 1).bytes == kContinueLine.size()) return true;
  close();
  return false;
}

bool Connection::step_body() {
  if (head_.body == BodyKind::kChunked) return step_chunked();
  const auto length = static_cast<std::size_t>(head_.content_length);
  const std::size_t whole = head_.size + length;
  if (input_.size() >= whole) return finish_body(length);
  if (!read_more(whole - input_.size())) return false;
  expect_progress_by(loop_.now() + context_.options.idle_timeout);
  return true;
}

// Decodes in place: head, then content without gaps, then what is not decoded yet.
bool Connection::step_chunked() {
  const std::size_t at = head_.size + body_size_;
  if (input_.size() > at) {
    const auto decoded = decoder_.decode(input_.data() + at, input_.size() - at);
    if (decoded.progress == Progress::kBad) {
      return refuse(400, "The chunked coding of the body is broken.");
    }
    body_size_ += decoded.produced;
    if (on_loop_ && body_size_ > body_limit_) {
      return refuse(413, "The body is larger than this server takes.");
    }
    if (decoded.progress == Progress::kComplete) {
      input_.close_gap(at + decoded.produced, at + decoded.consumed);
      return finish_body(body_size_);
    }
    input_.truncate(at + decoded.produced);
    if (body_size_ > body_limit_) {
      TaskStart start = make_task_start();
      start.received = false;
      start.content = input_.view().substr(head_.size);
      start.decoder = decoder_;
      input_.take(input_.size());
      input_.shrink(0);
      return hand_over(std::move(start));
    }
  }
  if (!read_more(kChunkedRead)) return false;
  expect_progress_by(loop_.now() + context_.options.idle_timeout);
  return true;
}

bool Connection::finish_body(std::size_t size) {
  body_size_ = size;
  message_size_ = head_.size + size;
  if (on_loop_) {
    serve();
    return true;
  }
  TaskStart start = make_task_start();
  start.content = input_.view().substr(head_.size, size);
  input_.take(message_size_);
  message_size_ = 0;
  return hand_over(std::move(start));
}

// The buffer may have moved since the head was parsed, and the views with it.
void Connection::renew_head() {
  if (input_.data() == parsed_at_) return;
  parser_.reset();
  parser_.parse(input_.view(), head_);
  parsed_at_ = input_.data();
}

TaskStart Connection::make_task_start() {
  renew_head();
  TaskStart start;
  start.head.method = head_.method;
  start.head.target = head_.target;
  for (const auto& field : head_.fields) {
    start.head.headers.add(std::string(field.name), std::string(field.value));
  }
  start.head.remote = remote();
  start.body = head_.body;
  start.content_length = head_.content_length;
  start.minor_version = head_.minor_version;
  start.keep_alive = head_.keep_alive;
  start.expects_continue = head_.expects_continue;
  return start;
}

void Connection::serve() {
  renew_head();
  view_.method = head_.method;
  view_.target = head_.target;
  view_.fields = head_.fields.data();
  view_.field_count = head_.fields.size();
  view_.body = input_.view().substr(head_.size, body_size_);
  state_ = State::kServing;
  exchange_ = server_.exchanges().make(loop_, *this);
  context_.loop_handler->serve(std::unique_ptr<Exchange>(exchange_));
  // A client that was gone before is not reported by epoll again.
  if (exchange_ && peer_finished_) exchange_->abandon();
}

bool Connection::keeps_alive() const noexcept {
  return head_.keep_alive && head_.minor_version == 1 && !context_.stopping;
}

void Connection::answer(std::string_view head, std::string_view body) noexcept {
  exchange_ = nullptr;
  if (broken_) return close();
  write_or_keep(head, body, keeps_alive() ? Follow::kNext : Follow::kClose);
}

void Connection::drop_exchange() noexcept {
  head_.keep_alive = false;
  answer(closing_answer(500, "The server did not answer the request."), "");
}

bool Connection::refuse(int status, std::string_view sentence) {
  write_or_keep(closing_answer(status, sentence), "", Follow::kClose);
  return false;
}

}  // namespace slipway::net
