#pragma once

// One request of a runner, taken apart.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "net/http.h"
#include "runner/decide.h"
#include "runner/runner.h"

namespace slipway::runner {

inline constexpr std::uint64_t kLargestArtifact = 5ull << 30;  // bytes

enum class RouteKind {
  kNone,
  kRegister,
  kVerify,
  kRemove,
  kRemoveManager,
  kRenewToken,
  kDiscovery,
  kRequest,
  kTrace,
  kUpdate,
  kArtifacts,
};
struct Route {
  RouteKind kind = RouteKind::kNone;
  Id job = 0;
};
Route route_of(std::string_view method, std::string_view path);

struct Coordinator::Call {
  // Throws Error{400} where a body that calls itself JSON is none.
  explicit Call(net::Request given);
  // By header (RUNNER-TOKEN, JOB-TOKEN), else "token" of the body or the query.
  std::string token(std::string_view header) const;
  std::string parameter(std::string_view name, std::string_view otherwise) const;

  net::Request request;
  Route route;
  Json body = Json::object();
};

// "<start>-<last>" of a trace's piece; only the start counts.
std::optional<std::uint64_t> start_of_range(std::string_view content_range);

net::Response json(int status, const Json& body);
net::Response refusal(int status, const std::string& message);
net::Response empty(int status);

// A file that came with a request; gone with the object unless somebody renamed it away.
class Upload {
 public:
  Upload(std::filesystem::path path, std::string filename, std::uint64_t size)
      : path_(std::move(path)), filename_(std::move(filename)), size_(size) {}
  ~Upload();
  Upload(Upload&& other) noexcept;
  const std::filesystem::path& path() const { return path_; }
  const std::string& filename() const { return filename_; }
  std::uint64_t size() const { return size_; }
  std::filesystem::path release() { return std::exchange(path_, {}); }

 private:
  std::filesystem::path path_;
  std::string filename_;
  std::uint64_t size_;
};
// The part "file" of a multipart body, written to a new file in `scratch`, or beside the body's own
// file. Throws Error{400} where there is none, {413} where it is too large.
Upload take_upload(const net::Request& request, const std::filesystem::path& scratch);

}  // namespace slipway::runner
