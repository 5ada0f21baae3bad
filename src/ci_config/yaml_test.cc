#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "ci_config/yaml_reader.h"
#include "ci_config/yaml_scalar.h"
#include "ci_config/yaml_writer.h"

namespace slipway::ci_config {
namespace {

Node read(const std::string& text) {
  Budget budget(100'000);
  auto documents = read_yaml(text, 0, budget);
  return documents.empty() ? Node{} : std::move(documents.front());
}

std::string error_of(const std::string& text) {
  try {
    read(text);
  } catch (const base::Error& error) {
    return error.message();
  }
  return "";
}

struct Scalar {
  std::string text;
  Kind kind;
  std::string printed;
};

class PlainScalar : public testing::TestWithParam<Scalar> {};

TEST_P(PlainScalar, MeansWhatItMeansInYaml11) {
  const Node node = read("key: " + GetParam().text);
  ASSERT_TRUE(node.is_mapping());
  EXPECT_EQ(node.find("key")->kind, GetParam().kind) << GetParam().text;
  EXPECT_EQ(node.find("key")->text, GetParam().printed) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, PlainScalar,
    testing::Values(Scalar{"yes", Kind::kBoolean, "true"}, Scalar{"Yes", Kind::kBoolean, "true"},
                    Scalar{"ON", Kind::kBoolean, "true"}, Scalar{"true", Kind::kBoolean, "true"},
                    Scalar{"no", Kind::kBoolean, "false"}, Scalar{"off", Kind::kBoolean, "false"},
                    Scalar{"FALSE", Kind::kBoolean, "false"}, Scalar{"y", Kind::kText, "y"},
                    Scalar{"n", Kind::kText, "n"}, Scalar{"yess", Kind::kText, "yess"},
                    Scalar{"'yes'", Kind::kText, "yes"}, Scalar{"\"no\"", Kind::kText, "no"},
                    Scalar{"!!str yes", Kind::kText, "yes"}, Scalar{"", Kind::kNull, ""},
                    Scalar{"~", Kind::kNull, ""}, Scalar{"null", Kind::kNull, ""},
                    Scalar{"'null'", Kind::kText, "null"}, Scalar{"''", Kind::kText, ""},
                    Scalar{"010", Kind::kInteger, "8"}, Scalar{"08", Kind::kText, "08"},
                    Scalar{"0", Kind::kInteger, "0"}, Scalar{"-12", Kind::kInteger, "-12"},
                    Scalar{"+12", Kind::kInteger, "12"}, Scalar{"0x1F", Kind::kInteger, "31"},
                    Scalar{"0b101", Kind::kInteger, "5"}, Scalar{"1_000", Kind::kInteger, "1000"},
                    Scalar{"1,000", Kind::kInteger, "1000"}, Scalar{"1:30", Kind::kInteger, "90"},
                    Scalar{"22:22", Kind::kInteger, "1342"},
                    Scalar{"3306:3306", Kind::kText, "3306:3306"},
                    Scalar{"1:99", Kind::kText, "1:99"}, Scalar{"1.50", Kind::kFloat, "1.5"},
                    Scalar{"3.10", Kind::kFloat, "3.1"}, Scalar{"1.0", Kind::kFloat, "1.0"},
                    Scalar{".5", Kind::kFloat, "0.5"}, Scalar{"1e3", Kind::kText, "1e3"},
                    Scalar{"1.0e+3", Kind::kFloat, "1000.0"}, Scalar{"1.2.3", Kind::kText, "1.2.3"},
                    Scalar{"v1", Kind::kText, "v1"}, Scalar{"1a", Kind::kText, "1a"},
                    Scalar{".", Kind::kText, "."}, Scalar{".inf", Kind::kFloat, "Infinity"},
                    Scalar{"'010'", Kind::kText, "010"},
                    Scalar{"99999999999999999999", Kind::kText, "99999999999999999999"},
                    Scalar{"'2020-01-01'", Kind::kText, "2020-01-01"},
                    Scalar{"<<", Kind::kText, "<<"}));

TEST(Yaml, RefusesADateWithoutQuotesAsGitLabDoes) {
  EXPECT_EQ(error_of("key: 2020-01-01"), "Tried to load unspecified class: Date");
}

TEST(Yaml, KeepsTheOrderOfKeysAndTheLastOfDuplicates) {
  const Node node = read("b: 1\na: 2\nb: 3\n");
  ASSERT_EQ(node.members.size(), 2u);
  EXPECT_EQ(node.members[0].key, "b");
  EXPECT_EQ(node.members[0].value.text, "3");
}

TEST(Yaml, KnowsWhatKindOfKeyThereIs) {
  const Node node = read("on: 1\n10: 2\n'10x': 3\n");
  EXPECT_EQ(node.members[0].key, "true");
  EXPECT_EQ(node.members[0].key_kind, Kind::kBoolean);
  EXPECT_EQ(node.members[1].key_kind, Kind::kInteger);
  EXPECT_EQ(node.members[2].key_kind, Kind::kText);
}

TEST(Yaml, KnowsTheLineOfEveryValue) {
  const Node node = read("a:\n  b: 1\n  c:\n    - x\n");
  EXPECT_EQ(node.find("a")->find("b")->position.line, 2);
  EXPECT_EQ(node.find("a")->find("c")->items[0].position.line, 4);
  EXPECT_EQ(node.find("a")->find("c")->items[0].position.column, 7);
}

TEST(Yaml, RepeatsAnchors) {
  const Node node = read("a: &one [1, &two x]\nb: *one\nc: *two\n");
  EXPECT_EQ(node.find("b")->items.size(), 2u);
  EXPECT_EQ(node.find("c")->text, "x");
}

TEST(Yaml, MergesOverKeysBeforeAndUnderKeysAfter) {
  const Node node = read(
      "base: &base {a: base, b: base, c: base}\n"
      "job:\n  a: mine\n  <<: *base\n  b: mine\n");
  const Node& job = *node.find("job");
  EXPECT_EQ(job.find("a")->text, "base");
  EXPECT_EQ(job.find("b")->text, "mine");
  EXPECT_EQ(job.find("c")->text, "base");
  EXPECT_EQ(job.find("<<"), nullptr);
}

TEST(Yaml, MergesAListOfMappingsWithTheFirstWinning) {
  const Node node = read("x: &x {a: 1, b: 1}\ny: &y {b: 2, c: 2}\nj:\n  <<: [*x, *y]\n  d: 3\n");
  const Node& job = *node.find("j");
  EXPECT_EQ(job.find("a")->text, "1");
  EXPECT_EQ(job.find("b")->text, "1");
  EXPECT_EQ(job.find("c")->text, "2");
}

TEST(Yaml, KeepsAMergeKeyThatMergesNothing) {
  EXPECT_EQ(read("a:\n  <<: text\n").find("a")->find("<<")->text, "text");
}

TEST(Yaml, ReadsReferences) {
  const Node node = read("a:\n  - !reference [b, c]\n");
  const Node& reference = node.find("a")->items[0];
  EXPECT_TRUE(reference.is(Kind::kReference));
  EXPECT_EQ(reference.items[1].text, "c");
  EXPECT_EQ(error_of("a: !reference b"), "!reference \"b\" is not valid");
  EXPECT_NE(error_of("a: !reference [b, 1]"), "");
  EXPECT_NE(error_of("a: !reference []"), "");
}

TEST(Yaml, TakesKeysWithoutAValue) {
  for (const char* text : {"a:\n", "a: # b\n", "a :\n", "a:\t\n", "? a\n", "\"a b\":\n",
                           "x:\n  a:\n  b: 1\n", "{a, b}\n", "a:\r\nb: 1\r\n", "größe:\n"}) {
    EXPECT_EQ(error_of(text), "") << text;
  }
}

struct Broken {
  std::string text;
  std::string message;
};

class BrokenYaml : public testing::TestWithParam<Broken> {};

TEST_P(BrokenYaml, IsRefusedInLibyamlsWords) {
  EXPECT_EQ(error_of(GetParam().text), GetParam().message) << GetParam().text;
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, BrokenYaml,
    testing::Values(
        Broken{"test:\n  script: a\n build: b\n",
               "(<unknown>): did not find expected key while parsing a block mapping at line 1 "
               "column 1"},
        Broken{"a: 1\n\njob:\n  script: x\n   - y\n  \"a\" b\n",
               "(<unknown>): did not find expected key while parsing a block mapping at line 4 "
               "column 3"},
        Broken{"job:\n  script\n  stage: x\n",
               "(<unknown>): mapping values are not allowed in this context at line 3 column 8"},
        Broken{"a: 1\njob\n  script: x\n",
               "(<unknown>): could not find expected ':' while scanning a simple key at line 2 "
               "column 1"},
        Broken{"job:\n  a: 1\n  script\n    - x\n",
               "(<unknown>): could not find expected ':' while scanning a simple key at line 3 "
               "column 3"},
        Broken{"job:\n  a: 1\n  script\n\n  b: 1\n",
               "(<unknown>): could not find expected ':' while scanning a simple key at line 3 "
               "column 3"},
        Broken{"a:\n\tscript: x\n",
               "(<unknown>): found character that cannot start any token while scanning for the "
               "next token at line 2 column 1"},
        Broken{"a: {script: [x, 'y], b: c}\n",
               "(<unknown>): found unexpected end of stream while scanning a quoted scalar at "
               "line 1 column 17"},
        Broken{"a: |x\n  y\n",
               "(<unknown>): did not find expected comment or line break while scanning a block "
               "scalar at line 1 column 4"},
        Broken{"a: *\n",
               "(<unknown>): did not find expected alphabetic or numeric character while scanning "
               "an alias at line 1 column 4"},
        Broken{"job: {script: [x}, y]\n",
               "(<unknown>): did not find expected ',' or ']' while parsing a flow sequence at "
               "line 1 column 15"},
        Broken{"- a\nb: c\n",
               "(<unknown>): did not find expected '-' indicator while parsing a block collection "
               "at line 1 column 1"},
        Broken{"a: 1\n- b\n",
               "(<unknown>): did not find expected key while parsing a block mapping at line 1 "
               "column 1"},
        Broken{"{a: 1}\nb: 2\n",
               "(<unknown>): did not find expected <document start> at line 2 column 1"},
        Broken{"invalid: yaml: test",
               "(<unknown>): mapping values are not allowed in this context at line 1 column 14"},
        Broken{"a: [1, 2\n",
               "(<unknown>): did not find expected ',' or ']' while parsing a flow sequence at "
               "line 1 column 4"},
        Broken{"a: {b: 1\n",
               "(<unknown>): did not find expected ',' or '}' while parsing a flow mapping at "
               "line 1 column 4"},
        Broken{"a: \"open\n",
               "(<unknown>): found unexpected end of stream while scanning a quoted scalar at "
               "line 1 column 4"},
        Broken{"a: 'it''s open",
               "(<unknown>): found unexpected end of stream while scanning a quoted scalar at "
               "line 1 column 4"},
        Broken{"a: @b\n",
               "(<unknown>): found character that cannot start any token while scanning for the "
               "next token at line 1 column 4"},
        Broken{"a: *nothing\n", "An alias referenced an unknown anchor: nothing"},
        Broken{"a: \x01\n", "(<unknown>): control characters are not allowed at line 1 column 4"},
        Broken{"ok: \xC3\xA4\nb: \xFF\n",
               "(<unknown>): invalid leading UTF-8 octet at line 2 column 4"}));

TEST(Yaml, ReadsSeveralDocuments) {
  Budget budget(1000);
  const auto documents = read_yaml("%YAML 1.1\n---\na: 1\n--- # next\nb: 2\n...\n", 0, budget);
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[1].find("b")->text, "2");
}

TEST(Yaml, NamesTheLineInTheDetail) {
  try {
    read("a: 1\nb: c: d\n");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.detail()["line"], 2);
  }
}

TEST(Yaml, BoundsWhatAliasesBecome) {
  std::string text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    text += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before;
    for (int j = 0; j < 8; ++j) text += ", " + before;
    text += "]\n";
  }
  EXPECT_EQ(error_of(text), "The parsed YAML is too big");
}

