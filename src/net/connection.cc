// The connection itself: events, reading, answering, timeouts, closing.
// The way of a request through it is in connection_requests.cc.

#include "net/connection.h"

#include <algorithm>
#include <array>
#include <utility>

#include <arpa/inet.h>
#include <sys/epoll.h>

#include "net/event_loop.h"
#include "net/loop_server.h"
#include "net/response_head.h"

namespace slipway::net {
namespace {

constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP;
// One connection's share of a round, in steps of which a request takes two or three.
constexpr int kStepsPerTurn = 128;
// An empty buffer larger than this is given back.
constexpr std::size_t kKeptBuffer = 32u << 10;
// How long, and how much, a client may go on sending to a connection that has answered for good.
constexpr std::chrono::seconds kLingerTime{5};
constexpr std::size_t kLingerBytes = 32u << 20;
constexpr std::size_t kLingerBytesPerTurn = 1u << 20;
constexpr std::chrono::milliseconds kRetryPool{50};

}  // namespace

Connection::Connection(LoopServer& server, base::FileDescriptor descriptor,
                       const sockaddr_storage& peer)
    : server_(server),
      loop_(server.loop()),
      context_(server.context()),
      socket_(std::move(descriptor)),
      peer_(peer),
      parser_(context_.options.head_limit) {}

Connection::~Connection() = default;

void Connection::start() {
  interest_ = kReadEvents;
  loop_.watch(socket_.descriptor(), interest_, [this](std::uint32_t events) { on_events(events); });
  expect_progress_by(loop_.now() + context_.options.head_timeout);
}

std::string Connection::remote() const {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (peer_.ss_family == AF_INET6) {
    const auto& address = reinterpret_cast<const sockaddr_in6&>(peer_);
    ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
    return "[" + std::string(text.data()) + "]:" + std::to_string(ntohs(address.sin6_port));
  }
  const auto& address = reinterpret_cast<const sockaddr_in&>(peer_);
  ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
  return std::string(text.data()) + ":" + std::to_string(ntohs(address.sin_port));
}

void Connection::on_events(std::uint32_t events) {
  if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) readable_ = true;
  if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) peer_finished_ = true;
  if (events & (EPOLLHUP | EPOLLERR)) broken_ = true;
  switch (state_) {
    case State::kHead:
    case State::kBody:
      advance();
      break;
    case State::kServing:
      if (peer_finished_ && exchange_) exchange_->abandon();
      break;
    case State::kFlushing:
      if (broken_) {
        close();
      } else if (events & EPOLLOUT) {
        flush();
      }
      break;
    case State::kParked:
      resume_parked();
      break;
    case State::kLingering:
      drain();
      break;
    case State::kWorking:
    case State::kClosed:
      break;
  }
}

// A loop instead of recursion: an answer given from within serve() leads back here
// through the state alone, so a thousand pipelined requests use no stack.
void Connection::advance() {
  if (advancing_) return;
  advancing_ = true;
  for (int steps = 0; step(); ++steps) {
    if (steps < kStepsPerTurn) continue;
    loop_.soon([this] { advance(); });
    break;
  }
  advancing_ = false;
}

bool Connection::read_more(std::size_t at_least) {
  if (!readable_) return false;
  input_.reserve(at_least);
  const Moved moved = socket_.read(input_.room(), input_.room_size());
  if (moved.state == Transfer::kClosed) {
    close();
    return false;
  }
  if (moved.state == Transfer::kWouldBlock) {
    readable_ = false;
    return false;
  }
  input_.add(moved.bytes);
  // A read that was not filled has emptied the socket: epoll tells of what comes later, which
  // saves the read that finds nothing. Only the end, seen already, is not told again.
  if (moved.drained && !peer_finished_) readable_ = false;
  return true;
}

void Connection::write_or_keep(std::string_view head, std::string_view body, Follow follow) {
  const std::array<iovec, 2> parts{iovec{const_cast<char*>(head.data()), head.size()},
                                   iovec{const_cast<char*>(body.data()), body.size()}};
  const Moved moved = socket_.write(parts.data(), body.empty() ? 1 : 2);
  if (moved.state == Transfer::kClosed) {
    close();
    return;
  }
  if (moved.bytes == head.size() + body.size()) {
    answered(follow);
    return;
  }
  output_.assign(head.substr(std::min(moved.bytes, head.size())));
  output_.append(body.substr(moved.bytes - std::min(moved.bytes, head.size())));
  output_taken_ = 0;
  after_output_ = follow;
  state_ = State::kFlushing;
  set_interest(kReadEvents | EPOLLOUT);
  expect_progress_by(loop_.now() + context_.options.idle_timeout);
}

void Connection::flush() {
  while (output_taken_ < output_.size()) {
    const iovec rest{output_.data() + output_taken_, output_.size() - output_taken_};
    const Moved moved = socket_.write(&rest, 1);
    if (moved.state == Transfer::kWouldBlock) return;
    if (moved.state == Transfer::kClosed) return close();
    output_taken_ += moved.bytes;
    expect_progress_by(loop_.now() + context_.options.idle_timeout);
  }
  output_ = std::string();
  set_interest(kReadEvents);
  answered(after_output_);
}

