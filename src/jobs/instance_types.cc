#include "jobs/instance_types.h"

#include <algorithm>
#include <array>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include "base/strings.h"

namespace slipway::jobs {
namespace {

constexpr double kGiB = 1024.0 * 1024.0 * 1024.0;
constexpr double kDefaultRatio = 4;

// GiB of memory for each vCPU, by the start of the family's name; the longest match counts.
constexpr std::array<std::pair<std::string_view, double>, 15> kRatios{{
    {"c", 2},
    {"c4", 1.875},
    {"c5n", 2.625},
    {"g", 4},
    {"g6e", 8},
    {"m", 4},
    {"p2", 15.25},
    {"p3", 7.625},
    {"p3dn", 8},
    {"p4", 12},
    {"p5", 10.667},
    {"p6", 10.667},
    {"r", 8},
    {"t", 4},
    {"trn", 4},
}};

double ratio_of(std::string_view family) {
  double ratio = kDefaultRatio;
  std::size_t longest = 0;
  for (const auto& [start, value] : kRatios) {
    if (family.starts_with(start) && start.size() > longest) {
      longest = start.size();
      ratio = value;
    }
  }
  return ratio;
}

double cpus_of(std::string_view size) {
  if (size == "medium" || size == "large") return 2;
  if (size == "xlarge") return 4;
  if (size.ends_with("xlarge")) {
    size.remove_suffix(std::string_view("xlarge").size());
    const auto times = base::parse_integer(size);
    if (times && *times > 0 && *times <= 256) return static_cast<double>(*times) * 4;
  }
  return 2;
}

}  // namespace

InstanceSize size_of_instance(std::string_view instance_type) {
  const std::vector<std::string> parts = base::split(instance_type, '.');
  const bool well_formed = parts.size() == 3 && parts[0] == "ml";
  const std::string family = well_formed ? parts[1] : "m5";
  const std::string size = well_formed ? parts[2] : "large";
  const double cpus = cpus_of(size);
  double gigabytes = cpus * ratio_of(family);
  if (family == "t3" && size == "medium") gigabytes = 4;
  return {.cpus = cpus, .memory_bytes = static_cast<std::uint64_t>(gigabytes * kGiB)};
}

InstanceSize capped(InstanceSize wanted, InstanceSize machine) {
  return {.cpus = std::min(wanted.cpus, machine.cpus),
          .memory_bytes = std::min(wanted.memory_bytes, machine.memory_bytes)};
}

InstanceSize size_of_this_machine() {
  const auto pages = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PHYS_PAGES), 1L));
  const auto page_size = static_cast<std::uint64_t>(std::max(::sysconf(_SC_PAGESIZE), 4096L));
  return {.cpus = static_cast<double>(std::max(std::thread::hardware_concurrency(), 1u)),
          .memory_bytes = pages * page_size};
}

}  // namespace slipway::jobs
