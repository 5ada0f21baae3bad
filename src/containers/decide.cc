#include "containers/decide.h"

#include <algorithm>

#include <sys/wait.h>

#include "base/error.h"
#include "base/json.h"
#include "base/strings.h"

namespace slipway::containers {
namespace {

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// The fields of the line of /etc/passwd or /etc/group whose field `column` is `value`.
std::optional<std::vector<std::string>> account_line(std::string_view file, std::size_t column,
                                                     std::string_view value) {
  for (const std::string& line : base::split(file, '\n')) {
    std::vector<std::string> fields = base::split(line, ':');
    if (fields.size() >= 4 && fields[column] == value) return fields;
  }
  return std::nullopt;
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  const std::optional<std::int64_t> number = base::parse_integer(text);
  if (!number || *number < 0 || *number > 0xfffffffe) return std::nullopt;
  return static_cast<std::uint32_t>(*number);
}

std::uint32_t resolve_group(std::string_view name, std::string_view group) {
  if (const auto id = parse_id(name)) return *id;
  if (const auto line = account_line(group, 0, name)) {
    if (const auto id = parse_id((*line)[2])) return *id;
  }
  throw Error("ValidationException",
              "the image's group \"" + std::string(name) + "\" is not in its /etc/group");
}

}  // namespace

bool is_container_id(std::string_view id) {
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  return !id.empty() && id.size() <= 128 && alphanumeric(id.front()) &&
         std::all_of(id.begin(), id.end(),
                     [&](char c) { return alphanumeric(c) || c == '.' || c == '-'; });
}

std::vector<std::string> runtimes_to_try(const std::string& wanted, CgroupLayout layout) {
  if (!wanted.empty()) return {wanted};
  switch (layout) {
    case CgroupLayout::kVersion2:
      return {"crun", "runc"};
    case CgroupLayout::kHybrid:
      return {"runc"};
    case CgroupLayout::kVersion1:
    case CgroupLayout::kNone:
      break;
  }
  return {"runc", "crun"};
}

User resolve_user(std::string_view user, std::string_view passwd, std::string_view group) {
  User result;
  if (user.empty()) return result;
  const std::size_t colon = user.find(':');
  const std::string_view name = user.substr(0, colon);
  auto line = account_line(passwd, 0, name);
  if (!line && parse_id(name)) line = account_line(passwd, 2, name);
  if (line) {
    result.uid = parse_id((*line)[2]).value_or(0);
    result.gid = parse_id((*line)[3]).value_or(0);
  } else if (const auto id = parse_id(name)) {
    result.uid = *id;
  } else {
    throw Error("ValidationException",
                "the image's user \"" + std::string(name) + "\" is not in its /etc/passwd");
  }
  if (colon != std::string_view::npos) {
    result.gid = resolve_group(user.substr(colon + 1), group);
    return result;
  }
  if (!line) return result;
  for (const std::string& entry : base::split(group, '\n')) {
    const std::vector<std::string> fields = base::split(entry, ':');
    if (fields.size() < 4) continue;
    const std::vector<std::string> members = base::split(fields[3], ',');
    if (std::find(members.begin(), members.end(), (*line)[0]) == members.end()) continue;
    if (const auto id = parse_id(fields[2])) result.groups.push_back(*id);
  }
  return result;
}

Exit start_failure(std::string_view runtime_log, base::Millis at) {
  std::string message;
  for (const std::string& line : base::split(runtime_log, '\n')) {
    const std::optional<Json> entry = base::try_parse_json(line);
    if (!entry || !entry->is_object()) continue;
    const std::string level = base::text_or(*entry, "level");
    if (level == "error" || level == "fatal") message = base::text_or(*entry, "msg");
  }
  if (message.empty()) return {125, "cannot start: the container runtime failed", at};
  int code = 125;
  const bool program = contains(message, "exec") || contains(message, "executable file");
  if (program && (contains(message, "executable file not found") ||
                  contains(message, "no such file or directory") ||
                  (contains(message, "executable file") && contains(message, "not found")))) {
    code = 127;
  } else if (program &&
             (contains(message, "permission denied") || contains(message, "Permission denied"))) {
    code = 126;
  }
  return {code, "cannot start: " + std::string(base::utf8_prefix(message, 1000)), at};
}

Exit exit_from_status(int wait_status, bool killed_for_memory, base::Millis at) {
  Exit result;
  result.at = at;
  result.code = WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
  if (killed_for_memory && result.code != 0) result.reason = "out of memory";
  return result;
}

Recovery recover(const Found& found) {
  if (found.exit_written) return Recovery::kExited;
  if (found.lock_held) return Recovery::kRunning;
  return found.taken_over ? Recovery::kLost : Recovery::kNeverStarted;
}

std::vector<std::string> command_line(const images::RunConfig& image,
                                      const std::optional<std::vector<std::string>>& entrypoint,
                                      const std::optional<std::vector<std::string>>& arguments) {
  std::vector<std::string> line = entrypoint ? *entrypoint : image.entrypoint;
  static const std::vector<std::string> kNothing;
  const std::vector<std::string>& rest = arguments    ? *arguments
                                         : entrypoint ? kNothing
                                                      : image.command;
  line.insert(line.end(), rest.begin(), rest.end());
  return line;
}

}  // namespace slipway::containers
