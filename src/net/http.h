#pragma once

// HTTP as values: what the server hands to its handlers and gets back.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "store/files.h"

namespace slipway::net {

// Fields in their order; names compare without case.
class Headers {
 public:
  void add(std::string name, std::string value) {
    fields_.emplace_back(std::move(name), std::move(value));
  }
  // Replaces every field of the name.
  void set(std::string_view name, std::string value);
  void remove(std::string_view name);
  // The first value, or nothing.
  std::optional<std::string_view> find(std::string_view name) const noexcept;
  std::string_view get(std::string_view name, std::string_view otherwise = "") const noexcept;
  bool has(std::string_view name) const noexcept { return find(name).has_value(); }

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// A request's or response's payload that is in hand: in memory when small,
// otherwise a file. Copies share it. Immutable, thus thread-safe.
class Body {
 public:
  Body() = default;
  explicit Body(std::string bytes);
  // Keeps the file for as long as the body lives. `sha256` in hexadecimal.
  Body(std::shared_ptr<store::Spool::File> file, std::uint64_t size, std::string sha256);

  std::uint64_t size() const noexcept { return size_; }
  bool in_memory() const noexcept { return !file_; }
  // The bytes. Throws Error{RequestEntityTooLarge, 413} where the body is in a file
  // and larger than `limit`.
  std::string text(std::uint64_t limit = 64u << 20) const;
  // Requires in_memory().
  const std::string& bytes() const noexcept { return memory_; }
  // Lower-case hexadecimal; known already for a file, computed here for memory.
  std::string sha256() const;
  // The file, for adopting it by rename; null for memory.
  const std::shared_ptr<store::Spool::File>& file() const noexcept { return file_; }
  // Calls `piece` with the contents in order, at most 1 MiB at a time.
  void for_each_piece(const std::function<void(std::string_view)>& piece) const;

 private:
  std::string memory_;
  std::shared_ptr<store::Spool::File> file_;
  std::uint64_t size_ = 0;
  std::string sha256_;
};

struct RequestHead {
  std::string method;
  std::string target;  // as sent: path and query
  Headers headers;
  std::string remote;  // "127.0.0.1:52114"
  bool encrypted = false;

  std::string_view path() const noexcept;   // as sent, before "?"
  std::string_view query() const noexcept;  // as sent, after "?"
};

struct Request : RequestHead {
  Body body;
};

// A part of a file, sent by sendfile. `keep` lives until it is sent (a lock, a temporary file).
struct FileSlice {
  std::filesystem::path path;
  std::uint64_t offset = 0;
  std::uint64_t length = 0;
  std::shared_ptr<void> keep;
};
// Gives the next piece, or nothing at the end; called on a worker thread. A body of
// unknown length, sent chunked.
using Stream = std::function<std::optional<std::string>()>;
using ResponseBody = std::variant<std::string, FileSlice, Stream>;

struct Response {
  int status = 200;
  Headers headers;
  ResponseBody body = std::string();
  // Set for HEAD: Content-Length is sent though there is no body.
  std::optional<std::uint64_t> content_length;
};

Response plain(int status, std::string text, std::string_view content_type = "text/plain");
std::string_view reason_of(int status) noexcept;

}  // namespace slipway::net
