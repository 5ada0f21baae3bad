#pragma once

// A service as botocore's models describe it: operations and the shapes that they take and
// give. Read from the text that tools/trim_models.py embeds (its format is told there).
//
// An operation's line is parsed when the operation is asked for, its shapes on their first
// use, so that a start does not pay for what nobody calls.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/json.h"
#include "wire/shape.h"

namespace slipway::wire {

// One path template with the constant part of its query.
struct Route {
  std::string method;
  std::string path;                                        // "/{Bucket}/{Key+}"
  std::vector<std::pair<std::string, std::string>> query;  // {"list-type", "2"}; {"acl", ""}
  std::vector<std::string> needed_query, needed_headers;
};

struct OperationModel {
  std::string name;
  Route route;
  int status = 200;
  std::string result_wrapper;  // query protocol
  std::string input_name;      // the XML root's where the operation names it
  std::optional<XmlNamespace> input_namespace;
  std::string checksum_member;  // the input's member that names the checksum's algorithm
  bool checksum_required = false;
  bool embedded = true;  // false: nothing but name and route is known
  std::string input_shape, output_shape;
  std::vector<std::string> errors;
};

enum class Protocol { kJson, kQuery, kRestJson, kRestXml };

// Thread-safe.
class ServiceModel {
 public:
  // `text` outlives the model. Throws Error{InternalError} where it is not of the format.
  ServiceModel(std::string name, std::string_view text);
  ~ServiceModel();

  const std::string& name() const noexcept { return name_; }  // botocore's folder
  Protocol protocol() const noexcept { return protocol_; }
  const std::string& json_version() const noexcept { return json_version_; }
  const std::string& target_prefix() const noexcept { return target_prefix_; }
  const std::string& signing_name() const noexcept { return signing_name_; }
  const std::string& api_version() const noexcept { return api_version_; }
  const std::string& xml_namespace() const noexcept { return xml_namespace_; }
  bool query_compatible() const noexcept { return query_compatible_; }

  // Null where the service has no such operation. Lives as long as the model.
  const OperationModel* operation(std::string_view name) const;
  // All of them, those that are not embedded too, for routing by path.
  std::vector<const OperationModel*> operations() const;

  // Null for the empty name. Throws Error{InternalError} where the model lacks it.
  const Shape* shape(const std::string& name) const;
  // An exception by its shape's name or by its code; null where it is not modelled.
  const Shape* exception(const OperationModel& operation, std::string_view code) const;

 private:
  Shape* resolve(const std::string& name) const;  // requires mutex_
  Member member(std::string name, const Json& reference) const;

  const std::string name_;
  Protocol protocol_ = Protocol::kJson;
  std::string json_version_ = "1.0";
  std::string target_prefix_, signing_name_, api_version_, xml_namespace_;
  bool query_compatible_ = false;

  mutable std::mutex mutex_;
  // Guarded by mutex_; what they point to does not change once it is there.
  std::unordered_map<std::string_view, std::string_view> operation_lines_, shape_lines_;
  mutable std::unordered_map<std::string_view, std::unique_ptr<OperationModel>> operations_;
  mutable std::unordered_map<std::string, std::unique_ptr<Shape>> shapes_;
};

// The embedded text of a service, or nothing.
std::string_view embedded_model(std::string_view service) noexcept;

}  // namespace slipway::wire
