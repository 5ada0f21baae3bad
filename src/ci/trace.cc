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

constexpr std::uint64_t kBack = 64 * 1024;

std::uint64_t size_of(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) base::throw_errno("Cannot read a trace");
  return static_cast<std::uint64_t>(status.st_size);
}

std::string read_at(int file, std::uint64_t offset, std::uint64_t length) {
  std::string text(static_cast<std::size_t>(length), '\0');
  std::size_t got = 0;
  while (got < text.size()) {
    const ssize_t read =
        ::pread(file, text.data() + got, text.size() - got, static_cast<off_t>(offset + got));
    if (read < 0 && errno == EINTR) continue;
    if (read <= 0) break;
    got += static_cast<std::size_t>(read);
  }
  text.resize(got);
  return text;
}

// Where the last whole line ends. A process that died while it wrote may have left half of what
// stands for a secret, and the other half would come in plain text. No line ends within that.
std::uint64_t end_of_lines(int file, std::uint64_t size) {
  for (std::uint64_t end = size; end > 0;) {
    const std::uint64_t from = end > kBack ? end - kBack : 0;
    const std::size_t found = read_at(file, from, end - from).rfind('\n');
    if (found != std::string::npos) return from + found + 1;
    end = from;
  }
  return 0;
}

}  // namespace

// One job's trace while it grows. After a restart what was held back is gone: the size is that of
// the file's whole lines, and the runner sends the rest again.
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
  bool finished = false;
  std::optional<base::Digest> digest{base::Algorithm::kCrc32};
};

Traces::Traces(std::filesystem::path directory, std::uint64_t limit, Secrets secrets)
    : directory_(std::move(directory)), limit_(limit), secrets_(std::move(secrets)) {}

Traces::~Traces() = default;

std::filesystem::path Traces::path(Id job) const {
  return directory_ / std::to_string(job / 1000) / (std::to_string(job) + ".log");
}

std::shared_ptr<Traces::Live> Traces::known(Id job) {
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(job);
  return found == live_.end() ? nullptr : found->second;
}

std::shared_ptr<Traces::Live> Traces::live(Id job) {
  if (auto found = known(job)) return found;
  // The secrets come from the database: not under the lock.
  auto secrets = secrets_(job);
  if (!secrets) return nullptr;
  auto made = std::make_shared<Live>(std::move(*secrets));
  std::filesystem::create_directories(path(job).parent_path());
  made->file = base::FileDescriptor(
      ::open(path(job).c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!made->file) base::throw_errno("Cannot open the trace of job " + std::to_string(job));
  // Under the lock, so that of two who open it nobody cuts off what the other has written.
  const std::lock_guard lock(mutex_);
  const auto found = live_.find(job);
  if (found != live_.end()) return found->second;
  std::uint64_t size = size_of(made->file.get());
  if (size < limit_) {
    const std::uint64_t end = end_of_lines(made->file.get(), size);
    if (end < size && ::ftruncate(made->file.get(), static_cast<off_t>(end)) != 0) {
      base::throw_errno("Cannot shorten a trace");
    }
    size = end;
  }
  made->received = made->written = size;
  made->whole = size == 0;
  made->full = size >= limit_;
  return live_.emplace(job, std::move(made)).first->second;
}

void Traces::add_secrets(Id job, const std::vector<std::string>& secrets) {
  const auto trace = known(job);
  if (!trace) return;  // they are read when it begins
  const std::lock_guard lock(trace->mutex);
  trace->masker.add(secrets);
}

Traces::Appended Traces::append(Id job, std::uint64_t offset, std::string_view bytes) {
  const auto trace = live(job);
  if (!trace) return {.fits = false, .ended = true, .size = 0};
  const std::lock_guard lock(trace->mutex);
  if (trace->finished) return {.fits = false, .ended = true, .size = trace->received};
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

bool Traces::is_complete(Id job, const std::optional<std::string>& checksum,
                         const std::optional<std::uint64_t>& bytes) {
  if (!bytes && !checksum) return true;
  const auto trace = live(job);
  if (!trace) return true;
  const std::lock_guard lock(trace->mutex);
  if (trace->finished) return true;
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
  const auto trace = known(job);
  if (!trace) {
    std::error_code none;
    const auto size = std::filesystem::file_size(path(job), none);
    return none ? 0 : size;
  }
  const std::lock_guard lock(trace->mutex);
  if (trace->finished) return trace->written;
  const std::string rest = trace->masker.flush();
  if (!trace->full) {
    write_all(trace->file.get(), rest);
    trace->written += rest.size();
  }
  if (::fdatasync(trace->file.get()) != 0) base::throw_errno("Cannot store a trace");
  trace->finished = true;
  return trace->written;
}

void Traces::forget(Id job) {
  const std::lock_guard lock(mutex_);
  live_.erase(job);
}

std::string Traces::read(Id job, std::uint64_t offset, std::uint64_t limit) const {
  const base::FileDescriptor file(::open(path(job).c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return "";
  const std::uint64_t size = size_of(file.get());
  if (offset >= size) return "";
  return read_at(file.get(), offset, std::min(limit, size - offset));
}

void Traces::remove(Id job) {
  forget(job);
  std::error_code ignored;
  std::filesystem::remove(path(job), ignored);
}

}  // namespace slipway::ci
