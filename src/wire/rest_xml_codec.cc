#include <array>

#include "base/error.h"
#include "base/strings.h"
#include "wire/codec.h"
#include "wire/rest_bindings.h"
#include "wire/xml_shapes.h"

namespace slipway::wire {
namespace {

constexpr std::string_view kS3Namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

// What S3 calls the root of its answers where the model leaves it to the reader.
constexpr std::array<std::pair<std::string_view, std::string_view>, 24> kS3Roots{{
    {"CompleteMultipartUpload", "CompleteMultipartUploadResult"},
    {"CreateMultipartUpload", "InitiateMultipartUploadResult"},
    {"DeleteObjects", "DeleteResult"},
    {"GetBucketAccelerateConfiguration", "AccelerateConfiguration"},
    {"GetBucketAcl", "AccessControlPolicy"},
    {"GetBucketCors", "CORSConfiguration"},
    {"GetBucketLifecycleConfiguration", "LifecycleConfiguration"},
    {"GetBucketLocation", "LocationConstraint"},
    {"GetBucketLogging", "BucketLoggingStatus"},
    {"GetBucketNotificationConfiguration", "NotificationConfiguration"},
    {"GetBucketOwnershipControls", "OwnershipControls"},
    {"GetBucketRequestPayment", "RequestPaymentConfiguration"},
    {"GetBucketTagging", "Tagging"},
    {"GetBucketVersioning", "VersioningConfiguration"},
    {"GetBucketWebsite", "WebsiteConfiguration"},
    {"GetObjectAcl", "AccessControlPolicy"},
    {"GetObjectAttributes", "GetObjectAttributesResponse"},
    {"GetObjectTagging", "Tagging"},
    {"ListBuckets", "ListAllMyBucketsResult"},
    {"ListMultipartUploads", "ListMultipartUploadsResult"},
    {"ListObjectVersions", "ListVersionsResult"},
    {"ListObjects", "ListBucketResult"},
    {"ListObjectsV2", "ListBucketResult"},
    {"ListParts", "ListPartsResult"},
}};

std::string root_of(const ServiceModel& model, const OperationModel& operation,
                    const Shape& shape) {
  if (model.name() == "s3")
    for (const auto& [name, root] : kS3Roots)
      if (name == operation.name) return std::string(root);
  return shape.wire_name.empty() ? operation.name + "Response" : shape.wire_name;
}

std::optional<XmlNamespace> root_namespace(const ServiceModel& model, const Shape& shape) {
  if (shape.xml_namespace) return shape.xml_namespace;
  if (model.name() == "s3") return XmlNamespace{std::string(kS3Namespace), ""};
  if (!model.xml_namespace().empty()) return XmlNamespace{model.xml_namespace(), ""};
  return std::nullopt;
}

bool is_raw(const Shape& shape) {
  return shape.type == ShapeType::kBlob || shape.type == ShapeType::kString;
}

class RestXmlCodec final : public Codec {
 public:
  Json decode(const ServiceModel& model, const OperationModel& operation,
              const Incoming& incoming) const override {
    Json input = Json::object();
    const Shape* shape = model.shape(operation.input_shape);
    if (!shape) return input;
    decode_bindings(*shape, incoming, input);
    const Member* payload = shape->payload;
    if (payload && is_raw(*payload->shape)) {
      decode_raw_payload(*payload, incoming, input);
    } else if (incoming.body.size() != 0 && (payload || has_body_members(*shape))) {
      const std::string text = incoming.body.text();
      if (base::trim(text).empty()) return input;
      const XmlElement root = parse_xml(text);
      if (payload)
        input[payload->name] = structure_from_xml(*payload->shape, root);
      else
        input.update(structure_from_xml(*shape, root));
    }
    return input;
  }

  net::Response encode(const ServiceModel& model, const OperationModel& operation, Reply& reply,
                       std::string_view) const override {
    net::Response response;
    response.status = operation.status;
    std::string_view type;
    if (const Shape* shape = model.shape(operation.output_shape)) {
      encode_bindings(*shape, reply.output, operation, response);
      const Member* payload = shape->payload;
      if (payload && is_raw(*payload->shape)) {
        response.body = raw_payload(*payload, reply);
        type = payload->shape->type == ShapeType::kBlob ? "application/octet-stream" : "text/plain";
      } else if (payload || has_body_members(*shape)) {
        response.body = document(model, operation, *shape, reply.output);
        type = "application/xml";
      }
    }
    if (reply.status) response.status = *reply.status;
    if (!type.empty() && !response.headers.has("Content-Type") && operation.route.method != "HEAD")
      response.headers.add("Content-Type", std::string(type));
    return response;
  }

  net::Response refuse(const ServiceModel* model, const Failure& failure) const override {
    const bool wrapped = model && model->name() != "s3";
    XmlWriter writer(true);
    if (wrapped) writer.open("ErrorResponse");
    writer.open("Error");
    if (wrapped) writer.element("Type", failure.status < 500 ? "Sender" : "Receiver");
    writer.element("Code", failure.code);
    writer.element("Message", failure.message);
    if (failure.detail.is_object()) {
      if (failure.shape && wrapped) {
        structure_to_xml(writer, *failure.shape, failure.detail);
      } else {
        for (const auto& [name, value] : failure.detail.items())
          if (value.is_primitive())
            writer.element(name, value.is_string() ? value.get<std::string>() : value.dump());
      }
    }
    if (!wrapped && !(failure.detail.is_object() && failure.detail.contains("Resource")))
      writer.element("Resource", failure.resource);
    if (wrapped) writer.close("Error");
    writer.element("RequestId", failure.request_id);
    if (!wrapped) writer.element("HostId", failure.host_id);
    writer.close(wrapped ? "ErrorResponse" : "Error");
    net::Response response;
    response.status = failure.status;
    response.headers.add("Content-Type", "application/xml");
    response.body = writer.take();
    return response;
  }

 private:
  static std::string document(const ServiceModel& model, const OperationModel& operation,
                              const Shape& shape, const Json& output) {
    XmlWriter writer(true);
    const Member* payload = shape.payload;
    const auto space = root_namespace(model, payload ? *payload->shape : shape);
    if (model.name() == "s3" && operation.name == "GetBucketLocation") {
      // The one answer of S3 whose root is the value itself.
      writer.element("LocationConstraint", base::text_or(output, "LocationConstraint"),
                     attributes_of(shape, space, Json::object()));
      return writer.take();
    }
    if (!payload) {
      const std::string root = root_of(model, operation, shape);
      writer.open(root, attributes_of(shape, space, output));
      structure_to_xml(writer, shape, output);
      writer.close(root);
      return writer.take();
    }
    if (!output.is_object() || !output.contains(payload->name)) return {};
    const Json& value = output[payload->name];
    std::string root = payload->wire_name;
    if (!payload->named && !payload->shape->wire_name.empty()) root = payload->shape->wire_name;
    writer.open(root,
                attributes_of(*payload->shape,
                              payload->xml_namespace ? payload->xml_namespace : space, value));
    structure_to_xml(writer, *payload->shape, value);
    writer.close(root);
    return writer.take();
  }
};

}  // namespace

const Codec& rest_xml_codec() {
  static const RestXmlCodec codec;
  return codec;
}

}  // namespace slipway::wire