void Connection::answered(Follow follow) {
  if (follow == Follow::kClose) return linger();
  input_.take(message_size_);
  input_.shrink(kKeptBuffer);
  message_size_ = 0;
  parser_.reset();
  state_ = State::kHead;
  // The answer said "keep-alive" a moment before the server was told to stop.
  if (context_.stopping && input_.empty()) return close();
  expect_progress_by(loop_.now() + context_.options.idle_timeout);
  if (!advancing_ && (readable_ || !input_.empty())) loop_.soon([this] { advance(); });
}

// Closing a socket with unread bytes resets the connection, and the client may lose the
// answer that it was sent. So only this side is closed, and what still comes is dropped.
void Connection::linger() {
  state_ = State::kLingering;
  input_.truncate(0);
  input_.shrink(0);
  socket_.shut_down_writing();
  expect_progress_by(loop_.now() + kLingerTime);
  if (readable_) drain();
}

void Connection::drain() {
  std::array<char, 16u << 10> scrap;
  for (std::size_t here = 0; here < kLingerBytesPerTurn;) {
    const Moved moved = socket_.read(scrap.data(), scrap.size());
    if (moved.state == Transfer::kWouldBlock) return;
    here += moved.bytes;
    lingered_ += moved.bytes;
    if (moved.state == Transfer::kClosed || lingered_ > kLingerBytes) return close();
  }
  loop_.soon([this] {
    if (state_ == State::kLingering) drain();
  });
}

void Connection::close() {
  if (state_ == State::kClosed) return;
  state_ = State::kClosed;
  if (exchange_) std::exchange(exchange_, nullptr)->detach();
  loop_.forget(socket_.descriptor());
  loop_.cancel(timer_);
  loop_.cancel(retry_timer_);
  server_.remove(*this);
}

void Connection::stop_idle() {
  if (state_ == State::kLingering || (state_ == State::kHead && input_.empty())) close();
}

void Connection::stop_now() {
  if (state_ == State::kWorking) {
    socket_.shut_down();  // so that the worker gives up; worked() closes
    return;
  }
  if (state_ == State::kServing && exchange_) exchange_->abandon();
  close();
}

void Connection::set_interest(std::uint32_t events) {
  if (interest_ == events) return;
  interest_ = events;
  loop_.rewatch(socket_.descriptor(), events);
}

void Connection::expect_progress_by(std::chrono::steady_clock::time_point deadline) {
  deadline_ = deadline;
  if (timer_ == 0 || timer_at_ > deadline) arm(deadline);
}

void Connection::arm(std::chrono::steady_clock::time_point at) {
  loop_.cancel(timer_);
  timer_at_ = at;
  timer_ = loop_.after(std::chrono::ceil<std::chrono::milliseconds>(at - loop_.now()),
                       [this] { timer_fired(); });
}

void Connection::timer_fired() {
  timer_ = 0;
  if (state_ == State::kServing || state_ == State::kWorking) return;  // armed again after it
  if (loop_.now() < deadline_) return arm(deadline_);
  timed_out();
}

void Connection::timed_out() {
  if (state_ == State::kHead && head_started_) {
    refuse(408, "The head of the request did not arrive in time.");
  } else if (state_ == State::kBody) {
    refuse(408, "The body of the request did not arrive in time.");
  } else if (state_ == State::kParked && task_->receiving()) {
    task_.reset();
    refuse(408, "The body of the request did not arrive in time.");
  } else {
    close();
  }
}

// ---- The worker's side of a request, as the loop sees it.

bool Connection::hand_over(TaskStart start) {
  // While a worker receives, the loop shall not be woken by every packet.
  if (!start.received) {
    set_interest(0);
    readable_ = true;
  }
  task_ = std::make_unique<WorkerTask>(context_, socket_, std::move(start));
  state_ = State::kWorking;
  if (submit()) return false;
  task_.reset();
  set_interest(kReadEvents);
  return refuse(503, "The server is busy: too many requests wait already. Try again.");
}

bool Connection::submit() {
  // The task lives until worked(), which only this leads to; the loop runs as long as
  // there is a connection.
  return context_.workers.submit([this, task = task_.get(), &loop = loop_] {
    const Turn turn = task->run();
    loop.post([this, turn] { worked(turn); });
  });
}

void Connection::worked(Turn turn) {
  if (context_.grace_over) return close();
  if (turn == Turn::kFinished) return finish_task();
  state_ = State::kParked;
  // Anew even where nothing changes, for what became ready during the turn.
  interest_ = turn == Turn::kNeedsRead ? kReadEvents : EPOLLOUT;
  loop_.rewatch(socket_.descriptor(), interest_);
  expect_progress_by(task_->last_progress() + context_.options.idle_timeout);
}

void Connection::resume_parked() {
  loop_.cancel(std::exchange(retry_timer_, 0));
  set_interest(0);
  readable_ = true;
  state_ = State::kWorking;
  if (submit()) return;
  state_ = State::kParked;
  retry_timer_ = loop_.after(kRetryPool, [this] {
    retry_timer_ = 0;
    resume_parked();
  });
}

void Connection::finish_task() {
  const std::unique_ptr<WorkerTask> task = std::move(task_);
  if (task->failed()) return close();
  const std::string rest = task->take_rest();
  if (!rest.empty()) {
    input_.reserve(rest.size());
    std::copy(rest.begin(), rest.end(), input_.room());
    input_.add(rest.size());
  }
  set_interest(kReadEvents);
  answered(task->keep_alive() ? Follow::kNext : Follow::kClose);
}

}  // namespace slipway::net
