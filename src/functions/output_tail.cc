#include "functions/output_tail.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_descriptor.h"
#include "base/strings.h"
#include "functions/types.h"

namespace slipway::functions {
namespace {

constexpr std::uint64_t kRead = 16u << 10;  // bytes; more than enough for the tail
constexpr std::chrono::milliseconds kStep{1};
constexpr int kStepsForReport = 200;
constexpr int kStepsOfSilence = 5;
constexpr int kMostSteps = 50;

std::string read_since(const std::filesystem::path& path, std::uint64_t offset) {
  const base::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  struct stat status {};
  if (!file || ::fstat(file.get(), &status) != 0) return "";
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size <= offset) return "";
  const std::uint64_t from = std::max(offset, size > kRead ? size - kRead : 0);
  std::string bytes(size - from, '\0');
  const ssize_t count = ::pread(file.get(), bytes.data(), bytes.size(), static_cast<off_t>(from));
  bytes.resize(count < 0 ? 0 : static_cast<std::size_t>(count));
  if (from > offset) bytes.erase(0, bytes.find('\n') + 1);
  return bytes;
}

std::string whole_output(const TailQuery& query) {
  std::string output = read_since(query.log, query.offset);
  const std::string report = "REPORT RequestId: " + query.request_id;
  if (query.reports_itself && query.after.empty()) {
    for (int step = 0; step < kStepsForReport; ++step) {
      const std::size_t at = output.rfind(report);
      if (at != std::string::npos && output.find('\n', at) != std::string::npos) break;
      std::this_thread::sleep_for(kStep);
      output = read_since(query.log, query.offset);
    }
    return output;
  }
  for (int step = 0, silent = 0; step < kMostSteps && silent < kStepsOfSilence; ++step) {
    std::this_thread::sleep_for(kStep);
    std::string more = read_since(query.log, query.offset);
    silent = more == output ? silent + 1 : 0;
    output = std::move(more);
  }
  return output;
}

}  // namespace

std::string texts_of_log(std::string_view log) {
  std::string texts;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    const std::size_t blank = line.find(' ');
    if (blank != std::string_view::npos && line.size() >= blank + 3 && line[blank + 2] == ' ') {
      line.remove_prefix(blank + 3);
    }
    texts.append(line).append(1, '\n');
  }
  return texts;
}

std::string output_tail(const TailQuery& query) {
  std::string text;
  for (const std::string& line : query.before) text += line + "\n";
  text += texts_of_log(whole_output(query));
  for (const std::string& line : query.after) text += line + "\n";
  if (text.size() <= kLogTail) return text;
  text.erase(0, text.size() - kLogTail);
  // Not in the middle of a character.
  std::size_t start = 0;
  while (start < text.size() && (static_cast<unsigned char>(text[start]) & 0xC0) == 0x80) ++start;
  return text.substr(start);
}

}  // namespace slipway::functions
