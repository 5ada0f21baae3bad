#include "images/build.h"

#include <set>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "base/subprocess.h"
#include "images/decide.h"
#include "images/dependencies.h"
#include "images/layer_writer.h"
#include "images/test_room.h"

namespace slipway::images {
namespace {

// Runs the steps on this machine instead of in a container: targets become sources.
class LocalSteps final : public StepRunner {
 public:
  int run(const UnpackedImage&, const std::vector<std::string>& arguments,
          const std::map<std::string, std::string>& environment,
          const std::vector<std::pair<std::filesystem::path, std::string>>& writable_mounts,
          std::function<void(std::string_view)> on_line) override {
    const auto here = [&](std::string text) {
      for (const auto& [source, target] : writable_mounts) {
        text = base::replace_all(text, target, source.string());
      }
      return text;
    };
    base::Command command;
    command.timeout = std::chrono::minutes(5);
    for (const std::string& argument : arguments) command.arguments.push_back(here(argument));
    for (const auto& [name, value] : environment) command.environment[name] = here(value);
    ++runs;
    const base::CommandResult result = base::run(command);
    for (const std::string& line : base::split(result.output + result.error, '\n')) on_line(line);
    return result.exit_code;
  }

  int runs = 0;
};

class Building : public testing::Test {
 protected:
  Building() {
    write_text(source_ / "train.py", "print('train')\n");
    write_text(source_ / "package/__init__.py", "");
    plan_.source = source_;
    plan_.entrypoint = {"/opt/program/serve"};
    plan_.extra_files["/opt/program/serve"] = "#!/bin/sh\n";
    plan_.ignore = {".git"};
  }

  BuiltImage build(const std::string& cache = "cache") {
    return images::build(plan_, directory_.path() / cache, nullptr, steps_,
                         [](std::string_view) {});
  }

  static bool python_has_pip() {
    return base::run({{"python3", "-m", "pip", "--version"}}).ok() &&
           base::run({{"python3", "-m", "zipfile", "-h"}}).ok();
  }

  // A wheel of one module, made without any tool; returns the line for requirements.txt.
  std::string make_wheel(const std::string& version) {
    const std::string name = "demo-" + version;
    const auto root = directory_.path() / ("wheel-" + version);
    write_text(root / "demo.py", "VERSION = '" + version + "'\n");
    write_text(root / (name + ".dist-info/METADATA"),
               "Metadata-Version: 2.1\nName: demo\nVersion: " + version + "\n");
    write_text(root / (name + ".dist-info/WHEEL"),
               "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n");
    write_text(root / (name + ".dist-info/entry_points.txt"),
               "[console_scripts]\ndemo-run = demo:run\n");
    write_text(root / (name + ".dist-info/RECORD"), "demo.py,,\n");
    const auto wheel = directory_.path() / (name + "-py3-none-any.whl");
    base::Command zip;
    zip.arguments = {"python3", "-m", "zipfile", "-c", wheel, "demo.py", name + ".dist-info/"};
    zip.directory = root;
    EXPECT_TRUE(base::run(zip).ok());
    return "demo @ file://" + wheel.string() + "\n";
  }

