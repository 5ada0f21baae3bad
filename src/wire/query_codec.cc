#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/strings.h"
#include "wire/codec.h"
#include "wire/scalar.h"
#include "wire/xml_shapes.h"

namespace slipway::wire {
namespace {

constexpr std::size_t kMostParameters = 100'000;
constexpr int kDeepest = 64;

// Parameters as a tree by the parts of their names: "Tags.member.1.Key".
struct Node {
  std::optional<std::string> text;
  std::map<std::string, Node, std::less<>> children;

  const Node* find(std::string_view name) const {
    const auto found = children.find(name);
    return found == children.end() ? nullptr : &found->second;
  }
};

Node parse_parameters(std::string_view form) {
  Node root;
  std::size_t count = 0;
  for (auto& [name, value] : base::parse_query(form)) {
    if (++count > kMostParameters)
      throw Error("SerializationException", "the request has too many parameters");
    Node* node = &root;
    int depth = 0;
    for (const std::string& part : base::split(name, '.')) {
      if (++depth > kDeepest)
        throw Error("SerializationException", "the parameter " + name + " nests too deep");
      node = &node->children[part];
    }
    node->text = std::move(value);
  }
  return root;
}

// Numbered children in the order of their numbers.
std::vector<const Node*> numbered(const Node& node) {
  std::vector<std::pair<std::int64_t, const Node*>> found;
  for (const auto& [name, child] : node.children)
    if (const auto number = base::parse_integer(name)) found.emplace_back(*number, &child);
  std::sort(found.begin(), found.end());
  std::vector<const Node*> nodes;
  for (const auto& [number, child] : found) nodes.push_back(child);
  return nodes;
}

Json structure_from(const Shape& shape, const Node& node);

Json list_from(const Shape& shape, const Node& items);
Json map_from(const Shape& shape, const Node& items);

Json value_from(const Member& member, const Node& node) {
  const Shape& shape = *member.shape;
  const bool flattened = member.flattened || shape.flattened;
  if (shape.type == ShapeType::kStructure) return structure_from(shape, node);
  if (shape.type == ShapeType::kList) {
    if (flattened) return list_from(shape, node);
    const Node* items = node.find(shape.element.named ? shape.element.wire_name : "member");
    return items ? list_from(shape, *items) : Json::array();
  }
  if (shape.type == ShapeType::kMap) {
    if (flattened) return map_from(shape, node);
    const Node* items = node.find("entry");
    return items ? map_from(shape, *items) : Json::object();
  }
  return scalar_from_text(member, node.text.value_or(""), TimeFormat::kIso8601);
}

Json list_from(const Shape& shape, const Node& items) {
  Json list = Json::array();
  for (const Node* item : numbered(items)) list.push_back(value_from(shape.element, *item));
  return list;
}

Json map_from(const Shape& shape, const Node& items) {
  Json map = Json::object();
  for (const Node* item : numbered(items)) {
    const Node* key = item->find(shape.key.named ? shape.key.wire_name : "key");
    const Node* value = item->find(shape.value.named ? shape.value.wire_name : "value");
    if (key && key->text && value) map[*key->text] = value_from(shape.value, *value);
  }
  return map;
}

Json structure_from(const Shape& shape, const Node& node) {
  Json result = Json::object();
  for (const Member& member : shape.members) {
    if (const Node* child = node.find(member.wire_name))
      result[member.name] = value_from(member, *child);
  }
  return result;
}

std::string namespace_of(const ServiceModel* model) {
  if (!model || model->xml_namespace().empty()) return {};
  return " xmlns=\"" + escape_xml(model->xml_namespace()) + "\"";
}

class QueryCodec final : public Codec {
 public:
  Json decode(const ServiceModel& model, const OperationModel& operation,
              const Incoming& incoming) const override {
    const Shape* shape = model.shape(operation.input_shape);
    if (!shape) return Json::object();
    std::string form = incoming.body.text();
    if (form.empty()) form = incoming.head.query();
    return structure_from(*shape, parse_parameters(form));
  }

  net::Response encode(const ServiceModel& model, const OperationModel& operation, Reply& reply,
                       std::string_view request_id) const override {
    XmlWriter writer(false);
    const std::string root = operation.name + "Response";
    writer.open(root, namespace_of(&model));
    if (const Shape* shape = model.shape(operation.output_shape)) {
      if (!operation.result_wrapper.empty()) writer.open(operation.result_wrapper);
      structure_to_xml(writer, *shape, reply.output);
      if (!operation.result_wrapper.empty()) writer.close(operation.result_wrapper);
    }
    writer.open("ResponseMetadata");
    writer.element("RequestId", request_id);
    writer.close("ResponseMetadata");
    writer.close(root);
    net::Response response;
    response.status = reply.status.value_or(200);
    response.headers.add("Content-Type", "text/xml");
    response.body = writer.take();
    return response;
  }

  net::Response refuse(const ServiceModel* model, const Failure& failure) const override {
    XmlWriter writer(false);
    writer.open("ErrorResponse", namespace_of(model));
    writer.open("Error");
    writer.element("Type", failure.status < 500 ? "Sender" : "Receiver");
    const bool has_code = failure.shape && !failure.shape->error_code.empty();
    writer.element("Code", has_code ? failure.shape->error_code : failure.code);
    writer.element("Message", failure.message);
    if (failure.shape && failure.detail.is_object())
      for (const Member& member : failure.shape->members)
        if (failure.detail.contains(member.name) &&
            !base::equals_ignoring_case(member.name, "message"))
          member_to_xml(writer, member, failure.detail[member.name]);
    writer.close("Error");
    writer.element("RequestId", failure.request_id);
    writer.close("ErrorResponse");
    net::Response response;
    response.status = failure.status;
    response.headers.add("Content-Type", "text/xml");
    response.body = writer.take();
    return response;
  }
};

}  // namespace

const Codec& query_codec() {
  static const QueryCodec codec;
  return codec;
}

}  // namespace slipway::wire
