// GitLab's own cases of pipeline processing (tests/vectors/gitlab-pipelines/README.md).

#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "base/json.h"
#include "base/strings.h"
#include "ci/decide.h"

namespace slipway::ci {
namespace {

struct Line {
  std::size_t indent = 0;
  std::string text;
};

std::vector<Line> lines_of(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<Line> lines;
  for (std::string line; std::getline(file, line);) {
    const std::size_t comment = line.find(" #");
    if (comment != std::string::npos) line.resize(comment);
    const std::string_view text = base::trim(line);
    if (text.empty() || text.starts_with('#')) continue;
    lines.push_back({line.find_first_not_of(' '), std::string(text)});
  }
  return lines;
}

// As much YAML as the cases use: maps and lists by indentation, "[a, b]" and plain words.
class Reader {
 public:
  explicit Reader(std::vector<Line> lines) : lines_(std::move(lines)) {}
  Json read() { return block(0); }

 private:
  static Json scalar(std::string_view text) {
    if (!text.starts_with('[')) return std::string(text);
    Json list = Json::array();
    for (const std::string& item : base::split(text.substr(1, text.size() - 2), ',')) {
      std::string_view word = base::trim(item);
      if (word.size() > 1 && word.front() == '"') word = word.substr(1, word.size() - 2);
      if (!word.empty()) list.push_back(word);
    }
    return list;
  }
  Json block(std::size_t indent) {
    return lines_[next_].text.starts_with("- ") ? list(indent) : map(indent);
  }
  Json list(std::size_t indent) {
    Json items = Json::array();
    while (next_ < lines_.size() && lines_[next_].indent == indent &&
           lines_[next_].text.starts_with("- ")) {
      Line& line = lines_[next_];
      line.text = line.text.substr(2);
      line.indent += 2;
      const bool is_map = line.text.find(": ") != std::string::npos || line.text.ends_with(':');
      if (is_map) {
        items.push_back(map(indent + 2));
      } else {
        items.push_back(scalar(line.text));
        ++next_;
      }
    }
    return items;
  }
  Json map(std::size_t indent) {
    Json members = Json::object();
    while (next_ < lines_.size() && lines_[next_].indent == indent) {
      const std::string text = lines_[next_++].text;
      const std::size_t colon = text.find(':');
      const std::string key = text.substr(0, colon);
      const std::string_view value = base::trim(std::string_view(text).substr(colon + 1));
      if (!value.empty()) {
        members[key] = scalar(value);
      } else if (next_ < lines_.size() &&
                 (lines_[next_].indent > indent || lines_[next_].text.starts_with("- "))) {
        members[key] = block(lines_[next_].indent);
      }
    }
    return members;
  }

  std::vector<Line> lines_;
  std::size_t next_ = 0;
};

ci_config::When when_of(const std::string& text) {
  for (const auto when :
       {ci_config::When::kOnFailure, ci_config::When::kAlways, ci_config::When::kManual,
        ci_config::When::kDelayed, ci_config::When::kNever}) {
    constexpr std::array kNames{"on_success", "on_failure", "always", "manual", "delayed", "never"};
    if (text == kNames[static_cast<std::size_t>(when)]) return when;
  }
  return ci_config::When::kOnSuccess;
}

class Pipeline {
 public:
  explicit Pipeline(const Json& config) {
    stages_ = {"build", "test", "deploy"};
    if (config.contains("stages")) stages_ = config["stages"].get<std::vector<std::string>>();
    cancels_all_ = config.contains("workflow") &&
                   base::text_or(config["workflow"]["auto_cancel"], "on_job_failure") == "all";
    for (const auto& [name, job] : config.items()) {
      if (name == "stages" || name == "workflow" || job.contains("rules")) continue;
      add(name, job);
    }
    settle();
  }

  void apply(const std::string& event, const std::string& name) {
    const auto found = std::find_if(nodes_.begin(), nodes_.end(),
                                    [&](const Node& node) { return node.name == name; });
    ASSERT_NE(found, nodes_.end()) << name;
    if (event == "success") found->status = Status::kSuccess;
    if (event == "run") found->status = Status::kRunning;
    if (event == "cancel") found->status = Status::kCanceled;
    if (event == "drop") {
      found->status = Status::kFailed;
      if (cancels_all_) {
        for (Node& node : nodes_) {
          if (is_cancelable(node.status)) node.status = Status::kCanceled;
        }
      }
    }
    if (event == "play" || event == "retry") {
      const auto reset = to_reset(nodes_, static_cast<std::size_t>(found - nodes_.begin()));
      found->status = event == "play" ? Status::kPending : Status::kCreated;
      found->immediate = true;
      for (const std::size_t index : reset) again_.push_back(index);
    }
  }

