#include "ship/dockerfile.h"

#include <cstdlib>
#include <fstream>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "store/files.h"

namespace slipway::ship {
namespace {

namespace fs = std::filesystem;

class Dockerfiles : public testing::Test {
 protected:
  Dockerfiles() : directory_(fs::temp_directory_path() / ("dockerfiles-" + base::random_hex(8))) {
    fs::create_directories(directory_ / "source");
  }
  ~Dockerfiles() override {
    if (path_) ::setenv("PATH", path_->c_str(), 1);
    fs::remove_all(directory_);
  }

  void write(const std::string& name, const std::string& text, mode_t mode = 0644) {
    const fs::path path = directory_ / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    ::chmod(path.c_str(), mode);
  }
  // From here on only these programs are to be found.
  void only_programs_in(const std::string& name) {
    path_ = std::getenv("PATH");
    fs::create_directories(directory_ / name);
    ::setenv("PATH", (directory_ / name).c_str(), 1);
  }

  std::optional<std::string> found(const ModelSpec& spec) const {
    return dockerfile_of(spec, directory_ / "source");
  }
  std::string complaint(const ModelSpec& spec) const {
    try {
      found(spec);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "InvalidSpecification");
      return error.message();
    }
    return "";
  }

  std::string failure() {
    const DockerfileBuild build{directory_ / "source", "Dockerfile", "health/tumour",
                                directory_ / "storage", directory_ / "scratch"};
    try {
      build_dockerfile(build, {"127.0.0.1:4700", true, "user", "secret"},
                       [&](std::string_view line) { lines_.emplace_back(line); });
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), "BuildError");
      return error.message();
    }
    return "";
  }

  const fs::path directory_;
  std::optional<std::string> path_;
  std::vector<std::string> lines_;
};

TEST_F(Dockerfiles, AreFoundByNameUnlessTheSpecificationSaysOtherwise) {
  ModelSpec spec;
  EXPECT_EQ(found(spec), std::nullopt);
  write("source/Containerfile", "FROM scratch\n");
  EXPECT_EQ(found(spec), "Containerfile");
  write("source/Dockerfile", "FROM scratch\n");
  EXPECT_EQ(found(spec), "Dockerfile");
  write("source/build/gpu.dockerfile", "FROM scratch\n");
  spec.dockerfile = "build/gpu.dockerfile";
  EXPECT_EQ(found(spec), "build/gpu.dockerfile");
  spec.dockerfile = "false";
  EXPECT_EQ(found(spec), std::nullopt);
}

TEST_F(Dockerfiles, AreNotSilentlyPreferredToWhatTheSpecificationSays) {
  ModelSpec spec;
  spec.dockerfile = "other";
  EXPECT_EQ(complaint(spec), "slipway.yaml: 'dockerfile' names other, which is not in the commit");
  write("source/Dockerfile", "FROM scratch\n");
  spec.dockerfile = "";
  spec.base = "base/python:1.0";
  EXPECT_EQ(complaint(spec),
            "slipway.yaml: 'base' is what Dockerfile says after FROM; remove it, or say "
            "'dockerfile: false' to build without Dockerfile");
  spec.base = "host";
  spec.requirements = "requirements.txt";
  EXPECT_TRUE(complaint(spec).starts_with("slipway.yaml: 'requirements' are installed by "));
}

TEST_F(Dockerfiles, GetTheArgumentsThatTheyDeclare) {
  const std::vector<std::string> offered{"PIP_INDEX_URL", "PIP_CERT", "https_proxy"};
  EXPECT_EQ(declared_arguments("ARG PIP_INDEX_URL\nFROM x\n  arg https_proxy=none \nARG OTHER\n"
                               "ARG PIP_INDEX_URL\n# ARG PIP_CERT\nRUN echo ARG PIP_CERT\n",
                               offered),
            (std::vector<std::string>{"PIP_INDEX_URL", "https_proxy"}));
}

std::string words_for(const BuildahFacts& facts) {
  const BuildahWords words = buildah_words(facts, {"/src", "Dockerfile", "a/b", "/st", "/scratch"});
  return base::join(words.program, " ") + " … " + base::join(words.isolation, " ");
}

TEST(BuildahWords, DependOnWhatTheProcessMayDo) {
  const std::string store = "buildah --root /st/root --runroot /st/run --storage-driver vfs";
  EXPECT_EQ(words_for({true, true, "/usr/sbin/runc"}), store + " … --isolation chroot");
  EXPECT_EQ(words_for({true, true, ""}), store + " … --isolation chroot");
  EXPECT_EQ(words_for({false, true, "/usr/sbin/runc"}),
            store +
                " --storage-opt vfs.ignore_chown_errors=true … --isolation rootless --runtime "
                "/usr/sbin/runc");
  EXPECT_EQ(words_for({true, false, "/usr/sbin/runc"}),
            "unshare --user --map-root-user --mount " + store +
                " --storage-opt vfs.ignore_chown_errors=true … --isolation rootless --runtime "
                "/usr/sbin/runc --pid host");
  EXPECT_THROW(words_for({true, false, ""}), Error);
}

TEST_F(Dockerfiles, WithoutBuildahSayWhatToInstall) {
  write("source/Dockerfile", "FROM scratch\n");
  only_programs_in("nothing");
  EXPECT_TRUE(failure().starts_with(
      "Dockerfile is built with buildah, which is not installed here: apt-get install buildah"));
}

// A program in buildah's place.
constexpr const char* kFailing = R"(#!/bin/sh
printf '%s\n' "$@" >"${0%/*}/arguments"
previous=
for word in "$@"; do
  [ "$previous" = --authfile ] && /bin/cp "$word" "${0%/*}/auth" && /bin/ls -l "$word"
  previous=$word
done
for line in 1 2 3 4 5 6 7; do echo "line $line"; done
echo "no such package" >&2
exit 100
)";

TEST_F(Dockerfiles, ThatFailSayTheLastLinesAndKeepTheLoginOffTheCommandLine) {
  write("source/Dockerfile", "FROM scratch\n");
  write("programs/buildah", kFailing, 0755);
  for (const char* program : {"runc", "unshare"})
    write(std::string("programs/") + program, "", 0755);
  only_programs_in("programs");

  const std::string message = failure();

  if (buildah_facts().root && !buildah_facts().may_set_groups) GTEST_SKIP() << "needs unshare";
  EXPECT_TRUE(message.starts_with(
      "buildah could not build Dockerfile (exit status 100); its last lines:\n  line 3\n"))
      << message;
  EXPECT_TRUE(message.ends_with("\n  no such package")) << message;
  const std::string arguments = store::read_file(directory_ / "programs/arguments");
  EXPECT_EQ(arguments.find("secret"), std::string::npos) << arguments;
  EXPECT_EQ(arguments.find("dXNlcjpzZWNyZXQ="), std::string::npos) << arguments;
  EXPECT_EQ(store::read_file(directory_ / "programs/auth"),
            R"({"auths":{"127.0.0.1:4700":{"auth":"dXNlcjpzZWNyZXQ="}}})");
  ASSERT_FALSE(lines_.empty());
  EXPECT_TRUE(lines_[0].starts_with("-rw-------")) << lines_[0];
}

}  // namespace
}  // namespace slipway::ship
