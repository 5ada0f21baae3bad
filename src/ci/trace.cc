#include "ci/trace.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/strings.h"
#include "ci/masker.h"
#include "store/files.h"

namespace slipway::ci {
namespace {

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      base::throw_errno("Cannot write a trace");
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

// One job's trace while it grows. After a restart what was held back is gone: the size is that of
// the file, and the runner sends the rest again.
struct Traces::Live {
  explicit Live(std::vector<std::string> secrets) : masker(std::move(secrets)) {}

  std::mutex mutex;  // guards all below
  base::FileDescriptor file;
  Masker masker;
  std::uint64_t received = 0;
  std::uint64_t written = 0;
  bool full = false;
  bool whole = true;  // the digest covers all bytes
  bool cleared = false;
  std::optional<base::Digest> digest{base::Algorithm::kCrc32};
};

Traces::Traces(std::filesystem::path directory, std::uint64_t limit, Secrets secrets)
    : directory_(std::move(directory)), limit_(limit), secrets_(std::move(secrets)) {}

Traces::~Traces() = default;

std::filesystem::path Traces::path(Id job) const {
  return directory_ / std::to_string(job / 1000) / (std::to_string(job) + ".log");
}

std::shared_ptr<Traces::Live> Traces::live(Id job) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = live_.find(job);
    if (found != live_.end()) return found->second;
  }
  // The secrets come from the database: not under the lock.
  auto made = std::make_shared<Live>(secrets_(job));
  std::filesystem::create_directories(path(job).parent_path());
  made->file = base::FileDescriptor(
      ::open(path(job).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!made->file) base::throw_errno("Cannot open the trace of job " + std::to_string(job));
  struct stat status {};
  if (::fstat(made->file.get(), &status) != 0) base::throw_errno("Cannot read a trace");
  made->received = made->written = static_cast<std::uint64_t>(status.st_size);
  made->whole = made->received == 0;
  made->full = made->written >= limit_;
  const std::lock_guard lock(mutex_);
  return live_.emplace(job, std::move(made)).first->second;
}

Traces::Appended Traces::append(Id job, std::uint64_t offset, std::string_view bytes) {
  const auto trace = live(job);
  const std::lock_guard lock(trace->mutex);
  if (offset != trace->received) return {.fits = false, .size = trace->received};
  trace->received += bytes.size();
  if (trace->digest) trace->digest->update(bytes);
  if (trace->full) return {.fits = true, .size = trace->received};
  std::string shown = trace->masker.feed(bytes);
  if (trace->written + shown.size() > limit_) {
    shown.resize(static_cast<std::size_t>(limit_ - trace->written));
    shown += "\n\x1b[31;1mJob's log exceeded limit of " + std::to_string(limit_) +
             " bytes.\nJob execution will continue but no more output will be collected.\n"
             "\x1b[0;m";
    trace->full = true;
  }
  write_all(trace->file.get(), shown);
  trace->written += shown.size();
  return {.fits = true, .size = trace->received};
}

std::uint64_t Traces::size(Id job) {
  const auto trace = live(job);
  const std::lock_guard lock(trace->mutex);
  return trace->received;
}

bool Traces::is_complete(Id job, const std::optional<std::string>& checksum,
                         const std::optional<std::uint64_t>& bytes) {
  const auto trace = live(job);
  const std::lock_guard lock(trace->mutex);
  if (bytes && *bytes > trace->received) return false;
  if (!checksum || !checksum->starts_with("crc32:") || !trace->whole || !trace->digest ||
      trace->cleared) {
    return true;
  }
  const std::string is = base::hex(trace->digest->finish());
  trace->digest.reset();
  if ("crc32:" + is == *checksum) return true;
  if (::ftruncate(trace->file.get(), 0) != 0) base::throw_errno("Cannot clear a trace");
  trace->masker.flush();
  trace->received = trace->written = 0;
  trace->full = false;
  trace->cleared = true;
  return false;
}

std::uint64_t Traces::finish(Id job) {
  const auto trace = live(job);
  std::uint64_t size = 0;
  {
    const std::lock_guard lock(trace->mutex);
    const std::string rest = trace->masker.flush();
    if (!trace->full) {
      write_all(trace->file.get(), rest);
      trace->written += rest.size();
    }
    if (::fdatasync(trace->file.get()) != 0) base::throw_errno("Cannot store a trace");
    size = trace->written;
  }
  const std::lock_guard lock(mutex_);
  live_.erase(job);
  return size;
}

std::string Traces::read(Id job, std::uint64_t offset, std::uint64_t limit) const {
  const base::FileDescriptor file(::open(path(job).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return "";
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) return "";
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (offset >= size) return "";
  std::string text(static_cast<std::size_t>(std::min(limit, size - offset)), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t read =
        ::pread(file.get(), text.data() + got, text.size() - got, static_cast<off_t>(offset + got));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) break;
    got += static_cast<std::size_t>(read);
  }
  text.resize(got);
  return text;
}

void Traces::remove(Id job) {
  {
    const std::lock_guard lock(mutex_);
    live_.erase(job);
  }
  std::error_code ignored;
  std::filesystem::remove(path(job), ignored);
}

}  // namespace slipway::ci
