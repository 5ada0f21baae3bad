#pragma once

// One connection of a client, from accept to close.
//
//   kHead ──► kBody ──► kServing (on the loop) ──► kFlushing ──► kHead …
//     │         └─────► kWorking (on a worker) ◄─► kParked
//     └─ large or unadmitted body ─► kWorking ─────► kHead …
//   any ──► kLingering ──► kClosed
//
// One request at a time: what the client sends ahead stays in the buffer or the kernel.
//
// Belongs to its loop's thread. While it is kWorking, the socket is used by the worker
// that runs its task, and the loop only notes what epoll says.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <netinet/in.h>

#include "net/exchange.h"
#include "net/input_buffer.h"
#include "net/parser.h"
#include "net/socket.h"
#include "net/worker_task.h"

namespace slipway::net {

class EpollLoop;
class LoopServer;
struct ServerContext;

class Connection {
 public:
  Connection(LoopServer& server, base::FileDescriptor descriptor, const sockaddr_storage& peer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Watches the socket and reads what is there already.
  void start();

  // The server is stopping: closes unless a request has started.
  void stop_idle();
  // The grace is over: closes now, or as soon as the worker lets go.
  void stop_now();

  // For the exchange.
  const RequestView& request() const noexcept { return view_; }
  void answer(std::string_view head, std::string_view body) noexcept;
  void drop_exchange() noexcept;
  bool keeps_alive() const noexcept;

  // Where the server keeps it; the server's to use.
  std::size_t index = 0;

 private:
  enum class State {
    kHead,       // waiting for a request, or in the middle of its head
    kBody,       // in the middle of a body that fits in memory
    kServing,    // with the LoopHandler
    kFlushing,   // the rest of an answer waits for the socket
    kWorking,    // a worker runs the task
    kParked,     // the task waits for the socket
    kLingering,  // answered for good; reads on so that the client can read the answer
    kClosed
  };
  enum class Follow { kNext, kClose };

  void on_events(std::uint32_t events);
  void advance();
  bool step();
  bool read_more(std::size_t at_least);

  bool step_head();
  bool start_request();
  bool step_body();
  bool step_chunked();
  bool finish_body(std::size_t size);
  void serve();
  bool refuse(int status, std::string_view sentence);
  bool send_continue();

  bool hand_over(TaskStart start);
  TaskStart make_task_start();
  void renew_head();
  bool submit();
  void worked(Turn turn);
  void finish_task();
  void resume_parked();

  void write_or_keep(std::string_view head, std::string_view body, Follow follow);
  void flush();
  void answered(Follow follow);
  void linger();
  void drain();
  void close();

  void set_interest(std::uint32_t events);
  std::string remote() const;
  void expect_progress_by(std::chrono::steady_clock::time_point deadline);
  void arm(std::chrono::steady_clock::time_point at);
  void timer_fired();
  void timed_out();

  LoopServer& server_;
  EpollLoop& loop_;
  ServerContext& context_;
  Socket socket_;
  const sockaddr_storage peer_;

  State state_ = State::kHead;
  bool readable_ = false;       // the socket may hold bytes; epoll will not say it again
  bool peer_finished_ = false;  // no more bytes will come
  bool broken_ = false;         // reset, or closed both ways
  bool advancing_ = false;      // advance() is on the stack
  std::uint32_t interest_ = 0;

  InputBuffer input_;
  HeadParser parser_;
  RequestLineAndHead head_;
  ChunkedDecoder decoder_;
  bool head_started_ = false;        // some of a head is there, and its deadline runs
  const char* parsed_at_ = nullptr;  // where the buffer lay when head_ was parsed
  bool on_loop_ = false;             // the request is the LoopHandler's
  std::size_t body_limit_ = 0;       // of the request, in memory
  std::size_t body_size_ = 0;        // decoded so far
  std::size_t message_size_ = 0;     // head and body, in the buffer
  RequestView view_;
  ConnectionExchange* exchange_ = nullptr;  // the handler's; null unless kServing

  std::string output_;  // kFlushing: what the socket did not take
  std::size_t output_taken_ = 0;
  Follow after_output_ = Follow::kNext;

  std::unique_ptr<WorkerTask> task_;  // kWorking and kParked
  std::size_t lingered_ = 0;          // bytes thrown away

  // Only pushed forward while requests go well; the timer looks when it fires.
  std::chrono::steady_clock::time_point deadline_;
  std::uint64_t timer_ = 0;
  std::chrono::steady_clock::time_point timer_at_;
  std::uint64_t retry_timer_ = 0;  // kParked: the pool was full
};

}  // namespace slipway::net
