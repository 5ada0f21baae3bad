#pragma once

// Which operation of a REST service a request means, by method, path, query and headers.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http.h"
#include "wire/model.h"

namespace slipway::wire {

struct RouteMatch {
  const OperationModel* operation = nullptr;
  std::vector<std::pair<std::string, std::string>> labels;  // decoded
};

// Not thread-safe while routes are added, thread-safe after that.
class Router {
 public:
  // `served`: among equal routes, one that is served wins.
  void add(const OperationModel& operation, bool served);

  // `path` as sent, which for virtual-host style is not the head's own.
  std::optional<RouteMatch> match(const net::RequestHead& head, std::string_view path) const;

 private:
  struct Segment {
    enum class Kind { kLiteral, kLabel, kGreedy } kind;
    std::string text;
  };
  struct Entry {
    const OperationModel* operation;
    bool served;
    std::vector<Segment> segments;
    int literals = 0;
  };
  static bool matches(const Entry& entry, std::string_view path,
                      std::vector<std::pair<std::string, std::string>>& labels);

  std::vector<Entry> entries_;
};

}  // namespace slipway::wire
