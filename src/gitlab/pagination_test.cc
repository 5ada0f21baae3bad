#include "gitlab/pagination.h"

#include <numeric>

#include <gtest/gtest.h>

namespace slipway::gitlab {
namespace {

constexpr const char* kAddress = "http://host:1/api/v4/projects";

net::Headers headers_of(const Json& given, std::int64_t total, const std::string& query = "") {
  net::Headers headers;
  add_page_headers(headers, page_request(Parameters(given)), total, kAddress, query);
  return headers;
}

TEST(Pagination, ClampsWhatIsAskedFor) {
  struct Case {
    Json given;
    int page, per_page;
  };
  const Case cases[] = {
      {Json::object(), 1, 20},
      {{{"page", "3"}, {"per_page", "7"}}, 3, 7},
      {{{"page", "0"}, {"per_page", "0"}}, 1, 20},
      {{{"page", "-4"}, {"per_page", "1000"}}, 1, 100},
      {{{"page", "9223372036854775807"}}, 1'000'000, 20},
  };
  for (const Case& each : cases) {
    const PageRequest page = page_request(Parameters(each.given));
    EXPECT_EQ(page.page, each.page);
    EXPECT_EQ(page.per_page, each.per_page);
    EXPECT_GE(page.offset(), 0);
  }
}

TEST(Pagination, TellsTheWayOn) {
  const net::Headers middle = headers_of({{"page", 2}, {"per_page", 10}}, 25,
                                         "page=2&per_page=10&scope[]=a&private_token=s");
  EXPECT_EQ(middle.get("X-Page"), "2");
  EXPECT_EQ(middle.get("X-Per-Page"), "10");
  EXPECT_EQ(middle.get("X-Next-Page"), "3");
  EXPECT_EQ(middle.get("X-Prev-Page"), "1");
  EXPECT_EQ(middle.get("X-Total"), "25");
  EXPECT_EQ(middle.get("X-Total-Pages"), "3");
  const std::string link(middle.get("Link"));
  EXPECT_NE(link.find("<http://host:1/api/v4/projects?scope%5B%5D=a&page=3&per_page=10>; "
                      "rel=\"next\""),
            std::string::npos)
      << link;
  for (const char* relation : {"rel=\"prev\"", "rel=\"first\"", "rel=\"last\""})
    EXPECT_NE(link.find(relation), std::string::npos) << relation;
  EXPECT_EQ(link.find("private_token"), std::string::npos) << link;
}

TEST(Pagination, EndsAtTheLastPage) {
  const net::Headers last = headers_of({{"page", 3}, {"per_page", 10}}, 25);
  EXPECT_EQ(last.get("X-Next-Page"), "");
  EXPECT_EQ(std::string(last.get("Link")).find("rel=\"next\""), std::string::npos);
  const net::Headers none = headers_of(Json::object(), 0);
  EXPECT_EQ(none.get("X-Total-Pages"), "1");
  EXPECT_EQ(std::string(none.get("Link")).find("rel=\"next\""), std::string::npos);
}

TEST(Pagination, LeavesTotalsOutOfLongAndKeysetLists) {
  const net::Headers many = headers_of(Json::object(), 10'001);
  EXPECT_FALSE(many.has("X-Total"));
  EXPECT_EQ(many.get("X-Next-Page"), "2");
  const net::Headers keyset = headers_of({{"pagination", "keyset"}}, 30, "pagination=keyset");
  EXPECT_FALSE(keyset.has("X-Page"));
  EXPECT_NE(std::string(keyset.get("Link")).find("pagination=keyset&page=2"), std::string::npos);
}

TEST(Pagination, SlicesNeverBeyondTheEnd) {
  std::vector<int> all(25);
  std::iota(all.begin(), all.end(), 0);
  const auto at = [&](int page) {
    PageRequest request;
    request.page = page;
    request.per_page = 10;
    return slice(all, request);
  };
  EXPECT_EQ(at(1).size(), 10u);
  EXPECT_EQ(at(3), (std::vector<int>{20, 21, 22, 23, 24}));
  EXPECT_TRUE(at(4).empty());
}

}  // namespace
}  // namespace slipway::gitlab
