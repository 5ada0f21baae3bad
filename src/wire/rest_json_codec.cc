#include "base/strings.h"
#include "wire/codec.h"
#include "wire/json_shapes.h"
#include "wire/rest_bindings.h"

namespace slipway::wire {
namespace {

bool is_raw(const Shape& shape) {
  return shape.type == ShapeType::kBlob || shape.type == ShapeType::kString;
}

class RestJsonCodec final : public Codec {
 public:
  Json decode(const ServiceModel& model, const OperationModel& operation,
              const Incoming& incoming) const override {
    Json input = Json::object();
    const Shape* shape = model.shape(operation.input_shape);
    if (!shape) return input;
    decode_bindings(*shape, incoming, input);
    if (shape->payload) {
      if (is_raw(*shape->payload->shape)) {
        decode_raw_payload(*shape->payload, incoming, input);
      } else if (incoming.body.size() != 0 && !shape->payload->shape->event_stream) {
        input[shape->payload->name] =
            from_json(*shape->payload, parse_json_body(incoming.body.text()));
      }
    } else if (incoming.body.size() != 0 && has_body_members(*shape)) {
      input.update(structure_from_json(*shape, parse_json_body(incoming.body.text())));
    }
    return input;
  }

  net::Response encode(const ServiceModel& model, const OperationModel& operation, Reply& reply,
                       std::string_view) const override {
    net::Response response;
    response.status = operation.status;
    std::string_view type = "application/json";
    const Shape* shape = model.shape(operation.output_shape);
    if (shape) {
      encode_bindings(*shape, reply.output, operation, response);
      const Member* payload = shape->payload;
      if (payload && is_raw(*payload->shape)) {
        response.body = raw_payload(*payload, reply);
        type = payload->shape->type == ShapeType::kBlob ? "application/octet-stream" : "text/plain";
      } else if (payload) {
        if (reply.output.is_object() && reply.output.contains(payload->name))
          response.body = base::dump_json(to_json(*payload, reply.output[payload->name]));
      } else if (has_body_members(*shape)) {
        response.body = base::dump_json(structure_to_json(*shape, reply.output));
      }
    }
    if (reply.status) response.status = *reply.status;
    if (!response.headers.has("Content-Type"))
      response.headers.add("Content-Type", std::string(type));
    return response;
  }

  net::Response refuse(const ServiceModel*, const Failure& failure) const override {
    net::Response response;
    response.status = failure.status;
    response.headers.add("Content-Type", "application/json");
    response.headers.add("x-amzn-ErrorType", failure.shape ? failure.shape->name : failure.code);
    Json body = failure.detail.is_object() ? failure.detail : Json::object();
    if (failure.shape) {
      const Json detail = body;
      OperationModel none;
      encode_bindings(*failure.shape, detail, none, response);
      response.status = failure.status;
      body = structure_to_json(*failure.shape, detail);
    }
    body[message_member(failure.shape)] = failure.message;
    response.body = base::dump_json(body);
    return response;
  }
};

}  // namespace

const Codec& rest_json_codec() {
  static const RestJsonCodec codec;
  return codec;
}

}  // namespace slipway::wire
