#pragma once

// The shapes of a service model: what an operation's input and output are made of, and
// what of that the wire shows.

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace slipway::wire {

enum class ShapeType {
  kStructure,
  kList,
  kMap,
  kString,
  kBlob,
  kBoolean,
  kInteger,  // and long
  kFloat,    // and double
  kTimestamp,
  kDocument  // any JSON
};

enum class TimeFormat { kDefault, kIso8601, kHttpDate, kEpochSeconds };
enum class Location { kBody, kUri, kQuery, kHeader, kHeaders, kStatus };

struct XmlNamespace {
  std::string uri;
  std::string prefix;
};

struct Shape;

// A structure's member, a list's element, a map's key or value.
struct Member {
  std::string name;       // the model's
  std::string wire_name;  // locationName, or the name
  const Shape* shape = nullptr;
  Location location = Location::kBody;
  bool named = false;  // wire_name was given here
  bool required = false;
  bool streaming = false;
  bool flattened = false;
  bool xml_attribute = false;
  bool json_value = false;  // JSON as text; base64 in headers
  bool event_payload = false;
  TimeFormat time_format = TimeFormat::kDefault;
  std::optional<XmlNamespace> xml_namespace;
};

struct Pattern;  // validation.cc compiles it on its first use

struct Shape {
  std::string name;
  ShapeType type = ShapeType::kString;
  std::vector<Member> members;  // of a structure
  Member element;               // of a list
  Member key, value;            // of a map
  const Member* payload = nullptr;
  std::optional<double> least, most;  // length, size or value
  std::string pattern;
  std::vector<std::string> values;  // of an enumeration
  bool flattened = false;
  bool sensitive = false;
  bool is_union = false;
  bool event_stream = false;
  bool streaming = false;
  TimeFormat time_format = TimeFormat::kDefault;
  std::string wire_name;  // the XML root's where set
  std::optional<XmlNamespace> xml_namespace;
  std::string error_code;  // of an exception
  std::optional<int> error_status;
  mutable std::once_flag pattern_once;
  mutable std::shared_ptr<Pattern> compiled;  // set once by pattern_once

  const Member* find(std::string_view member) const noexcept;
};

}  // namespace slipway::wire
