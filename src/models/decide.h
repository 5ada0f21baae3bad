#pragma once

// What models and model versions decide, apart from doing it: names, documents, approval.
//
// A document is the material of the Describe answer. A package's document also holds, for
// Slipway alone, "ApprovalHistory": a list of {At, By, ModelApprovalStatus,
// ApprovalDescription}, oldest first; and "Evidence" (evidence.h).

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/json.h"
#include "models/models.h"
#include "wire/api.h"

namespace slipway::models {

// A model package by what a client may give: "name", "group/3" or the ARN of either.
struct PackageId {
  std::string group;  // empty for an unversioned package
  std::int64_t version = 0;
  std::string name;  // of an unversioned package

  // "group/3" or "name": the end of its ARN.
  std::string path() const;
  // Its name as a resource; versions sort by number.
  std::string resource_name() const;
};
PackageId package_id(const std::string& name_or_arn);

std::string model_arn(const std::string& region, const std::string& account,
                      const std::string& name);
std::string group_arn(const std::string& region, const std::string& account,
                      const std::string& name);
std::string package_arn(const std::string& region, const std::string& account,
                        const PackageId& package);

// "IamIdentity" of the caller, as CreatedBy and LastModifiedBy give it.
Json user_context(const wire::Caller& caller);

// The document of a new model. Throws Error{ValidationException} where the containers are
// not given exactly once, or one of them has neither image nor package.
Json model_document(const Json& input, const std::string& arn, base::Millis now);
// The container definitions of a model's document, in their order.
std::vector<Json> container_definitions(const Json& document);

// What a package's image lies under now; nothing where it is not in this registry.
using DigestOf = std::function<std::optional<std::string>(const std::string& image)>;
// Writes ImageDigest into each container of an inference specification. Throws
// Error{ValidationException} where the client named another digest than the image has.
void resolve_digests(Json& specification, const DigestOf& digest_of);

// The document of a new package; `input`'s digests are resolved already. Throws
// Error{ValidationException} for members that exclude each other.
Json package_document(const Json& input, const PackageId& package, const std::string& arn,
                      const wire::Caller& caller, base::Millis now);

// Applies an UpdateModelPackage to a document. Throws Error{ValidationException} where it may
// not be applied; an approved version's inference specification stays what was approved.
void update_package_document(Json& document, const Json& input, const wire::Caller& caller,
                             base::Millis now);

// The events of a change from one approval status to another ("" before the package existed).
std::vector<std::string> approval_events(const std::string& before, const std::string& after);

// The part of a document that Describe answers with.
Json described(const Json& document);

// Whether a model may be made from the package: a versioned one must be approved.
bool may_be_served(const Json& package_document);

// One container for a definition with an image, or one for each container of the package's
// specification. Throws Error{ValidationException} where there is no image to run.
std::vector<ServedContainer> served_containers(const Json& definition,
                                               const std::optional<Json>& package_document,
                                               bool network);
// "registry/repo:tag" with the digest in place of the tag.
std::string pinned(const std::string& image, const std::string& digest);

}  // namespace slipway::models