TEST(Yaml, BoundsDepthAndSizeAndRecursion) {
  EXPECT_EQ(error_of("a: " + std::string(150, '[') + std::string(150, ']')),
            "The parsed YAML is too big");
  EXPECT_EQ(error_of("a: " + std::string(1024 * 1024, 'x')), "The parsed YAML is too big");
  EXPECT_EQ(error_of("a: &a [*a]"), "The parsed YAML is too big");
  EXPECT_EQ(error_of(std::string(200'000, '[')), "The parsed YAML is too big");
}

class RoundTrip : public testing::TestWithParam<std::string> {};

TEST_P(RoundTrip, ReadsWhatItWrites) {
  const Node node = read(GetParam());
  const std::string written = write_yaml(node);
  EXPECT_TRUE(read(written) == node) << written;
}

INSTANTIATE_TEST_SUITE_P(
    Yaml, RoundTrip,
    testing::Values("a: 1", "a: 'yes'\nb: yes\n'on': 1\non: 2",
                    "a: '010'\nb: '1.0'\nc: '~'\nd: ''\ne: '2020-01-01'",
                    "a:\n  - b\n  - - c\n    - d\n  - e: 1\n    f: [2]\n",
                    "a: []\nb: {}\nc: null\n", "a: |\n  one\n  two\n", "a: |-\n  one\n\n  two\n",
                    "a: |+\n  one\n\n\n", "a: \"  lead\\n  x\"",
                    "a: \"tab\\tnew\\nline \\\"q\\\" \\\\ \\x01\"",
                    "a: '- x'\nb: 'x: y'\nc: 'x #y'\nd: '#x'\ne: 'it''s'",
                    ".pre: '.post'\n'a: b': c\n",
                    "a: '*x'\nb: '&x'\nc: '!x'\nd: '%x'\ne: '@x'\nf: '`x'\ng: '|'\nh: '>'",
                    "a: !reference [b, c]\nd:\n  - !reference [e]\n",
                    "a: \"x\\n\"\nb: \"\\n\"\nc: \" \"\nd: \"x \"", "- a\n- - b\n  - - c\n- d: e\n",
                    "a: '---'\nb: '...'\nc: '<<'\n", "a: 1.5\nb: .inf\nc: 1.0e+20\n",
                    "a: \"\xC3\xA4\xE2\x80\xA8\"", "text", "a:\n- b: |\n    x\n    y\n  c: 1\n"));

TEST(YamlWriter, LaysOutAsPsychDoes) {
  EXPECT_EQ(write_yaml(read("stages: ['.pre', build]\njob: {script: [a, \"b\\nc\\n\"], retry: 2}")),
            "---\nstages:\n- \".pre\"\n- build\njob:\n  script:\n  - a\n  - |\n    b\n    c\n"
            "  retry: 2\n");
}

}  // namespace
}  // namespace slipway::ci_config
