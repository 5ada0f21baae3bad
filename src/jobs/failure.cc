#include "jobs/failure.h"

#include <algorithm>
#include <fstream>

#include "base/json.h"
#include "base/strings.h"
#include "jobs/record.h"

namespace slipway::jobs {
namespace {

constexpr std::size_t kLogTail = 64u << 10;
constexpr std::size_t kLines = 5;
constexpr std::size_t kLinesBytes = 600;

// What a container wrote need not be UTF-8; a FailureReason must be.
std::string as_utf8(std::string text) {
  if (base::is_utf8(text)) return text;
  return base::parse_json(base::dump_json(text), "text").get<std::string>();
}

std::string within_limit(std::string_view start, std::string_view middle, std::string_view finish) {
  const std::size_t fixed = start.size() + finish.size();
  const std::size_t room = kReasonLimit > fixed ? kReasonLimit - fixed : 0;
  return std::string(start) + std::string(base::utf8_prefix(middle, room)) + std::string(finish);
}

std::vector<std::string> last_of(const std::vector<std::string>& lines) {
  std::vector<std::string> last;
  std::size_t bytes = 0;
  for (auto line = lines.rbegin(); line != lines.rend() && last.size() < kLines; ++line) {
    if (base::trim(*line).empty()) continue;
    bytes += line->size();
    if (bytes > kLinesBytes && !last.empty()) break;
    last.insert(last.begin(), std::string(base::utf8_prefix(*line, kLinesBytes)));
  }
  return last;
}

}  // namespace

std::string algorithm_error(const containers::Exit& exit, const std::optional<std::string>& message,
                            const std::vector<std::string>& last_lines) {
  const std::string code = ", exit code: " + std::to_string(exit.code);
  std::string why;
  if (message) why = as_utf8(*message);
  if (!exit.reason.empty()) why = exit.reason + (why.empty() ? "" : ": " + why);
  if (!why.empty() || last_lines.empty()) return within_limit("AlgorithmError: ", why, code);
  return within_limit(
      "AlgorithmError: " + code + ". Last output: ", as_utf8(base::join(last_lines, "\n")), "");
}

ContainerEnd describe_end(const containers::Exit& exit, const std::optional<std::string>& message,
                          const std::vector<std::string>& last_lines) {
  ContainerEnd end{.code = exit.code, .exit_message = as_utf8(message.value_or(""))};
  if (exit.reason.starts_with("lost")) {
    end.cause = ExitCause::kLost;
    end.failure = within_limit("InternalServerError: the container was ", exit.reason, "");
  } else if (exit.reason.starts_with("cannot start")) {
    end.cause = ExitCause::kCannotStart;
    end.failure = within_limit("ClientError: CannotStartContainerError: ", exit.reason, "");
  } else {
    end.failure = algorithm_error(exit, message, last_lines);
  }
  return end;
}

std::string download_failure(std::string_view uri, std::string_view why) {
  return within_limit("ClientError: Data download failed: ", std::string(why),
                      " (S3 URL \"" + std::string(uri.substr(0, 512)) + "\")");
}

std::string no_objects_failure(std::string_view uri) {
  return "ClientError: Data download failed: No S3 objects found under S3 URL \"" +
         std::string(uri.substr(0, 512)) +
         "\" given in input data source. Please ensure that the bucket exists, that objects "
         "exist under that S3 prefix, and that the role has s3:ListBucket permission.";
}

std::string upload_failure(std::string_view uri, std::string_view why) {
  return within_limit("ClientError: Artifact upload failed: ", std::string(why),
                      " (S3 URL \"" + std::string(uri.substr(0, 512)) + "\")");
}

std::vector<std::string> last_lines_of(const std::filesystem::path& log) {
  std::ifstream file(log, std::ios::binary | std::ios::ate);
  if (!file) return {};
  const auto size = static_cast<std::size_t>(std::max<std::streamoff>(file.tellg(), 0));
  const std::size_t from = size > kLogTail ? size - kLogTail : 0;
  file.seekg(static_cast<std::streamoff>(from));
  std::string text(size - from, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<std::size_t>(file.gcount()));

  std::vector<std::string> errors;
  std::vector<std::string> outputs;
  for (const std::string& line : base::split(text, '\n')) {
    const auto space = line.find(' ');
    if (space == std::string::npos || line.size() < space + 3 || line[space + 2] != ' ') continue;
    (line[space + 1] == 'E' ? errors : outputs).push_back(line.substr(space + 3));
  }
  return last_of(errors.empty() ? outputs : errors);
}

}  // namespace slipway::jobs
