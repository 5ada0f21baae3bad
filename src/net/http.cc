#include "net/http.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <fcntl.h>

#include "base/digest.h"
#include "base/error.h"
#include "net/tokens.h"

namespace slipway::net {
namespace {

constexpr std::uint64_t kPiece = 1u << 20;

}  // namespace

void Headers::set(std::string_view name, std::string value) {
  // The name may be a view into a field that goes away.
  std::string kept(name);
  remove(kept);
  fields_.emplace_back(std::move(kept), std::move(value));
}

void Headers::remove(std::string_view name) {
  std::erase_if(fields_,
                [name](const auto& field) { return same_ignoring_case(field.first, name); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const noexcept {
  for (const auto& [known, value] : fields_) {
    if (same_ignoring_case(known, name)) return value;
  }
  return std::nullopt;
}

std::string_view Headers::get(std::string_view name, std::string_view otherwise) const noexcept {
  return find(name).value_or(otherwise);
}

Body::Body(std::string bytes) : memory_(std::move(bytes)), size_(memory_.size()) {}

Body::Body(std::shared_ptr<store::Spool::File> file, std::uint64_t size, std::string sha256)
    : file_(std::move(file)), size_(size), sha256_(std::move(sha256)) {}

std::string Body::text(std::uint64_t limit) const {
  if (in_memory()) return memory_;
  if (size_ > limit) {
    throw Error("RequestEntityTooLarge",
                "The request's body of " + std::to_string(size_) + " bytes is larger than the " +
                    std::to_string(limit) + " bytes that this operation takes.",
                413);
  }
  std::string text;
  text.reserve(size_);
  for_each_piece([&text](std::string_view piece) { text.append(piece); });
  return text;
}

std::string Body::sha256() const { return in_memory() ? base::sha256_hex(memory_) : sha256_; }

void Body::for_each_piece(const std::function<void(std::string_view)>& piece) const {
  if (in_memory()) {
    for (std::size_t at = 0; at < memory_.size(); at += kPiece) {
      piece(std::string_view(memory_).substr(at, kPiece));
    }
    return;
  }
  std::string buffer(std::min(kPiece, size_), '\0');
  for (std::uint64_t at = 0; at < size_;) {
    const auto wanted =
        static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), size_ - at));
    // By the descriptor: the file may have been renamed to its final place meanwhile.
    const ssize_t got = ::pread(file_->descriptor(), buffer.data(), wanted, static_cast<off_t>(at));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) base::throw_errno("cannot read the request's body from the spool");
    if (got == 0) base::throw_internal("the request's body in the spool was cut short");
    piece(std::string_view(buffer).substr(0, static_cast<std::size_t>(got)));
    at += static_cast<std::uint64_t>(got);
  }
}

std::string_view RequestHead::path() const noexcept {
  return std::string_view(target).substr(0, target.find('?'));
}

std::string_view RequestHead::query() const noexcept {
  const auto mark = target.find('?');
  return mark == std::string::npos ? std::string_view() : std::string_view(target).substr(mark + 1);
}

Response plain(int status, std::string text, std::string_view content_type) {
  Response response;
  response.status = status;
  response.headers.add("Content-Type", std::string(content_type));
  response.body = std::move(text);
  return response;
}

std::string_view reason_of(int status) noexcept {
  static constexpr std::pair<int, std::string_view> kReasons[] = {
      {100, "Continue"},
      {101, "Switching Protocols"},
      {200, "OK"},
      {201, "Created"},
      {202, "Accepted"},
      {203, "Non-Authoritative Information"},
      {204, "No Content"},
      {205, "Reset Content"},
      {206, "Partial Content"},
      {300, "Multiple Choices"},
      {301, "Moved Permanently"},
      {302, "Found"},
      {303, "See Other"},
      {304, "Not Modified"},
      {307, "Temporary Redirect"},
      {308, "Permanent Redirect"},
      {400, "Bad Request"},
      {401, "Unauthorized"},
      {403, "Forbidden"},
      {404, "Not Found"},
      {405, "Method Not Allowed"},
      {406, "Not Acceptable"},
      {408, "Request Timeout"},
      {409, "Conflict"},
      {410, "Gone"},
      {411, "Length Required"},
      {412, "Precondition Failed"},
      {413, "Content Too Large"},
      {414, "URI Too Long"},
      {415, "Unsupported Media Type"},
      {416, "Range Not Satisfiable"},
      {417, "Expectation Failed"},
      {422, "Unprocessable Content"},
      {424, "Failed Dependency"},
      {429, "Too Many Requests"},
      {431, "Request Header Fields Too Large"},
      {499, "Client Closed Request"},
      {500, "Internal Server Error"},
      {501, "Not Implemented"},
      {502, "Bad Gateway"},
      {503, "Service Unavailable"},
      {504, "Gateway Timeout"},
      {505, "HTTP Version Not Supported"},
      {507, "Insufficient Storage"},
  };
  const auto* const found =
      std::lower_bound(std::begin(kReasons), std::end(kReasons), status,
                       [](const auto& reason, int wanted) { return reason.first < wanted; });
  if (found == std::end(kReasons) || found->first != status) return "Unknown";
  return found->second;
}

}  // namespace slipway::net
