#include "gitlab/page_parts.h"

#include "base/strings.h"
#include "gitlab/html.h"

namespace slipway::gitlab {
namespace {

constexpr std::string_view kStyle = R"(
body{font:15px/1.5 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
h1{font-size:1.3rem}h2{font-size:1rem;margin:0 0 .5rem}a{color:#1f66b8}small{color:#666}
table{border-collapse:collapse}td,th{text-align:left;padding:.25rem .8rem .25rem 0;border-bottom:1px solid #e3e3e3}
.stages{display:flex;flex-wrap:wrap;gap:1rem}section{border:1px solid #e3e3e3;border-radius:6px;padding:.8rem;min-width:12rem}
ul{list-style:none;margin:0;padding:0}li{padding:.15rem 0}
.badge{display:inline-block;padding:0 .5rem;border-radius:1rem;font-size:.8rem;background:#e6e6e6}
.success{background:#c9ecd1}.failed{background:#f9cdc8}.running,.pending{background:#cfe3fa}.manual,.scheduled{background:#eee3c4}
.error{background:#fdecea;padding:.5rem;border-radius:6px;white-space:pre-wrap}
.trace{background:#1d1f21;color:#ddd;padding:1rem;border-radius:6px;overflow:auto;font:13px/1.4 ui-monospace,monospace;white-space:pre-wrap;word-break:break-word}
.trace summary{cursor:pointer;color:#fff}.trace i{color:#999}.trace details{margin-left:.5rem}
.trace .bold{font-weight:bold}.trace .black{color:#888}.trace .red{color:#f2777a}.trace .green{color:#9c9}.trace .yellow{color:#fc6}
.trace .blue{color:#69c}.trace .magenta{color:#c9c}.trace .cyan{color:#6cc}.trace .white{color:#fff}
)";

}  // namespace

net::Response html_response(int status, const std::string& title, const std::string& body,
                            bool moving) {
  std::string html = "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">";
  html += "<meta name=\"viewport\" content=\"width=device-width\">";
  if (moving) html += "<meta http-equiv=\"refresh\" content=\"4\">";
  html += "<title>" + escaped(title) + "</title><style>" + std::string(kStyle) +
          "</style></head><body><h1>" + escaped(title) + "</h1>" + body + "</body></html>\n";
  net::Response response = net::plain(status, std::move(html), "text/html; charset=utf-8");
  response.headers.set("Cache-Control", "no-store");
  response.headers.set("Referrer-Policy", "no-referrer");
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.headers.set("X-Frame-Options", "DENY");
  response.headers.set("Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; "
                       "base-uri 'none'; form-action 'none'");
  return response;
}

std::string badge(ci::Status status) {
  const std::string name(text(status));
  return "<span class=\"badge " + name + "\">" + base::replace_all(name, "_", " ") + "</span>";
}

std::string time_text(base::Millis at) {
  const std::string text = base::iso8601(at);
  return text.substr(0, 10) + " " + text.substr(11, 8) + " UTC";
}

std::string duration_text(base::Millis duration) {
  const base::Millis seconds = std::max<base::Millis>(0, duration) / 1000;
  if (seconds >= 3600)
    return std::to_string(seconds / 3600) + " h " + std::to_string(seconds % 3600 / 60) + " min";
  if (seconds >= 60)
    return std::to_string(seconds / 60) + " min " + std::to_string(seconds % 60) + " s";
  return std::to_string(seconds) + " s";
}

}  // namespace slipway::gitlab
