#include "net/client.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/guarded.h"
#include "net/tokens.h"

namespace slipway::net {
namespace {

constexpr std::size_t kHandlesKept = 16;

struct CloseHandle {
  void operator()(CURL* handle) const { ::curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, CloseHandle>;

struct FreeList {
  void operator()(curl_slist* list) const { ::curl_slist_free_all(list); }
};
using HeaderList = std::unique_ptr<curl_slist, FreeList>;

// What libcurl's callbacks work on, for one request.
struct Transfer {
  ClientResponse response;
  std::uint64_t response_limit = 0;
  bool too_large = false;
  base::FileDescriptor upload;
  std::uint64_t upload_size = 0;
  base::FileDescriptor download;
  int file_error = 0;  // errno of the first failure with either file
};

std::size_t read_upload(char* to, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  for (;;) {
    const ssize_t got = ::read(transfer.upload.get(), to, size * count);
    if (got >= 0) return static_cast<std::size_t>(got);
    if (errno == EINTR) continue;
    transfer.file_error = errno;
    return CURL_READFUNC_ABORT;
  }
}

// A connection that was kept open may turn out closed after some of the body was read.
int seek_upload(void* user, curl_off_t offset, int origin) {
  auto& transfer = *static_cast<Transfer*>(user);
  return ::lseek(transfer.upload.get(), offset, origin) < 0 ? CURL_SEEKFUNC_FAIL : CURL_SEEKFUNC_OK;
}

std::size_t write_download(const char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::size_t all = size * count;
  if (!transfer.download) {
    if (transfer.response.body.size() + all > transfer.response_limit) {
      transfer.too_large = true;
      return 0;
    }
    transfer.response.body.append(bytes, all);
    return all;
  }
  for (std::size_t done = 0; done < all;) {
    const ssize_t wrote = ::write(transfer.download.get(), bytes + done, all - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) {
      transfer.file_error = errno;
      return 0;
    }
    done += static_cast<std::size_t>(wrote);
  }
  return all;
}

std::size_t take_header(const char* bytes, std::size_t size, std::size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  std::string_view line(bytes, size * count);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  // A status line starts anew: before it stood an interim response.
  if (line.substr(0, 5) == "HTTP/") transfer.response.headers = Headers();
  const auto colon = line.find(':');
  if (colon != std::string_view::npos && line.substr(0, 5) != "HTTP/") {
    transfer.response.headers.add(std::string(line.substr(0, colon)),
                                  std::string(trim_spaces(line.substr(colon + 1))));
  }
  return size * count;
}

void append(HeaderList& list, const std::string& line) {
  curl_slist* const grown = ::curl_slist_append(list.get(), line.c_str());
  if (!grown) throw std::bad_alloc();
  static_cast<void>(list.release());
  list.reset(grown);
}

// The caller's fields in their order; what libcurl would add of its own is switched off,
// but for Host and Content-Length.
HeaderList make_header_list(const Headers& headers) {
  HeaderList list;
  for (const auto& [name, value] : headers) {
    if (same_ignoring_case(name, "content-length")) continue;
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      throw Error("InvalidHeader", "The value of the header " + name + " holds a line break.");
    }
    append(list, value.empty() ? name + ";" : name + ": " + value);
  }
  for (const char* name : {"Accept", "Content-Type", "Expect"}) {
    if (!headers.has(name)) append(list, std::string(name) + ":");
  }
  return list;
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = ::curl_easy_setopt(handle, option, value);
  if (code != CURLE_OK) {
    base::throw_internal(std::string("libcurl refuses an option: ") + ::curl_easy_strerror(code));
  }
}

base::FileDescriptor open_or_throw(const std::filesystem::path& path, int flags) {
  base::FileDescriptor file(::open(path.c_str(), flags | O_CLOEXEC, 0600));
  if (!file) base::throw_errno("cannot open " + path.string());
  return file;
}

void set_upload(CURL* handle, const std::filesystem::path& path, Transfer& transfer) {
  transfer.upload = open_or_throw(path, O_RDONLY);
  struct stat about {};
  if (::fstat(transfer.upload.get(), &about) != 0)
    base::throw_errno("cannot read " + path.string());
  set(handle, CURLOPT_UPLOAD, 1L);
  set(handle, CURLOPT_READFUNCTION, &read_upload);
  set(handle, CURLOPT_READDATA, static_cast<void*>(&transfer));
  set(handle, CURLOPT_SEEKFUNCTION, &seek_upload);
  set(handle, CURLOPT_SEEKDATA, static_cast<void*>(&transfer));
  set(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(about.st_size));
}

void set_request(CURL* handle, const ClientRequest& request, Transfer& transfer) {
  set(handle, CURLOPT_URL, request.url.c_str());
  set(handle, CURLOPT_PATH_AS_IS, 1L);  // signatures cover the path as it is
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_NOSIGNAL, 1L);
  // As the tools beside us do; libcurl by itself looks at the system's authorities only.
  if (const char* authorities = std::getenv("SSL_CERT_FILE"); authorities && *authorities != '\0')
    set(handle, CURLOPT_CAINFO, authorities);
  set(handle, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(request.timeout.count()));
  if (request.body_file) {
    set_upload(handle, *request.body_file, transfer);
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    set(handle, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(handle, CURLOPT_POSTFIELDS, request.body.data());
  }
  if (request.method == "HEAD") set(handle, CURLOPT_NOBODY, 1L);
  set(handle, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  set(handle, CURLOPT_WRITEFUNCTION, &write_download);
  set(handle, CURLOPT_WRITEDATA, static_cast<void*>(&transfer));
  set(handle, CURLOPT_HEADERFUNCTION, &take_header);
  set(handle, CURLOPT_HEADERDATA, static_cast<void*>(&transfer));
}

// Scheme, host and port: the rest of the URL may hold a secret.
std::string address_of(const std::string& url) {
  const auto scheme = url.find("://");
  const auto end = url.find_first_of("/?#", scheme == std::string::npos ? 0 : scheme + 3);
  const std::string address = url.substr(0, end);
  const auto at = address.rfind('@');
  return at == std::string::npos ? address : address.substr(0, scheme + 3) + address.substr(at + 1);
}

[[noreturn]] void throw_failed(const ClientRequest& request, CURLcode code, const char* reason,
                               const Transfer& transfer) {
  const std::string address = address_of(request.url);
  if (transfer.file_error != 0) {
    base::throw_internal("a file failed during a transfer with " + address + ": " +
                         std::strerror(transfer.file_error));
  }
  if (transfer.too_large) {
    throw Error("ConnectionError",
                "The answer of " + address + " is larger than " +
                    std::to_string(request.response_limit) + " bytes.",
                502);
  }
  throw Error("ConnectionError",
              "No answer from " + address + ": " +
                  (*reason != '\0' ? reason : ::curl_easy_strerror(code)) + ".",
              502);
}

}  // namespace

struct Client::Handles {
  base::Guarded<std::vector<Handle>> idle;

