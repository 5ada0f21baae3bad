// The scripts, run by the machine's own shells. (The driver needs a process namespace of its own:
// see executor_test.cc.)

#include "runner/script.h"

#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"
#include "base/subprocess.h"
#include "containers/directory.h"
#include "store/files.h"

namespace slipway::runner {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

class ScriptTest : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    char name[] = "/tmp/runner-script-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    spec_.project = directory_ / "p";
    spec_.temporary = directory_ / "p.tmp";
    fs::create_directories(spec_.project);
    fs::create_directories(spec_.temporary);
  }
  void TearDown() override { containers::remove_tree(directory_); }

  base::CommandResult run(const std::string& which = "script.sh") {
    for (const auto& [name, text] : make_scripts(spec_)) {
      std::ofstream(fs::path(spec_.temporary) / name) << text;
    }
    return base::run({.arguments = {GetParam(), spec_.temporary + "/" + which}, .input = "typed"});
  }

  ScriptSpec spec_;
  fs::path directory_;
};

TEST_P(ScriptTest, EchoesEachCommandAndRunsThemInOneShell) {
  spec_.script = {"X=1", "echo \"x is $X\"", "for i in a b; do\n  echo $i\ndone", "  pwd  "};
  const auto result = run();
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_EQ(result.output,
            "\x1b[32;1m$ X=1\x1b[0;m\n"
            "\x1b[32;1m$ echo \"x is $X\"\x1b[0;m\nx is 1\n"
            "\x1b[32;1m$ for i in a b; do # collapsed multi-line command\x1b[0;m\na\nb\n"
            "\x1b[32;1m$ pwd\x1b[0;m\n" +
                spec_.project + "\n");
}

TEST_P(ScriptTest, EndsAtTheFirstFailureWithItsCode) {
  spec_.script = {"echo before", "(exit 42)", "echo after"};
  const auto result = run();
  EXPECT_EQ(result.exit_code, 42);
  EXPECT_THAT(result.output, HasSubstr("before\n"));
  EXPECT_THAT(result.output, Not(HasSubstr("\nafter\n")));
}

TEST_P(ScriptTest, AQuoteOrAnEscapeIsPrintedAsItIs) {
  spec_.script = {"echo 'it'\\''s \\n 100%'"};
  const auto result = run();
  EXPECT_THAT(result.output, HasSubstr("$ echo 'it'\\''s \\n 100%'"));
}

TEST_P(ScriptTest, ExportsVariables) {
  spec_.variables = {
      {"PLAIN", "a 'b' \"c\" $HOME `x` \\ \n end"}, {"not-a-name", "x"}, {"1X", "y"}};
  ci::Variable file{"SECRET_FILE", "contents\n"};
  file.file = true;
  spec_.variables.push_back(file);
  spec_.script = {"printenv PLAIN", "cat \"$SECRET_FILE\"", "printenv not-a-name || true"};
  const auto result = run();
  EXPECT_EQ(result.exit_code, 0) << result.error;
  EXPECT_THAT(result.output, HasSubstr("\na 'b' \"c\" $HOME `x` \\ \n end\n"));
  EXPECT_THAT(result.output, HasSubstr("\ncontents\n"));
  EXPECT_THAT(result.output, Not(HasSubstr("\nx\n")));
}

TEST_P(ScriptTest, GitlabEnvReachesTheAfterScript) {
  spec_.script = {"echo 'ONE=1 = one' >> $GITLAB_ENV", "echo 'bad name=2' >> $GITLAB_ENV",
                  "printf 'LAST=z' >> $GITLAB_ENV"};
  spec_.after_script = {"echo \"[$ONE][$LAST]\""};
  EXPECT_EQ(run().exit_code, 0);
  // make_scripts() would empty the file again.
  const auto after = base::run({.arguments = {GetParam(), spec_.temporary + "/after.sh"}});
  EXPECT_EQ(after.exit_code, 0) << after.error;
  EXPECT_THAT(after.output, HasSubstr("\n[1 = one][z]\n"));
}

TEST_P(ScriptTest, TracesWhereAsked) {
  spec_.variables = {{"CI_DEBUG_TRACE", "true"}};
  spec_.script = {"true one"};
  EXPECT_THAT(run().error, HasSubstr("+ true one"));
}

INSTANTIATE_TEST_SUITE_P(Shells, ScriptTest, testing::Values("sh", "bash"));

TEST(Scripts, BashFailsAPipeWhoseFirstPartFails) {
  char name[] = "/tmp/runner-pipe-XXXXXX";
  ASSERT_NE(::mkdtemp(name), nullptr);
  ScriptSpec spec;
  spec.project = spec.temporary = name;
  spec.script = {"false | true", "echo reached"};
  for (const auto& [file, text] : make_scripts(spec)) std::ofstream(fs::path(name) / file) << text;
  const auto result = base::run({.arguments = {"bash", std::string(name) + "/script.sh"}});
  containers::remove_tree(name);
  EXPECT_EQ(result.exit_code, 1);
}

TEST(Scripts, AreValidForBothShells) {
  ScriptSpec spec;
  spec.project = "/builds/g/it's p";
  spec.temporary = spec.project + ".tmp";
  spec.script = {"true"};
  spec.after_script = {"true"};
  const auto files = make_scripts(spec);
  EXPECT_TRUE(files.contains("after.sh"));
  for (const char* shell : {"sh", "bash"}) {
    for (const auto& [name, text] : files) {
      if (!name.ends_with(".sh")) continue;
      const auto checked = base::run({.arguments = {shell, "-n"}, .input = text});
      EXPECT_TRUE(checked.ok()) << shell << " " << name << checked.error << text;
    }
  }
  spec.after_script.clear();
  EXPECT_FALSE(make_scripts(spec).contains("after.sh"));
}

TEST(Sections, AreGitlabs) {
  EXPECT_EQ(section_start("get_sources", "Getting source", 5),
            "\x1b[0Ksection_start:5:get_sources\r\x1b[0K\x1b[0K\x1b[36;1mGetting source\x1b[0;m\n");
  EXPECT_EQ(section_end("get_sources", 6), "\x1b[0Ksection_end:6:get_sources\r\x1b[0K\n");
}

}  // namespace
}  // namespace slipway::runner
