#pragma once

// YAML 1.1 text to a document: anchors, merge keys (`<<`), `!reference`, duplicate keys (the last
// value counts), with GitLab's (that is libyaml's and Psych's) words on what is wrong.

#include <string>
#include <vector>

#include "ci_config/node.h"

namespace slipway::ci_config {

struct YamlLimits {
  std::size_t bytes = 1024 * 1024;  // of the text
  int depth = 100;
};

// Every document of the text. Throws Error{InvalidConfig}: "(<unknown>): did not find expected key
// while parsing a block mapping at line 3 column 1"; its detail holds "line" where that is known.
// `file` goes into the positions; `budget` bounds what aliases may expand to.
std::vector<Node> read_yaml(const std::string& text, int file, Budget& budget,
                            const YamlLimits& limits = {});

}  // namespace slipway::ci_config
