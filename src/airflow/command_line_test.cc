#include "airflow/command_line.h"

#include <gtest/gtest.h>

#include "airflow/runs.h"
#include "airflow/tokens.h"
#include "base/error.h"

namespace slipway::airflow {
namespace {

using Words = std::vector<std::string>;

TEST(ShellWords, SplitAsAShellDoes) {
  const std::vector<std::pair<std::string, Words>> cases{
      {"dags list", {"dags", "list"}},
      {"  dags \t trigger\n", {"dags", "trigger"}},
      {R"(dags trigger d --conf '{"a": "b c"}')",
       {"dags", "trigger", "d", "--conf", R"({"a": "b c"})"}},
      {R"(x "{\"a\": 1}")", {"x", R"({"a": 1})"}},
      {R"(a\ b c)", {"a b", "c"}},
      {R"('' "")", {"", ""}},
      {R"("a\b")", {R"(a\b)"}},
      {"", {}},
  };
  for (const auto& [line, words] : cases) EXPECT_EQ(shell_words(line), words) << line;
}

TEST(ShellWords, RefuseAnOpenQuote) { EXPECT_THROW(shell_words("dags 'trigger"), Error); }

TEST(Table, HasTheColumnsUnderTheirHeads) {
  EXPECT_EQ(table({"dag_id", "state"}, {{"tumour-training", "running"}, {"b", "x"}}),
            "dag_id          | state  \n"
            "================+========\n"
            "tumour-training | running\n"
            "b               | x      \n");
}

TEST(StartToken, IsTheRunIdWhereItMayBeOne) {
  const std::string id = "deploy-0123456789abcdef0123456789abcdef";
  EXPECT_EQ(start_token("1", "dag", id), id);
}

TEST(StartToken, IsItsOwnForEachRun) {
  const std::string token = start_token("1", "dag", "manual__2026-01-01T00:00:00+00:00");
  EXPECT_EQ(token, start_token("1", "dag", "manual__2026-01-01T00:00:00+00:00"));
  EXPECT_NE(token, start_token("1", "other", "manual__2026-01-01T00:00:00+00:00"));
  EXPECT_LE(token.size(), 128u);
  EXPECT_GE(token.size(), 32u);
}

TEST(Tokens, AreForOneUseAndEndInTime) {
  base::FakeClock clock;
  Tokens tokens(clock);
  const wire::Caller caller{"123456789012", "arn:aws:iam::123456789012:root", "1", "AKIA"};
  const std::string token = tokens.issue(caller, TokenUse::kCommandLine, 60'000);

  EXPECT_TRUE(tokens.find(token, TokenUse::kCommandLine));
  EXPECT_FALSE(tokens.find(token, TokenUse::kRest));
  EXPECT_FALSE(tokens.find(token + "x", TokenUse::kCommandLine));
  clock.advance(60'000);
  EXPECT_FALSE(tokens.find(token, TokenUse::kCommandLine));
}

}  // namespace
}  // namespace slipway::airflow