  // The one used last first: its connection is the most likely to be still open.
  Handle take() {
    {
      auto handles = idle.lock();
      if (!handles->empty()) {
        Handle handle = std::move(handles->back());
        handles->pop_back();
        return handle;
      }
    }
    Handle handle(::curl_easy_init());
    if (!handle) base::throw_internal("libcurl cannot make a handle");
    return handle;
  }

  void give_back(Handle handle) {
    ::curl_easy_reset(handle.get());  // keeps the connections
    auto handles = idle.lock();
    if (handles->size() < kHandlesKept) handles->push_back(std::move(handle));
  }
};

Client::Client() : handles_(std::make_unique<Handles>()) {
  // Once a process, and before other threads use libcurl; its own count makes later calls cheap.
  static const CURLcode ready = ::curl_global_init(CURL_GLOBAL_DEFAULT);
  if (ready != CURLE_OK) base::throw_internal("libcurl cannot start");
}

Client::~Client() = default;

ClientResponse Client::send(const ClientRequest& request) {
  // All that the handle points to outlives it.
  Transfer transfer;
  transfer.response_limit = request.response_limit;
  const HeaderList headers = make_header_list(request.headers);
  std::array<char, CURL_ERROR_SIZE> reason{};
  Handle handle = handles_->take();
  set_request(handle.get(), request, transfer);
  set(handle.get(), CURLOPT_HTTPHEADER, headers.get());
  set(handle.get(), CURLOPT_ERRORBUFFER, reason.data());
  if (request.response_file) {
    transfer.download = open_or_throw(*request.response_file, O_WRONLY | O_CREAT | O_TRUNC);
  }

  const CURLcode code = ::curl_easy_perform(handle.get());
  if (code != CURLE_OK) throw_failed(request, code, reason.data(), transfer);
  long status = 0;
  ::curl_easy_getinfo(handle.get(), CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  handles_->give_back(std::move(handle));
  return std::move(transfer.response);
}

}  // namespace slipway::net
