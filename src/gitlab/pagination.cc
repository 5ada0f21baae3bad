#include "gitlab/pagination.h"

#include <utility>

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

constexpr std::int64_t kMostPerPage = 100;
constexpr std::int64_t kMostPages = 1'000'000;
constexpr std::int64_t kMostCounted = 10'000;

std::string address_of_page(const std::string& address, std::string_view query, std::int64_t page,
                            int per_page) {
  std::string text = address + "?";
  for (const auto& [name, value] : base::parse_query(query)) {
    if (name == "page" || name == "per_page" || name == "private_token" || name == "job_token" ||
        name == "access_token")
      continue;
    text += base::percent_encode(name) + "=" + base::percent_encode(value) + "&";
  }
  return text + "page=" + std::to_string(page) + "&per_page=" + std::to_string(per_page);
}

}  // namespace

PageRequest page_request(const Parameters& parameters) {
  PageRequest page;
  page.page = static_cast<int>(
      std::clamp<std::int64_t>(parameters.integer("page").value_or(1), 1, kMostPages));
  const std::int64_t per_page = parameters.integer("per_page").value_or(20);
  page.per_page = per_page < 1 ? 20 : static_cast<int>(std::min(per_page, kMostPerPage));
  page.keyset = parameters.text("pagination") == "keyset";
  return page;
}

void add_page_headers(net::Headers& headers, const PageRequest& page, std::int64_t total,
                      const std::string& address, std::string_view query) {
  const std::int64_t pages = std::max<std::int64_t>(1, (total + page.per_page - 1) / page.per_page);
  std::vector<std::string> links;
  const auto link = [&](std::string_view relation, std::int64_t number) {
    links.push_back("<" + address_of_page(address, query, number, page.per_page) + ">; rel=\"" +
                    std::string(relation) + "\"");
  };
  const bool more = page.page < pages;
  if (page.keyset) {
    if (more) link("next", page.page + 1);
    if (!links.empty()) headers.set("Link", links.front());
    return;
  }
  headers.set("X-Per-Page", std::to_string(page.per_page));
  headers.set("X-Page", std::to_string(page.page));
  headers.set("X-Next-Page", more ? std::to_string(page.page + 1) : "");
  headers.set("X-Prev-Page", page.page > 1 ? std::to_string(page.page - 1) : "");
  if (page.page > 1) link("prev", page.page - 1);
  if (more) link("next", page.page + 1);
  link("first", 1);
  if (total <= kMostCounted) {
    headers.set("X-Total", std::to_string(total));
    headers.set("X-Total-Pages", std::to_string(pages));
    link("last", pages);
  }
  headers.set("Link", base::join(links, ", "));
}

}  // namespace slipway::gitlab
