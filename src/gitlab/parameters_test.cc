#include "gitlab/parameters.h"

#include <gtest/gtest.h>

#include "gitlab/variable_parameters.h"

namespace slipway::gitlab {
namespace {

net::Request request_of(const std::string& target, const std::string& type = "",
                        const std::string& body = "") {
  net::Request request;
  request.method = "POST";
  request.target = target;
  if (!type.empty()) request.headers.set("Content-Type", type);
  request.body = net::Body(body);
  return request;
}

std::string refusal(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), 400);
    return error.message();
  }
  return "";
}

TEST(Parameters, NestsBracketsAsRailsDoes) {
  struct Case {
    std::vector<std::pair<std::string, std::string>> pairs;
    Json values;
  };
  const Case cases[] = {
      {{{"a", "1"}}, {{"a", "1"}}},
      {{{"a[b]", "1"}, {"a[c]", "2"}}, {{"a", {{"b", "1"}, {"c", "2"}}}}},
      {{{"a[]", "1"}, {"a[]", "2"}}, {{"a", Json::array({"1", "2"})}}},
      {{{"a[][k]", "1"}, {"a[][v]", "2"}, {"a[][k]", "3"}},
       {{"a", Json::array({{{"k", "1"}, {"v", "2"}}, {{"k", "3"}}})}}},
      {{{"a[0][k]", "1"}}, {{"a", {{"0", {{"k", "1"}}}}}}},
      {{{"a[b", "1"}}, {{"a[b", "1"}}},
      {{{"[b]", "1"}}, {{"[b]", "1"}}},
      {{{"a", "1"}, {"a", "2"}}, {{"a", "2"}}},
  };
  for (const Case& each : cases) {
    Json values = Json::object();
    for (const auto& [name, value] : each.pairs) assign_nested(values, name, value);
    EXPECT_EQ(values, each.values);
  }
  Json values = Json::object();
  EXPECT_NE(refusal([&] { assign_nested(values, "a[b][c][d][e][f][g][h][i]", "1"); }), "");
}

TEST(Parameters, ReadsEveryKindOfBodyAndLetsItWinOverTheQuery) {
  const std::string multipart =
      "--XX\r\nContent-Disposition: form-data; name=\"ref\"\r\n\r\nmain\r\n"
      "--XX\r\nContent-Disposition: form-data; name=\"variables[A]\"\r\n\r\nx\r\ny\r\n--XX--\r\n";
  const net::Request requests[] = {
      request_of("/x?ref=old&sha=1", "application/x-www-form-urlencoded",
                 "ref=main&variables%5BA%5D=x%0D%0Ay"),
      request_of("/x?ref=old&sha=1", "application/json; charset=utf-8",
                 R"({"ref":"main","variables":{"A":"x\r\ny"}})"),
      request_of("/x?ref=old&sha=1", "multipart/form-data; boundary=\"XX\"", multipart),
  };
  for (const net::Request& request : requests) {
    EXPECT_EQ(Parameters::of(request).all(),
              (Json{{"ref", "main"}, {"sha", "1"}, {"variables", {{"A", "x\r\ny"}}}}));
  }
}

TEST(Parameters, RefusesBodiesThatAreBroken) {
  EXPECT_NE(refusal([] { Parameters::of(request_of("/x", "application/json", "[1]")); }), "");
  EXPECT_NE(refusal([] { Parameters::of(request_of("/x", "application/json", "{")); }), "");
  EXPECT_NE(refusal([] {
              Parameters::of(request_of("/x", "multipart/form-data; boundary=XX", "--XX\r\nname"));
            }),
            "");
  EXPECT_NE(refusal([] { parse_multipart("--\r\n\r\n", ""); }), "");
  for (const char* body : {"--XX", "--XX\r\n", "--XX\r\n\r\n", "--XX\r\n\r\n\r\n--XX"})
    EXPECT_NE(refusal([&] { parse_multipart(body, "XX"); }), "") << body;
}

