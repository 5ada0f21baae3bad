#pragma once

// The example repositories, compiled into the binary: examples/models as "models",
// examples/mlops as "mlops".

#include <string_view>
#include <vector>

namespace slipway::cli {

struct TemplateFile {
  std::string_view repository;
  std::string_view path;
  std::string_view contents;
};
const std::vector<TemplateFile>& template_files();

}  // namespace slipway::cli
