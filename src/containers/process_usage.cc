#include "containers/process_usage.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include "base/strings.h"

namespace slipway::containers {
namespace {

std::string namespace_of(const std::filesystem::path& process) {
  std::error_code error;
  return std::filesystem::read_symlink(process / "ns/pid", error).string();
}

void add_process(const std::filesystem::path& process, Usage& usage) {
  std::ifstream file(process / "stat");
  const std::string stat{std::istreambuf_iterator<char>(file), {}};
  const std::size_t name_end = stat.rfind(')');
  if (name_end == std::string::npos || name_end + 2 > stat.size()) return;
  // From the third field on: utime, stime, cutime, cstime are fields 14 to 17, rss is 24.
  const std::vector<std::string> fields =
      base::split(std::string_view(stat).substr(name_end + 2), ' ');
  if (fields.size() < 22) return;
  double ticks = 0;
  for (std::size_t field = 11; field <= 14; ++field) {
    ticks += base::parse_number(fields[field]).value_or(0);
  }
  usage.cpu_seconds += ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::int64_t pages = base::parse_integer(fields[21]).value_or(0);
  usage.memory_bytes += static_cast<std::uint64_t>(pages * ::sysconf(_SC_PAGESIZE));
}

}  // namespace

std::optional<Usage> usage_of_processes(pid_t pid) {
  const std::filesystem::path processes = "/proc";
  const std::string wanted = namespace_of(processes / std::to_string(pid));
  if (wanted.empty()) return std::nullopt;
  Usage usage;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(processes, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::filesystem::path& process = entry->path();
    if (!base::parse_integer(process.filename().string())) continue;
    if (namespace_of(process) == wanted) add_process(process, usage);
  }
  return usage;
}

}  // namespace slipway::containers
