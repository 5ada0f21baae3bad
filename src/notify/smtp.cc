#include "notify/smtp.h"

#include <array>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>

#include <curl/curl.h>

#include "base/error.h"
#include "notify/mime.h"

namespace slipway::notify {
namespace {

constexpr long kConnectSeconds = 10;
constexpr long kSeconds = 60;  // of a whole transfer
constexpr int kSmtpsPort = 465;

using Handle = std::unique_ptr<CURL, decltype([](CURL* handle) { ::curl_easy_cleanup(handle); })>;
using List =
    std::unique_ptr<curl_slist, decltype([](curl_slist* list) { ::curl_slist_free_all(list); })>;

std::size_t give(char* buffer, std::size_t size, std::size_t count, void* user) {
  auto& rest = *static_cast<std::string_view*>(user);
  const std::string_view piece = rest.substr(0, size * count);
  std::memcpy(buffer, piece.data(), piece.size());
  rest.remove_prefix(piece.size());
  return piece.size();
}

std::size_t ignore(char* /*bytes*/, std::size_t size, std::size_t count, void* /*user*/) {
  return size * count;
}

int go_on(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return (*static_cast<const std::function<bool()>*>(user))() ? 1 : 0;
}

template <class Value>
void set(CURL* handle, CURLoption option, Value value) {
  const CURLcode code = ::curl_easy_setopt(handle, option, value);
  if (code != CURLE_OK)
    base::throw_internal(std::string("libcurl refuses an option: ") + ::curl_easy_strerror(code));
}

void set_security(CURL* handle, const SmtpOptions& options) {
  const bool from_start = options.port == kSmtpsPort;
  set(handle, CURLOPT_USE_SSL,
      static_cast<long>(options.require_tls || from_start ? CURLUSESSL_ALL : CURLUSESSL_NONE));
  if (const char* file = std::getenv("SSL_CERT_FILE"); file && *file != '\0')
    set(handle, CURLOPT_CAINFO, file);
  if (options.user.empty()) return;
  set(handle, CURLOPT_USERNAME, options.user.c_str());
  set(handle, CURLOPT_PASSWORD, options.password.c_str());
}

// A refusal of this mail; what concerns the session (530: authenticate first, …) the operator can
// mend, so it stays worth trying.
bool is_final(CURLcode code, long answer) {
  const bool of_mail = code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
                       code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_HTTP_RETURNED_ERROR;
  return of_mail && answer >= 550 && answer <= 554;
}

}  // namespace

Outcome send_mail(const SmtpOptions& options, const std::string& to, const std::string& mime,
                  const std::function<bool()>& stopping) {
  const Handle owned(::curl_easy_init());
  CURL* const handle = owned.get();
  if (!handle) throw std::bad_alloc();
  const List recipients(::curl_slist_append(nullptr, ("<" + to + ">").c_str()));
  if (!recipients) throw std::bad_alloc();
  const std::string url = std::string(options.port == kSmtpsPort ? "smtps" : "smtp") + "://" +
                          options.host + ":" + std::to_string(options.port) + "/" +
                          domain_of(options.from);
  const std::string sender = "<" + options.from + ">";
  std::string_view rest = mime;
  std::array<char, CURL_ERROR_SIZE> reason{};
  set(handle, CURLOPT_ERRORBUFFER, reason.data());
  set(handle, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
  set(handle, CURLOPT_URL, url.c_str());
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  set(handle, CURLOPT_TIMEOUT, kSeconds);
  set_security(handle, options);
  set(handle, CURLOPT_MAIL_FROM, sender.c_str());
  set(handle, CURLOPT_MAIL_RCPT, recipients.get());
  set(handle, CURLOPT_UPLOAD, 1L);
  set(handle, CURLOPT_READFUNCTION, give);
  set(handle, CURLOPT_READDATA, &rest);
  set(handle, CURLOPT_WRITEFUNCTION, ignore);
  set(handle, CURLOPT_NOPROGRESS, 0L);
  set(handle, CURLOPT_XFERINFOFUNCTION, go_on);
  set(handle, CURLOPT_XFERINFODATA, &stopping);
  const CURLcode code = ::curl_easy_perform(handle);
  if (code == CURLE_OK) return {};
  long answer = 0;
  ::curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &answer);
  Outcome outcome;
  outcome.result = is_final(code, answer) ? Outcome::Result::kRefused : Outcome::Result::kFailed;
  outcome.error = reason[0] != '\0' ? reason.data() : ::curl_easy_strerror(code);
  if (answer > 0) outcome.error += " (SMTP " + std::to_string(answer) + ")";
  return outcome;
}

}  // namespace slipway::notify
