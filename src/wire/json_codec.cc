#include "base/strings.h"
#include "wire/codec.h"
#include "wire/json_shapes.h"

namespace slipway::wire {
namespace {

std::string content_type(const ServiceModel* model) {
  return "application/x-amz-json-" + (model ? model->json_version() : std::string("1.1"));
}

class JsonCodec final : public Codec {
 public:
  Json decode(const ServiceModel& model, const OperationModel& operation,
              const Incoming& incoming) const override {
    const Shape* shape = model.shape(operation.input_shape);
    if (!shape) return Json::object();
    const std::string body = incoming.body.text();
    if (base::trim(body).empty()) return Json::object();
    return structure_from_json(*shape, parse_json_body(body));
  }

  net::Response encode(const ServiceModel& model, const OperationModel& operation, Reply& reply,
                       std::string_view) const override {
    net::Response response;
    response.status = reply.status.value_or(operation.status);
    response.headers.add("Content-Type", content_type(&model));
    const Shape* shape = model.shape(operation.output_shape);
    if (shape)
      response.body = base::dump_json(structure_to_json(*shape, reply.output));
    else
      response.body = std::string("{}");
    return response;
  }

  net::Response refuse(const ServiceModel* model, const Failure& failure) const override {
    net::Response response;
    response.status = failure.status;
    response.headers.add("Content-Type", content_type(model));
    Json body = failure.detail.is_object() ? failure.detail : Json::object();
    if (failure.shape) body = structure_to_json(*failure.shape, body);
    body["__type"] = failure.shape ? failure.shape->name : failure.code;
    body[message_member(failure.shape)] = failure.message;
    response.body = base::dump_json(body);
    return response;
  }
};

}  // namespace

const Codec& json_codec() {
  static const JsonCodec codec;
  return codec;
}

const Codec& codec_of(Protocol protocol) {
  switch (protocol) {
    case Protocol::kJson:
      return json_codec();
    case Protocol::kQuery:
      return query_codec();
    case Protocol::kRestJson:
      return rest_json_codec();
    case Protocol::kRestXml:
      return rest_xml_codec();
  }
  return json_codec();
}

std::string message_member(const Shape* exception) {
  if (exception)
    for (const Member& member : exception->members)
      if (base::equals_ignoring_case(member.wire_name, "message")) return member.wire_name;
  return "message";
}

}  // namespace slipway::wire
