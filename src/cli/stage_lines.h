#pragma once

// What stages say, for commands that run some of them and print one result.

#include <iostream>

#include "ship/stages.h"

namespace slipway::cli {

// Lines go to standard error: standard output is the result's. Nobody is asked.
class StageLines final : public ship::ShipObserver {
 public:
  void started(const std::string&, const std::string&) override {}
  void ended(const std::string&, std::chrono::milliseconds, const std::string&) override {}
  void line(const std::string& text) override { std::cerr << text << std::endl; }
  std::optional<bool> ask(const std::string&, const std::string&) override { return {}; }
};

}  // namespace slipway::cli