  void settle() {
    for (const std::size_t index : again_) nodes_[index].status = Status::kCreated;
    again_.clear();
    for (std::vector<Step> steps = process(nodes_); !steps.empty(); steps = process(nodes_)) {
      for (const Step& step : steps) {
        constexpr std::array kStatuses{Status::kSkipped, Status::kManual, Status::kScheduled,
                                       Status::kPending};
        nodes_[step.node].status = kStatuses[static_cast<std::size_t>(step.next)];
      }
    }
    for (const Node& node : nodes_) {
      Status& stage = stage_statuses_[node.stage];
      stage = stage_status(stage, nodes_, node.stage);
    }
    status_ = pipeline_status(status_, nodes_);
  }

  std::string status() const { return std::string(text(status_)); }
  Json stages() const {
    Json statuses = Json::object();
    for (const auto& [stage, status] : stage_statuses_) {
      statuses[stages_[static_cast<std::size_t>(stage)]] = std::string(text(status));
    }
    return statuses;
  }
  Json jobs() const {
    Json statuses = Json::object();
    for (const Node& node : nodes_) statuses[node.name] = std::string(text(node.status));
    return statuses;
  }

 private:
  void add(const std::string& name, const Json& job) {
    Node node;
    node.name = name;
    const auto stage =
        std::find(stages_.begin(), stages_.end(), base::text_or(job, "stage", "test"));
    node.stage = static_cast<int>(stage - stages_.begin());
    node.when = when_of(base::text_or(job, "when"));
    node.allow_failure =
        base::text_or(job, "allow_failure",
                      node.when == ci_config::When::kManual ? "true" : "false") == "true";
    if (job.contains("needs")) {
      node.needs.emplace();
      for (const Json& need : job["needs"]) {
        node.needs->push_back(need.is_string() ? need.get<std::string>()
                                               : base::text_or(need, "job"));
      }
    }
    nodes_.push_back(std::move(node));
  }

  std::vector<std::string> stages_;
  bool cancels_all_ = false;
  std::vector<Node> nodes_;
  std::vector<std::size_t> again_;
  std::map<int, Status> stage_statuses_;
  Status status_ = Status::kCreated;
};

class Vectors : public testing::TestWithParam<std::filesystem::path> {};

void compare(const Pipeline& pipeline, const Json& expected) {
  EXPECT_EQ(pipeline.status(), expected["pipeline"]);
  EXPECT_EQ(pipeline.stages(), expected["stages"]);
  EXPECT_EQ(pipeline.jobs(), expected["jobs"]);
}

TEST_P(Vectors, AreProcessedAsUpstreamDoes) {
  const Json scenario = Reader(lines_of(GetParam())).read();
  Pipeline pipeline(scenario["config"]);
  {
    SCOPED_TRACE("at first");
    compare(pipeline, scenario["init"]["expect"]);
  }
  if (!scenario["transitions"].is_array()) return;
  for (const Json& transition : scenario["transitions"]) {
    if (!transition.is_object()) continue;
    SCOPED_TRACE(transition["event"].get<std::string>() + " " + transition["jobs"].dump());
    for (const Json& name : transition["jobs"]) {
      pipeline.apply(transition["event"], name.get<std::string>());
    }
    pipeline.settle();
    compare(pipeline, transition["expect"]);
  }
}

std::vector<std::filesystem::path> all_vectors() {
  std::vector<std::filesystem::path> paths;
  const std::filesystem::path directory =
      std::filesystem::path(SLIPWAY_TEST_DATA) / "gitlab-pipelines";
  if (!std::filesystem::exists(directory)) return paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    if (entry.path().extension() == ".yml") paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

TEST(VectorsOfUpstream, AreAllThere) { EXPECT_EQ(all_vectors().size(), 30u); }

INSTANTIATE_TEST_SUITE_P(GitLab, Vectors, testing::ValuesIn(all_vectors()),
                         [](const auto& each) { return each.param.stem().string(); });

}  // namespace
}  // namespace slipway::ci