  TemporaryDirectory directory_;
  std::filesystem::path source_ = directory_.path() / "source";
  BuildPlan plan_;
  LocalSteps steps_;
};

TEST_F(Building, GivesTheSameBytesForTheSameInput) {
  const BuiltImage first = build("one");
  std::filesystem::last_write_time(source_ / "train.py",
                                   std::filesystem::file_time_type::clock::now());
  std::filesystem::permissions(source_ / "train.py", std::filesystem::perms(0600));

  const BuiltImage second = build("two");

  EXPECT_EQ(first.digest, second.digest);
  EXPECT_EQ(first.manifest, second.manifest);
  EXPECT_EQ(read_text(first.layers[0].path), read_text(second.layers[0].path));
}

TEST_F(Building, GivesOtherBytesForOtherCode) {
  const BuiltImage first = build();
  write_text(source_ / "train.py", "print('other')\n");

  EXPECT_NE(build().digest, first.digest);
}

TEST_F(Building, NamesEveryBlobByItsDigest) {
  const BuiltImage image = build();

  const Json manifest = base::parse_json(image.manifest, "manifest");
  const Json config = base::parse_json(image.config, "config");
  EXPECT_EQ(image.digest, digest_of(image.manifest));
  EXPECT_EQ(manifest["config"]["digest"], digest_of(image.config));
  ASSERT_EQ(image.layers.size(), 1u);
  EXPECT_EQ(image.layers[0].digest, digest_of(read_text(image.layers[0].path)));
  EXPECT_EQ(manifest["layers"][0]["size"], std::filesystem::file_size(image.layers[0].path));
  EXPECT_EQ(config["rootfs"]["diff_ids"][0], image.layers[0].diff_id);
  EXPECT_EQ(config["config"]["Labels"][kHostBaseLabel], "host");
  EXPECT_EQ(config["created"], "1970-01-01T00:00:00Z");
  EXPECT_FALSE(parse_manifest(image.manifest, kOciManifest).is_index);
}

TEST_F(Building, WritesTheDiffIdOfTheUncompressedTar) {
  const BuiltImage image = build();

  const auto unzipped =
      base::run({{"sh", "-c", "gzip -dc \"$0\" | sha256sum", image.layers[0].path}});

  EXPECT_EQ("sha256:" + unzipped.output.substr(0, 64), image.layers[0].diff_id);
}

TEST_F(Building, UnpacksWhatItBuilt) {
  std::filesystem::create_symlink("train.py", source_ / "link.py");
  write_text(source_ / "package/__pycache__/x.pyc", "compiled");
  write_text(source_ / ".git/config", "secret");

  const UnpackedImage image = unpack_locally(build(), directory_.path() / "cache");

  EXPECT_TRUE(image.host_base);
  ASSERT_EQ(image.layers.size(), 1u);
  const auto program = image.layers[0] / "opt/program";
  EXPECT_EQ(read_text(program / "train.py"), "print('train')\n");
  EXPECT_EQ(std::filesystem::read_symlink(program / "link.py"), "train.py");
  EXPECT_TRUE(std::filesystem::exists(program / "package/__init__.py"));
  EXPECT_FALSE(std::filesystem::exists(program / "package/__pycache__"));
  EXPECT_FALSE(std::filesystem::exists(program / ".git"));
  EXPECT_EQ(std::filesystem::status(program / "serve").permissions(), std::filesystem::perms(0755));
  EXPECT_EQ(std::filesystem::status(program / "train.py").permissions(),
            std::filesystem::perms(0644));
  EXPECT_EQ(image.config.entrypoint, std::vector<std::string>{"/opt/program/serve"});
}

// An OCI layout as other tools write it.
void write_layout(const std::filesystem::path& layout, const BuiltImage& image) {
  const auto blob = [&](const std::string& digest) {
    return (layout / "blobs/sha256" / hex_of(digest)).string();
  };
  for (const BuiltLayer& layer : image.layers)
    write_text(blob(layer.digest), read_text(layer.path));
  write_text(blob(digest_of(image.config)), image.config);
  write_text(blob(image.digest), image.manifest);
  write_text(
      layout / "index.json",
      base::dump_json(Json{{"schemaVersion", 2},
                           {"manifests", Json::array({{{"mediaType", kOciManifest},
                                                       {"digest", image.digest},
                                                       {"size", image.manifest.size()}}})}}));
}

TEST_F(Building, GoesOnFromALayout) {
  plan_.labels = {{"kept", "yes"}, {"changed", "below"}};
  plan_.working_directory = "/below";
  const BuiltImage below = build();
  write_layout(directory_.path() / "layout", below);
  BuildPlan plan;
  plan.base_layout = directory_.path() / "layout";
  plan.labels = {{"changed", "above"}};

  const BuiltImage same =
      images::build(plan, directory_.path() / "cache", nullptr, steps_, [](std::string_view) {});
  plan.extra_files["/opt/slipway/entrypoint"] = "#!/bin/sh\n";
  plan.entrypoint = {"/opt/slipway/entrypoint"};
  const BuiltImage above =
      images::build(plan, directory_.path() / "cache", nullptr, steps_, [](std::string_view) {});

  ASSERT_EQ(same.layers.size(), 1u);
  EXPECT_EQ(same.layers[0].digest, below.layers[0].digest);
  EXPECT_EQ(same.layers[0].path.parent_path(), directory_.path() / "layout/blobs/sha256");
  const Json unchanged = base::parse_json(same.config, "config")["config"];
  EXPECT_EQ(unchanged["Entrypoint"], Json({"/opt/program/serve"}));
  EXPECT_EQ(unchanged["WorkingDir"], "/below");
  ASSERT_EQ(above.layers.size(), 2u);
  EXPECT_EQ(above.layers[0].diff_id, below.layers[0].diff_id);
  const Json changed = base::parse_json(above.config, "config")["config"];
  EXPECT_EQ(changed["Entrypoint"], Json({"/opt/slipway/entrypoint"}));
  EXPECT_EQ(changed["Labels"]["kept"], "yes");
  EXPECT_EQ(changed["Labels"]["changed"], "above");
}

TEST_F(Building, IsNotTheMachinesOwnBaseForALayoutThatSaysNothingOfIt) {
  const BuiltImage below = build();
  write_layout(directory_.path() / "layout", below);
  Json config = base::parse_json(below.config, "config");
  config["config"].erase("Labels");
  BuiltImage whole = below;
  whole.config = base::dump_json(config);
  Json manifest = base::parse_json(below.manifest, "manifest");
  manifest["config"]["digest"] = digest_of(whole.config);
  manifest["config"]["size"] = whole.config.size();
  whole.manifest = base::dump_json(manifest);
  whole.digest = digest_of(whole.manifest);
  std::filesystem::remove_all(directory_.path() / "layout");
  write_layout(directory_.path() / "layout", whole);
  BuildPlan plan;
  plan.base_layout = directory_.path() / "layout";

  const BuiltImage image =
      images::build(plan, directory_.path() / "cache", nullptr, steps_, [](std::string_view) {});

  EXPECT_FALSE(base::parse_json(image.config, "config")["config"].contains("Labels"));
  EXPECT_FALSE(unpack_locally(image, directory_.path() / "cache").host_base);
}

TEST_F(Building, RefusesALayoutOfSeveralImages) {
  write_text(directory_.path() / "layout/index.json", R"({"manifests":[{},{}]})");
  BuildPlan plan;
  plan.base_layout = directory_.path() / "layout";
  EXPECT_THROW(
      images::build(plan, directory_.path() / "cache", nullptr, steps_, [](std::string_view) {}),
      Error);
}

TEST_F(Building, InstallsPackagesTheSameWayTwice) {
  if (!python_has_pip()) GTEST_SKIP() << "python3 with pip is not installed";
  plan_.requirements = "# the model's\n" + make_wheel("1.0");

  const BuiltImage first = build("one");
  const BuiltImage second = build("two");

  ASSERT_EQ(first.layers.size(), 2u);
  EXPECT_FALSE(first.dependencies_cached);
  EXPECT_FALSE(second.dependencies_cached);
  EXPECT_EQ(first.digest, second.digest);
  const UnpackedImage image = unpack_locally(first, directory_.path() / "one");
  const auto packages = image.layers[0] / "opt/slipway/python";
  EXPECT_EQ(read_text(packages / "demo.py"), "VERSION = '1.0'\n");
  EXPECT_TRUE(std::filesystem::exists(packages / "bin/demo-run"));
  EXPECT_FALSE(std::filesystem::exists(packages / "__pycache__"));
  const std::set<std::string> environment(image.config.environment.begin(),
                                          image.config.environment.end());
  EXPECT_TRUE(environment.contains("PYTHONPATH=/opt/slipway/python"));
  EXPECT_TRUE(environment.contains(std::string("PATH=/opt/slipway/python/bin:") + kDefaultPath));
}

TEST_F(Building, TakesPackagesFromTheCacheUnlessTheRequirementsChange) {
  if (!python_has_pip()) GTEST_SKIP() << "python3 with pip is not installed";
  const std::string wheel = make_wheel("1.0");
  plan_.requirements = wheel;
  const BuiltImage first = build();
  write_text(source_ / "train.py", "print('other')\n");
  plan_.requirements = "\n# a comment more\n" + wheel;

  const BuiltImage second = build();
  plan_.requirements = make_wheel("2.0");
  const BuiltImage third = build();

  EXPECT_TRUE(second.dependencies_cached);
  EXPECT_EQ(second.layers[0].digest, first.layers[0].digest);
  EXPECT_NE(second.digest, first.digest);
  EXPECT_FALSE(third.dependencies_cached);
  EXPECT_NE(third.layers[0].digest, first.layers[0].digest);
}

TEST_F(Building, SaysWhatPipSaid) {
  if (!python_has_pip()) GTEST_SKIP() << "python3 with pip is not installed";
  plan_.requirements = "demo @ file:///nowhere/demo-1.0-py3-none-any.whl";

  try {
    build();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "BuildError");
    EXPECT_NE(error.message().find("/nowhere/demo-1.0"), std::string::npos) << error.message();
  }
  EXPECT_TRUE(std::filesystem::is_empty(directory_.path() / "cache/building"));
}

// A machine whose python3 answers as told.
class FixedPython final : public StepRunner {
 public:
  explicit FixedPython(std::string line) : line_(std::move(line)) {}
  int run(const UnpackedImage&, const std::vector<std::string>&,
          const std::map<std::string, std::string>&,
          const std::vector<std::pair<std::filesystem::path, std::string>>&,
          std::function<void(std::string_view)> on_line) override {
    if (!line_.empty()) on_line(line_);
    return line_.empty() ? 127 : 0;
  }

