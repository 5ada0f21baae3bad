#include "pipelines/requests.h"

#include "base/digest.h"
#include "base/error.h"
#include "pipelines/expressions.h"
#include "wire/json_shapes.h"
#include "wire/shape.h"
#include "wire/validation.h"

namespace slipway::pipelines {
namespace {

// Parameters of pipelines have types, but what is put together from them is text, and the other way
// round: HyperParameters take text only, InstanceCount a number only.
Json coerced(const wire::Shape& shape, Json value) {
  const auto typed = [&](ValueType type) { return as_type(type, value).value_or(value); };
  switch (shape.type) {
    case wire::ShapeType::kStructure:
      if (!value.is_object()) return value;
      for (const wire::Member& member : shape.members) {
        const auto found = value.find(member.name);
        if (found != value.end()) *found = coerced(*member.shape, *found);
      }
      return value;
    case wire::ShapeType::kList:
      if (!value.is_array()) return value;
      for (Json& element : value) element = coerced(*shape.element.shape, element);
      return value;
    case wire::ShapeType::kMap:
      if (!value.is_object()) return value;
      for (Json& each : value) each = coerced(*shape.value.shape, each);
      return value;
    case wire::ShapeType::kString:
      return value.is_structured() ? value : typed(ValueType::kString);
    case wire::ShapeType::kInteger:
      return typed(ValueType::kInteger);
    case wire::ShapeType::kFloat:
      return typed(ValueType::kFloat);
    case wire::ShapeType::kBoolean:
      return typed(ValueType::kBoolean);
    default:
      return value;
  }
}

}  // namespace

Requests::Requests() : model_("sagemaker", wire::embedded_model("sagemaker")) {}

Json Requests::checked(std::string_view operation, const Json& arguments) const {
  const wire::OperationModel* model = model_.operation(operation);
  if (model == nullptr) base::throw_internal("no model of " + std::string(operation));
  const wire::Shape& shape = *model_.shape(model->input_shape);
  Json input = wire::structure_from_json(shape, coerced(shape, arguments));
  if (const auto violations = wire::find_violations(shape, input)) {
    throw Error("ValidationException", *violations);
  }
  return input;
}

std::string cache_key(const Step& step, const Json& arguments, const Json& target) {
  Json counted = arguments;
  for (const char* member : {"TrainingJobName", "ProcessingJobName", "Tags", "ExperimentConfig",
                             "OutputDataConfig", "CheckpointConfig"}) {
    counted.erase(member);
  }
  if (counted.contains("ProcessingOutputConfig")) {
    for (Json& output : counted["ProcessingOutputConfig"]["Outputs"]) {
      if (output.contains("S3Output")) output["S3Output"].erase("S3Uri");
    }
  }
  return base::sha256_hex(base::dump_json({text_of(step.type), counted, target}));
}

}  // namespace slipway::pipelines
