#include "objects/listing.h"

#include <set>

#include <gtest/gtest.h>

#include "base/strings.h"

namespace slipway::objects {
namespace {

struct Row {
  std::string key;
};

// An ordered set of keys that counts what is read from it.
class Keys {
 public:
  explicit Keys(std::set<std::string> keys) : keys_(std::move(keys)) {}

  Listing<Row> list(const ListQuery& query) {
    return list_by_prefix<Row>(
        query,
        [this](const Position& from, const std::string& end, int limit) {
          std::vector<Row> rows;
          auto at = from.inclusive ? keys_.lower_bound(from.key) : keys_.upper_bound(from.key);
          for (; at != keys_.end() && static_cast<int>(rows.size()) < limit; ++at) {
            if (!end.empty() && *at >= end) break;
            rows.push_back({*at});
          }
          read += rows.size();
          return rows;
        },
        [](const Row&) { return std::string(); });
  }

  std::size_t read = 0;

 private:
  std::set<std::string> keys_;
};

std::string text_of(const Listing<Row>& listing) {
  std::vector<std::string> parts;
  for (const Row& row : listing.rows) parts.push_back(row.key);
  for (const std::string& prefix : listing.common_prefixes) parts.push_back("[" + prefix + "]");
  if (listing.truncated) parts.push_back("…" + listing.last);
  return base::join(parts, " ");
}

struct Case {
  const char* prefix;
  const char* delimiter;
  const char* marker;
  int limit;
  const char* expected;
};

TEST(Listing, GroupsByDelimiter) {
  Keys keys({"a", "b/", "b/1", "b/2/x", "c", "d/1", "dd", "é/1"});
  const Case table[] = {{"", "", "", 1000, "a b/ b/1 b/2/x c d/1 dd é/1"},
                        {"", "/", "", 1000, "a c dd [b/] [d/] [é/]"},
                        {"b/", "/", "", 1000, "b/ b/1 [b/2/]"},
                        {"b", "/", "", 1000, "[b/]"},
                        {"d", "", "", 1000, "d/1 dd"},
                        {"x", "/", "", 1000, ""},
                        {"", "/", "", 2, "a [b/] …b/"},
                        {"", "/", "b/", 2, "c [d/] …d/"},
                        {"", "/", "d/", 2, "dd [é/]"},
                        {"", "", "b/1", 2, "b/2/x c …c"},
                        {"", "/", "b/1", 1000, "c dd [b/] [d/] [é/]"},
                        {"", "/2/", "", 1000, "a b/ b/1 c d/1 dd é/1 [b/2/]"},
                        {"b/", "", "a", 1000, "b/ b/1 b/2/x"},
                        {"b/", "", "z", 1000, ""},
                        {"", "/", "", 0, ""},
                        {"", "", "", 8, "a b/ b/1 b/2/x c d/1 dd é/1"}};
  for (const Case& c : table) {
    ListQuery query{c.prefix, c.delimiter, position_after(c.marker, "", c.prefix, c.delimiter),
                    c.limit};
    EXPECT_EQ(text_of(keys.list(query)), c.expected)
        << c.prefix << " " << c.delimiter << " " << c.marker << " " << c.limit;
  }
}

TEST(Listing, EveryPageSizeGivesTheSameEntries) {
  std::set<std::string> all;
  for (int i = 0; i < 60; ++i) {
    all.insert("k" + std::to_string(i));
    all.insert("folder" + std::to_string(i % 7) + "/" + std::to_string(i));
  }
  Keys keys(all);
  auto everything = keys.list({"", "/", {}, 1000});
  const std::size_t entries = everything.rows.size() + everything.common_prefixes.size();
  for (int limit = 1; limit < 20; ++limit) {
    std::size_t found = 0;
    ListQuery query{"", "/", {}, limit};
    for (;;) {
      auto page = keys.list(query);
      found += page.rows.size() + page.common_prefixes.size();
      if (!page.truncated) break;
      query.start = position_after(page.last, "", "", "/");
    }
    EXPECT_EQ(found, entries) << limit;
  }
}

TEST(Listing, DoesNotReadTheKeysOfACommonPrefix) {
  std::set<std::string> all;
  for (int folder = 0; folder < 5; ++folder) {
    for (int i = 0; i < 2000; ++i) {
      all.insert("f" + std::to_string(folder) + "/" + std::to_string(i));
    }
  }
  Keys keys(all);

  EXPECT_EQ(keys.list({"", "/", {}, 1000}).common_prefixes.size(), 5u);
  EXPECT_LT(keys.read, 60u);
}

TEST(BehindPrefix, IsTheNextText) {
  EXPECT_EQ(behind_prefix("a"), "b");
  EXPECT_EQ(behind_prefix("a/"), "a0");
  EXPECT_EQ(behind_prefix("a\xff"), "b");
  EXPECT_EQ(behind_prefix(""), "");
}

}  // namespace
}  // namespace slipway::objects
