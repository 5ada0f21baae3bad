#include "wire/model.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::wire {
namespace {

TimeFormat time_format_of(const Json& source) {
  const std::string text = base::text_or(source, "timestampFormat");
  if (text == "iso8601") return TimeFormat::kIso8601;
  if (text == "rfc822") return TimeFormat::kHttpDate;
  if (text == "unixTimestamp") return TimeFormat::kEpochSeconds;
  return TimeFormat::kDefault;
}

Location location_of(const Json& reference) {
  const std::string text = base::text_or(reference, "location");
  if (text == "uri") return Location::kUri;
  if (text == "querystring") return Location::kQuery;
  if (text == "header") return Location::kHeader;
  if (text == "headers") return Location::kHeaders;
  if (text == "statusCode") return Location::kStatus;
  return Location::kBody;
}

std::optional<XmlNamespace> namespace_of(const Json& source) {
  if (!source.contains("xmlNamespace")) return std::nullopt;
  const Json& value = source["xmlNamespace"];
  if (value.is_string()) return XmlNamespace{value.get<std::string>(), ""};
  return XmlNamespace{base::text_or(value, "uri"), base::text_or(value, "prefix")};
}

ShapeType type_of(const Json& source) {
  if (base::boolean_or(source, "document", false)) return ShapeType::kDocument;
  const std::string text = base::text_or(source, "type");
  if (text == "structure") return ShapeType::kStructure;
  if (text == "list") return ShapeType::kList;
  if (text == "map") return ShapeType::kMap;
  if (text == "blob") return ShapeType::kBlob;
  if (text == "boolean") return ShapeType::kBoolean;
  if (text == "integer" || text == "long") return ShapeType::kInteger;
  if (text == "float" || text == "double") return ShapeType::kFloat;
  if (text == "timestamp") return ShapeType::kTimestamp;
  return ShapeType::kString;
}

std::vector<std::string> texts_of(const Json& source, std::string_view key) {
  std::vector<std::string> texts;
  for (const Json& text : base::array_or_empty(source, key))
    texts.push_back(text.get<std::string>());
  return texts;
}

Route route_of(std::string method, std::string_view uri) {
  Route route;
  route.method = std::move(method);
  const std::size_t mark = uri.find('?');
  route.path = uri.substr(0, mark);
  if (mark != std::string_view::npos) route.query = base::parse_query(uri.substr(mark + 1));
  return route;
}

std::string_view next_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::unique_ptr<OperationModel> parse_operation(std::string_view name, std::string_view line) {
  auto operation = std::make_unique<OperationModel>();
  operation->name = name;
  if (line.empty() || line[0] != '{') {
    std::string method(next_word(line));
    operation->embedded = false;
    operation->route = route_of(std::move(method), line);
    return operation;
  }
  const Json source = base::parse_json(line, "the embedded operation " + std::string(name));
  const Json& http = base::object_or_empty(source, "http");
  operation->route = route_of(base::text_or(http, "method"), base::text_or(http, "requestUri"));
  operation->status = static_cast<int>(base::integer_or(http, "responseCode", 200));
  const Json& needs = base::object_or_empty(source, "needs");
  operation->route.needed_query = texts_of(needs, "query");
  operation->route.needed_headers = texts_of(needs, "headers");
  const Json& input = base::object_or_empty(source, "input");
  operation->input_shape = base::text_or(input, "shape");
  operation->input_name = base::text_or(input, "locationName");
  operation->input_namespace = namespace_of(input);
  const Json& output = base::object_or_empty(source, "output");
  operation->output_shape = base::text_or(output, "shape");
  operation->result_wrapper = base::text_or(output, "resultWrapper");
  const Json& checksum = base::object_or_empty(source, "httpChecksum");
  operation->checksum_member = base::text_or(checksum, "requestAlgorithmMember");
  operation->checksum_required = base::boolean_or(checksum, "requestChecksumRequired", false) ||
                                 base::boolean_or(source, "httpChecksumRequired", false);
  operation->errors = texts_of(source, "errors");
  return operation;
}

}  // namespace

const Member* Shape::find(std::string_view member) const noexcept {
  for (const Member& candidate : members)
    if (candidate.name == member) return &candidate;
  return nullptr;
}

