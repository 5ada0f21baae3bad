#pragma once

// One protocol's way of writing inputs, outputs and errors. Stateless and thread-safe.

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"
#include "net/http.h"
#include "wire/api.h"
#include "wire/model.h"

namespace slipway::wire {

// A request that has been routed.
struct Incoming {
  const net::RequestHead& head;
  const net::Body& body;                                    // without chunk framing
  std::vector<std::pair<std::string, std::string>> labels;  // of the path, by wire name, decoded
};

// A failure as the wire shows it.
struct Failure {
  std::string code;
  std::string message;
  int status = 400;
  Json detail;
  const Shape* shape = nullptr;  // of the modelled exception
  std::string request_id;
  std::string host_id;   // S3
  std::string resource;  // S3: the path
};

class Codec {
 public:
  virtual ~Codec() = default;
  // Throws Error{SerializationException …} where the request is not of the input's shape.
  virtual Json decode(const ServiceModel& model, const OperationModel& operation,
                      const Incoming& incoming) const = 0;
  // The output in a response; takes the reply's payload.
  virtual net::Response encode(const ServiceModel& model, const OperationModel& operation,
                               Reply& reply, std::string_view request_id) const = 0;
  virtual net::Response refuse(const ServiceModel* model, const Failure& failure) const = 0;
};

const Codec& json_codec();   // AWS JSON 1.0 and 1.1
const Codec& query_codec();  // AWS Query
const Codec& rest_json_codec();
const Codec& rest_xml_codec();
const Codec& codec_of(Protocol protocol);

// The name under which an exception's shape carries its text.
std::string message_member(const Shape* exception);

}  // namespace slipway::wire
