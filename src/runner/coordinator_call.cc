#include "runner/coordinator_call.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/ids.h"
#include "base/strings.h"
#include "runner/multipart.h"

namespace slipway::runner {
namespace {

constexpr std::string_view kPrefix = "/api/v4/";
constexpr std::uint64_t kLargestJson = 4u << 20;

Route job_route(std::string_view method, std::string_view rest) {
  const std::size_t slash = rest.find('/');
  const auto id = base::parse_integer(rest.substr(0, slash));
  if (!id || *id <= 0) return {};
  const std::string_view what = slash == std::string_view::npos ? "" : rest.substr(slash + 1);
  if (what.empty() && method == "PUT") return {RouteKind::kUpdate, *id};
  if (what == "trace" && method == "PATCH") return {RouteKind::kTrace, *id};
  if (what == "artifacts" && (method == "POST" || method == "GET")) {
    return {RouteKind::kArtifacts, *id};
  }
  return {};
}

}  // namespace

Route route_of(std::string_view method, std::string_view path) {
  if (!path.starts_with(kPrefix)) return {};
  path.remove_prefix(kPrefix.size());
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path == "runners" && method == "POST") return {RouteKind::kRegister};
  if (path == "runners" && method == "DELETE") return {RouteKind::kRemove};
  if (path == "runners/verify" && method == "POST") return {RouteKind::kVerify};
  if (path == "runners/managers" && method == "DELETE") return {RouteKind::kRemoveManager};
  if (path == "runners/reset_authentication_token" && method == "POST") {
    return {RouteKind::kRenewToken};
  }
  if (path == "runners/router/discovery" && method == "GET") return {RouteKind::kDiscovery};
  if (path == "jobs/request" && method == "POST") return {RouteKind::kRequest};
  if (path.starts_with("jobs/")) return job_route(method, path.substr(5));
  return {};
}

Coordinator::Call::Call(net::Request given)
    : request(std::move(given)), route(route_of(request.method, request.path())) {
  if (route.kind == RouteKind::kTrace || route.kind == RouteKind::kArtifacts) return;
  const std::string text = request.body.text(kLargestJson);
  if (text.empty()) return;
  const std::string_view type = request.headers.get("Content-Type");
  if (type.starts_with("application/x-www-form-urlencoded")) {
    for (const auto& [name, value] : base::parse_query(text)) body[name] = value;
    return;
  }
  auto parsed = base::try_parse_json(text);
  if (!parsed || !parsed->is_object()) throw Error("Invalid", "400 Bad Request: not JSON", 400);
  body = std::move(*parsed);
}

std::string Coordinator::Call::token(std::string_view header) const {
  const std::string_view sent = request.headers.get(header);
  if (!sent.empty()) return std::string(sent);
  const std::string own = base::text_or(body, "token");
  return own.empty() ? parameter("token", "") : own;
}

std::string Coordinator::Call::parameter(std::string_view name, std::string_view otherwise) const {
  for (const auto& [key, value] : base::parse_query(request.query())) {
    if (key == name) return base::replace_all(value, "+", " ");
  }
  return std::string(otherwise);
}

std::optional<std::uint64_t> start_of_range(std::string_view content_range) {
  const std::size_t dash = content_range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto start = base::parse_integer(base::trim(content_range.substr(0, dash)));
  if (!start || *start < 0) return std::nullopt;
  return static_cast<std::uint64_t>(*start);
}

net::Response json(int status, const Json& body) {
  return net::plain(status, base::dump_json(body), "application/json");
}

net::Response refusal(int status, const std::string& message) {
  return json(status, {{"message", message}});
}

net::Response empty(int status) {
  net::Response response;
  response.status = status;
  return response;
}

Upload::~Upload() {
  std::error_code ignored;
  if (!path_.empty()) std::filesystem::remove(path_, ignored);
}

Upload::Upload(Upload&& other) noexcept
    : path_(std::exchange(other.path_, {})),
      filename_(std::move(other.filename_)),
      size_(other.size_) {}

Upload take_upload(const net::Request& request, const std::filesystem::path& scratch) {
  const auto boundary = boundary_of(request.headers.get("Content-Type"));
  if (!boundary) throw Error("Invalid", "400 file is missing", 400);
  const std::filesystem::path directory =
      request.body.in_memory() ? scratch : request.body.file()->path().parent_path();
  Upload place(directory / ("upload-" + base::random_hex(24)), "", 0);
  const base::FileDescriptor file(
      ::open(place.path().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!file) base::throw_errno("creating a file for an upload");
  std::optional<std::string> filename;
  bool taking = false;
  std::uint64_t size = 0;
  MultipartReader reader(
      *boundary,
      [&](const PartHead& head) {
        taking = head.name == "file" && !filename;
        if (taking) filename = head.filename.value_or("artifacts.zip");
      },
      [&](std::string_view bytes) {
        if (!taking) return;
        size += bytes.size();
        if (size > kLargestArtifact) {
          throw Error("TooLarge", "413 Request Entity Too Large", 413);
        }
        store::system_disk().write(file.get(), bytes);
      });
  request.body.for_each_piece([&](std::string_view piece) { reader.take(piece); });
  reader.finish();
  if (!filename) throw Error("Invalid", "400 file is missing", 400);
  // A name, not a path.
  const std::string name = std::filesystem::path(*filename).filename().string();
  return {place.release(), name.empty() ? "artifacts.zip" : name, size};
}

}  // namespace slipway::runner
