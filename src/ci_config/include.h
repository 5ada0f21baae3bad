#pragma once

// `include`: reads the files a configuration names and merges them under it.

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ci_config/ci_config.h"
#include "ci_config/conditions.h"
#include "ci_config/node.h"

namespace slipway::ci_config {

struct IncludeLimits {
  int files = 150;  // in all, nested ones counted
  std::chrono::seconds time{30};
};

// One compilation's reading of files. Not thread-safe.
class Includes {
 public:
  // `variables`: those there are before the pipeline; they stand in locations and rules.
  Includes(Source& source, const Variables& variables, std::string file, Budget& budget,
           const IncludeLimits& limits = {});

  // The document of `text` with all that it includes merged below it, and no `include` any more.
  // Throws Error{InvalidConfig} in GitLab's words; its detail may hold "file" and "line".
  Node load(const std::string& text);

  // For each file included: {"type", "location", "context_project", …} of the lint API.
  const std::vector<Json>& list() const { return list_; }
  // The name of each file of Position::file.
  const std::vector<std::string>& files() const { return files_; }
  // That some include did not get in because of its rules.
  bool filtered() const { return filtered_; }

 private:
  // Where relative includes of a file are looked for. A remote file or a template has no project.
  struct Place {
    Source* source = nullptr;
    std::string project;
    std::string ref;
  };

  Node parse(const std::string& text, int file);
  void expand_includes(Node& document, const Place& place);
  bool wanted(const Node& entry, const Place& place);
  void include_entry(const Node& entry, const Place& place, Node& into);
  void include_local(const Node& entry, const Place& place, Node& into);
  void include_project(const Node& entry, Node& into);
  void include_remote(const Node& entry, const Place& place, Node& into);
  void include_template(const Node& entry, const Place& place, Node& into);
  void include_artifact(const Node& entry, const Place& place, Node& into);
  void merge_file(const std::string& location, const std::optional<std::string>& text,
                  const std::string& what, const Place& place, Node& into);
  void count_file();
  Json listed(const char* type, const std::string& location, const Place& place) const;
  std::string expanded(const Node& entry, const char* key) const;
  Conditions& conditions_of(const Place& place);

  Source& source_;
  const Variables variables_;
  Budget& budget_;
  const IncludeLimits limits_;
  const std::chrono::steady_clock::time_point deadline_;
  std::vector<std::string> files_;
  std::vector<Json> list_;
  std::map<std::string, std::unique_ptr<Source>> projects_;
  std::map<Source*, std::unique_ptr<Conditions>> conditions_;
  int count_ = 0;
  bool filtered_ = false;
};

}  // namespace slipway::ci_config
