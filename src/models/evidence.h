#pragma once

// What an approver signs: the images and data of a version as they were when it was registered (or,
// what was not there yet, approved),
// its figures, and those of the live version beside them. It lies in a package's document as
// "Evidence":
//   {"Commit", "Release", "DataDigest",
//    "Images": [{"Image", "ImageDigest"}],            of this server's registry
//    "ModelData": [{"Url", "Digest"}],                of this server's buckets
//    "Metrics": {name: number},
//    "Live": {"ModelPackageArn", "ModelPackageVersion", "Metrics",
//             "Basis": "Endpoint" or "NewestApproved", "EndpointName"},
//    "Difference": {name: number}}                    now - live, where both have it
// Members that nothing is known about are absent.

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "models/decide.h"

namespace slipway::models {

// What lies in other rooms.
struct Sources {
  DigestOf image;
  // Of an s3:// URL's bytes, or of all objects below it; nothing where there are none.
  std::function<std::optional<std::string>(const std::string& url)> data;
  // A JSON report at an s3:// URL; nothing where it cannot be read.
  std::function<std::optional<Json>(const std::string& url)> report;
};

// "Images" and "ModelData" of an inference specification, as they are now.
Json material_of(const Json& specification, const Sources& sources);

// The figures of a package: of its model quality report, {"<group>": {"<metric>": {"value":
// number}}}, or else of its metadata "metric.<name>".
Json metrics_of(const Json& package, const Sources& sources);

// The version that a new one is compared with.
struct Live {
  Json document;
  std::string endpoint;  // that serves it; empty: none serves any, and it is the newest approved
};

// The evidence of a new package. `live`: nothing where there is no such version.
Json evidence_of(const Json& package, const Json& material, const Json& metrics,
                 const std::optional<Live>& live);

// What is another now than it was when the package was registered, in words; empty: nothing.
std::vector<std::string> changes_of(const Json& evidence, const Json& material);

}  // namespace slipway::models