 private:
  const std::string line_;
};

TEST_F(Building, NamesThePackageToInstall) {
  plan_.requirements = "demo==1.0";
  const auto message = [&](const std::string& line) -> std::string {
    FixedPython steps(line);
    try {
      images::build(plan_, directory_.path() / "cache", nullptr, steps, [](std::string_view) {});
    } catch (const Error& error) {
      return error.message();
    }
    return "";
  };

  EXPECT_NE(message("").find("install the package python3 "), std::string::npos);
  EXPECT_NE(message("slipway-python cpython-311 linux").find("install the package python3-pip"),
            std::string::npos);
}

TEST(Requirements, AreComparedWithoutComments) {
  EXPECT_EQ(normalize_requirements("\n# all\n numpy==1.0  # fast \r\n\nx @ https://a/b#egg=c\n"),
            "numpy==1.0\nx @ https://a/b#egg=c\n");
  EXPECT_EQ(normalize_requirements("# nothing\n\n"), "");
}

TEST(InstallationVariables, AreThoseOfPipProxiesAndCertificates) {
  const auto chosen = installation_variables({{"PIP_INDEX_URL", "a"},
                                              {"HTTPS_PROXY", "b"},
                                              {"no_proxy", "c"},
                                              {"SSL_CERT_FILE", "d"},
                                              {"AWS_SECRET_ACCESS_KEY", "e"},
                                              {"PYTHONPATH", "f"}});

  EXPECT_EQ(chosen.size(), 4u);
  EXPECT_FALSE(chosen.contains("AWS_SECRET_ACCESS_KEY"));
}

TEST(Ignore, FollowsThePatterns) {
  const Ignored ignored =
      ignore_patterns({".git", "*.csv", "!keep.csv", "docs/*.md", "/data", "build/"});

  EXPECT_TRUE(ignored(".git"));
  EXPECT_TRUE(ignored("a/b/.git"));
  EXPECT_TRUE(ignored("a/x.csv"));
  EXPECT_FALSE(ignored("a/keep.csv"));
  EXPECT_TRUE(ignored("docs/a.md"));
  EXPECT_FALSE(ignored("a/docs/a.md"));
  EXPECT_TRUE(ignored("data"));
  EXPECT_FALSE(ignored("a/data"));
  EXPECT_TRUE(ignored("a/build"));
  EXPECT_FALSE(ignored(".github"));
}

TEST(TarWriter, IsReadByTheSystemsTar) {
  const std::string long_name = std::string(90, 'd') + "/" + std::string(90, 'f');
  const std::string longer_name = std::string(120, 'd') + "/" + std::string(200, 'f');
  TemporaryDirectory directory;
  write_text(directory.path() / "layer.tar",
             tar_of({tar_file("a", std::string(513, 'x')), tar_file(long_name, "1"),
                     tar_file(longer_name, "2"), tar_link("link", std::string(150, 't'))}));

  const auto listed = base::run({{"tar", "-tf", directory.path() / "layer.tar"}});

  EXPECT_EQ(listed.exit_code, 0);
  EXPECT_EQ(listed.output, "a\n" + long_name + "\n" + longer_name + "\nlink\n");
  EXPECT_EQ(listed.error, "");
}

}  // namespace
}  // namespace slipway::images