TEST(Parameters, SaysWhatIsWrongInGitLabsWords) {
  const Parameters given(Json{{"page", "x"},
                              {"flag", "maybe"},
                              {"at", "yesterday"},
                              {"sort", "up"},
                              {"list", Json::array({1, 2})},
                              {"ref", Json::object()},
                              {"none", nullptr}});
  EXPECT_EQ(refusal([&] { given.required("branch"); }), "branch is missing");
  EXPECT_EQ(refusal([&] {
              given.require({"a", "page", "none"});
            }),
            "a is missing, none is missing");
  EXPECT_EQ(refusal([&] { given.integer("page"); }), "page is invalid");
  EXPECT_EQ(refusal([&] { given.boolean("flag", true); }), "flag is invalid");
  EXPECT_EQ(refusal([&] { given.time("at"); }), "at is invalid");
  EXPECT_EQ(refusal([&] { given.text("ref"); }), "ref is invalid");
  EXPECT_EQ(refusal([&] {
              given.one_of("sort", {"asc", "desc"}, "asc");
            }),
            "sort does not have a valid value");
  EXPECT_EQ(given.one_of("other", {"asc", "desc"}, "asc"), "asc");
  EXPECT_EQ(given.texts("list"), (std::vector<std::string>{"1", "2"}));
}

TEST(Parameters, ReadsTypes) {
  const Parameters given(Json{{"number", 7},
                              {"text_number", "7"},
                              {"yes", true},
                              {"one", "1"},
                              {"off", "off"},
                              {"tags", "a, b,,c"},
                              {"day", "2026-11-22"}});
  EXPECT_EQ(given.integer("number"), 7);
  EXPECT_EQ(given.integer("text_number"), 7);
  EXPECT_EQ(given.text("number"), "7");
  EXPECT_TRUE(given.boolean("yes", false));
  EXPECT_TRUE(given.boolean("one", false));
  EXPECT_FALSE(given.boolean("off", true));
  EXPECT_EQ(given.texts("tags"), (std::vector<std::string>{"a", "b", "c"}));
  EXPECT_EQ(given.time("day"), base::parse_iso8601("2026-11-22T00:00:00Z"));
  EXPECT_FALSE(given.integer("absent"));
}

TEST(VariableParameters, TakesListsAndMaps) {
  const Parameters list(Json{
      {"variables", Json::array({{{"key", "A"}, {"value", "1"}},
                                 {{"key", "F"}, {"value", "x"}, {"variable_type", "file"}}})}});
  const auto both = variables_of(list, "variables");
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0].key + "=" + both[0].value, "A=1");
  EXPECT_TRUE(both[1].file);
  EXPECT_FALSE(both[0].is_public);

  const auto map =
      variables_of(Parameters(Json{{"variables", {{"A", "1"}, {"B", 2}}}}), "variables");
  ASSERT_EQ(map.size(), 2u);
  EXPECT_EQ(map[1].key + "=" + map[1].value, "B=2");

  const auto rails =
      variables_of(Parameters(Json{{"v", {{"0", {{"key", "A"}, {"value", "1"}}}}}}), "v");
  ASSERT_EQ(rails.size(), 1u);
  EXPECT_EQ(rails[0].key, "A");
  EXPECT_TRUE(variables_of(list, "none").empty());
}

TEST(VariableParameters, RefusesKeysThatNoShellTakes) {
  for (const char* key : {"", "a-b", "a b", "ä", "a=b"})
    EXPECT_NE(refusal([&] { check_key(key); }), "") << key;
  EXPECT_EQ(refusal([] { check_key("A_1"); }), "");
  EXPECT_EQ(refusal([] {
              statuses_of(Parameters(Json{{"scope", "done"}}), "scope");
            }),
            "scope does not have a valid value");
  EXPECT_EQ(statuses_of(Parameters(Json{{"scope", Json::array({"failed"})}}), "scope"),
            std::set<ci::Status>{ci::Status::kFailed});
}

}  // namespace
}  // namespace slipway::gitlab
