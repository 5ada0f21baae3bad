#pragma once

// How large a machine an instance type's name stands for.

#include <cstdint>
#include <string_view>

namespace slipway::jobs {

struct InstanceSize {
  double cpus = 0;
  std::uint64_t memory_bytes = 0;
};

// "ml.<family>.<size>": "large" is 2 vCPU, "xlarge" 4, "<n>xlarge" 4n; memory by the family's
// ratio (m 4 GiB a vCPU, c 2, r 8, …; 4 for a family not known). A name of another form is an
// ml.m5.large. Accelerators are not provided.
InstanceSize size_of_instance(std::string_view instance_type);

// The same, but no more than `machine` has.
InstanceSize capped(InstanceSize wanted, InstanceSize machine);

// Of the machine that this runs on.
InstanceSize size_of_this_machine();

}  // namespace slipway::jobs