ServiceModel::ServiceModel(std::string name, std::string_view text) : name_(std::move(name)) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::string_view kind = next_word(line);
    if (kind == "operation" || kind == "other") {
      const std::string_view operation = next_word(line);
      operation_lines_.emplace(operation, line);
    } else if (kind == "shape") {
      const std::string_view shape = next_word(line);
      shape_lines_.emplace(shape, line);
    } else if (kind == "service") {
      const Json source = base::parse_json(line, "the embedded model of " + name_);
      const std::string protocol = base::text_or(source, "protocol");
      if (protocol == "query") protocol_ = Protocol::kQuery;
      if (protocol == "rest-json") protocol_ = Protocol::kRestJson;
      if (protocol == "rest-xml") protocol_ = Protocol::kRestXml;
      json_version_ = base::text_or(source, "jsonVersion", "1.0");
      target_prefix_ = base::text_or(source, "targetPrefix");
      signing_name_ =
          base::text_or(source, "signingName", base::text_or(source, "endpointPrefix", name_));
      api_version_ = base::text_or(source, "apiVersion");
      if (const auto space = namespace_of(source)) xml_namespace_ = space->uri;
      query_compatible_ = source.contains("awsQueryCompatible");
    } else if (!kind.empty()) {
      base::throw_internal("the embedded model of " + name_ + " has a line of unknown kind");
    }
  }
}

ServiceModel::~ServiceModel() = default;

const OperationModel* ServiceModel::operation(std::string_view name) const {
  std::lock_guard lock(mutex_);
  if (const auto known = operations_.find(name); known != operations_.end())
    return known->second.get();
  const auto line = operation_lines_.find(name);
  if (line == operation_lines_.end()) return nullptr;
  return operations_.emplace(line->first, parse_operation(line->first, line->second))
      .first->second.get();
}

std::vector<const OperationModel*> ServiceModel::operations() const {
  std::vector<const OperationModel*> all;
  for (const auto& [name, line] : operation_lines_) all.push_back(operation(name));
  return all;
}

const Shape* ServiceModel::shape(const std::string& name) const {
  if (name.empty()) return nullptr;
  std::lock_guard lock(mutex_);
  return resolve(name);
}

const Shape* ServiceModel::exception(const OperationModel& operation, std::string_view code) const {
  for (const std::string& name : operation.errors) {
    const Shape* candidate = shape(name);
    if (name == code || (!candidate->error_code.empty() && candidate->error_code == code))
      return candidate;
  }
  return nullptr;
}

Member ServiceModel::member(std::string name, const Json& reference) const {
  Member result;
  result.shape = resolve(base::text_or(reference, "shape"));
  result.wire_name = base::text_or(reference, "locationName", name);
  result.named = reference.contains("locationName");
  result.name = std::move(name);
  result.location = location_of(reference);
  result.streaming = base::boolean_or(reference, "streaming", false) || result.shape->streaming;
  result.flattened = base::boolean_or(reference, "flattened", false);
  result.xml_attribute = base::boolean_or(reference, "xmlAttribute", false);
  result.json_value = base::boolean_or(reference, "jsonvalue", false);
  result.event_payload = base::boolean_or(reference, "eventpayload", false);
  result.time_format = time_format_of(reference);
  result.xml_namespace = namespace_of(reference);
  return result;
}

Shape* ServiceModel::resolve(const std::string& name) const {
  auto& place = shapes_[name];
  if (place) return place.get();
  const auto line = shape_lines_.find(name);
  if (line == shape_lines_.end())
    base::throw_internal("the embedded model of " + name_ + " lacks the shape " + name);
  const Json source = base::parse_json(line->second, "the embedded shape " + name);
  place = std::make_unique<Shape>();
  // In the table before its members are: a shape may reach itself.
  Shape* shape = place.get();
  shape->name = name;
  shape->type = type_of(source);
  if (source.contains("min")) shape->least = base::number_or(source, "min", 0);
  if (source.contains("max")) shape->most = base::number_or(source, "max", 0);
  shape->pattern = base::text_or(source, "pattern");
  shape->values = texts_of(source, "enum");
  shape->flattened = base::boolean_or(source, "flattened", false);
  shape->sensitive = base::boolean_or(source, "sensitive", false);
  shape->is_union = base::boolean_or(source, "union", false);
  shape->event_stream = base::boolean_or(source, "eventstream", false);
  shape->streaming = base::boolean_or(source, "streaming", false);
  shape->time_format = time_format_of(source);
  shape->wire_name = base::text_or(source, "locationName");
  shape->xml_namespace = namespace_of(source);
  const Json& error = base::object_or_empty(source, "error");
  shape->error_code = base::text_or(error, "code");
  if (error.contains("httpStatusCode"))
    shape->error_status = static_cast<int>(base::integer_or(error, "httpStatusCode", 400));
  const Json& members = base::object_or_empty(source, "members");
  shape->members.reserve(members.size());
  for (const auto& [member_name, reference] : members.items())
    shape->members.push_back(member(member_name, reference));
  for (const std::string& required : texts_of(source, "required"))
    for (Member& candidate : shape->members)
      if (candidate.name == required) candidate.required = true;
  if (const std::string payload = base::text_or(source, "payload"); !payload.empty())
    shape->payload = shape->find(payload);
  if (source.contains("member")) shape->element = member("member", source["member"]);
  if (source.contains("key")) shape->key = member("key", source["key"]);
  if (source.contains("value")) shape->value = member("value", source["value"]);
  return shape;
}

}  // namespace slipway::wire
