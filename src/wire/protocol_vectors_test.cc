// The AWS protocol tests as botocore keeps them, the other way round: what clients send must
// decode to the parameters, and the results must encode to what clients read.

#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"
#include "wire/codec.h"
#include "wire/router.h"
#include "wire/xml.h"

namespace slipway::wire {
namespace {

const std::map<std::string, std::string> kSkippedInputs{
    {"SDKAppliedContentEncoding_awsJson1_1", "request compression is the client's choice"},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_1", "the same"},
    {"SDKAppliedContentEncoding_awsJson1_0", "the same"},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsJson1_0", "the same"},
    {"SDKAppliedContentEncoding_awsQuery", "the same"},
    {"SDKAppendsGzipAndIgnoresHttpProvidedEncoding_awsQuery", "the same"},
    {"SDKAppliedContentEncoding_restJson1", "the same"},
    {"SDKAppendedGzipAfterProvidedEncoding_restJson1", "the same"},
    {"SDKAppliedContentEncoding_restXml", "the same"},
    {"SDKAppendedGzipAfterProvidedEncoding_restXml", "the same"},
    {"AwsJson11EndpointTraitWithHostLabel", "labels in Host are not read: Host is never routed by"},
    {"AwsJson10EndpointTraitWithHostLabel", "the same"},
    {"AwsQueryEndpointTraitWithHostLabel", "the same"},
    {"RestJsonEndpointTraitWithHostLabel", "the same"},
    {"RestXmlEndpointTraitWithHostLabel", "the same"},
    {"RestXmlEndpointTraitWithHostLabelAndHttpBinding", "the same"},
    {"RestJsonQueryPrecedence", "the client drops a parameter that a server cannot bring back"},
    {"RestXmlQueryPrecedence", "the same"},
    {"RestJsonQueryParamsStringListMap", "the same"},
    {"RestXmlQueryParamsStringListMap", "the same"},
    {"AwsJson11HostWithPath", "the endpoint's own path belongs to the client's configuration"},
    {"AwsJson10HostWithPath", "the same"},
    {"QueryHostWithPath", "the same"},
    {"RestJsonHostWithPath", "the same"},
    {"QueryProtocolIdempotencyTokenAutoFill", "the client makes up a member that it was not given"},
    {"RestJsonQueryIdempotencyTokenAutoFill", "the same"},
    {"QueryIdempotencyTokenAutoFill", "the same"},
    {"RestJsonNullAndEmptyHeaders", "an empty header and an absent member are one to a client"},
    {"NullAndEmptyHeaders", "the same"},
};

const std::map<std::string, std::string> kSkippedOutputs{
    {"AwsJson11DateTimeWithNegativeOffset", "this server writes times in UTC"},
    {"AwsJson11DateTimeWithPositiveOffset", "the same"},
    {"AwsQueryDateTimeWithNegativeOffset", "the same"},
    {"AwsQueryDateTimeWithPositiveOffset", "the same"},
    {"RestJsonDateTimeWithNegativeOffset", "the same"},
    {"RestJsonDateTimeWithPositiveOffset", "the same"},
    {"RestXmlDateTimeWithNegativeOffset", "the same"},
    {"RestXmlDateTimeWithPositiveOffset", "the same"},
    {"handles_unexpected_json_output", "tells clients to ignore what this server does not send"},
    {"AwsJson10HandlesUnexpectedJsonOutput", "the same"},
    {"AwsJson11DeserializeIgnoreType", "the same"},
    {"AwsJson10DeserializeIgnoreType", "the same"},
    {"RestJsonDeserializeIgnoreType", "the same"},
    {"RestJsonIgnoreQueryParamsInResponse", "no output of AWS has a member in the query"},
    {"IgnoreQueryParamsInResponse", "the same"},
};

Json load(const std::string& file) {
  std::ifstream stream(std::string(SLIPWAY_TEST_DATA) + "/aws-protocols/" + file);
  return Json::parse(stream);
}

// One operation of a vector as the text that the build embeds.
std::string model_text(const Json& suite, const Json& given) {
  Json operation = given;
  Json errors = Json::array();
  if (given.contains("errors"))
    for (const Json& error : given["errors"]) errors.push_back(error["shape"]);
  operation["errors"] = errors;
  // The vectors leave it to the reader; every real model of the protocol has it.
  if (suite["metadata"]["protocol"] == "query" && operation.contains("output"))
    operation["output"]["resultWrapper"] = given["name"].get<std::string>() + "Result";
  std::string text = "service " + suite["metadata"].dump() + "\noperation " +
                     given["name"].get<std::string>() + " " + operation.dump() + "\n";
  for (const auto& [name, shape] : suite["shapes"].items())
    text += "shape " + name + " " + shape.dump() + "\n";
  return text;
}

enum class Side { kVector, kOurs };

// Both sides in one convention: blobs as base64, special numbers as text, no nulls.
Json canonical(const Member& member, const Json& value, Side side);

Json canonical(const Shape& shape, const Json& value, Side side) {
  switch (shape.type) {
    case ShapeType::kStructure: {
      Json result = Json::object();
      for (const Member& member : shape.members)
        if (value.contains(member.name) && !value[member.name].is_null())
          result[member.name] = canonical(member, value[member.name], side);
      return result;
    }
    case ShapeType::kList: {
      Json result = Json::array();
      for (const Json& element : value)
        if (!element.is_null()) result.push_back(canonical(shape.element, element, side));
      return result;
    }
    case ShapeType::kMap: {
      Json result = Json::object();
      for (const auto& [key, element] : value.items())
        if (!element.is_null()) result[key] = canonical(shape.value, element, side);
      return result;
    }
    case ShapeType::kBlob:
      return side == Side::kVector ? Json(base::base64(value.get<std::string>())) : value;
    case ShapeType::kFloat: {
      if (value.is_string()) return value;
      const double number = value.get<double>();
      if (std::isnan(number)) return "NaN";
      if (std::isinf(number)) return number > 0 ? "Infinity" : "-Infinity";
      return number;
    }
    default:
      return value;
  }
}

Json canonical(const Member& member, const Json& value, Side side) {
  return canonical(*member.shape, value, side);
}

// What a server cannot tell apart: nothing and an empty list or map in a place without braces.
Json without_empty(Json value) {
  if (value.is_object())
    for (auto it = value.begin(); it != value.end();)
      it = it->is_structured() && it->empty() ? value.erase(it) : std::next(it);
  return value;
}

void expect_decodes(const Json& suite, const Json& test) {
  SCOPED_TRACE(test["id"].get<std::string>());
  const std::string text = model_text(suite, test["given"]);
  const ServiceModel model("vector", text);
  const OperationModel& operation = *model.operation(test["given"]["name"].get<std::string>());
  const Json& wire = test["serialized"];
  net::Request request;
  request.method = base::text_or(wire, "method", "POST");
  request.target = base::text_or(wire, "uri", "/");
  for (const auto& [name, value] : base::object_or_empty(wire, "headers").items())
    request.headers.add(name, value.get<std::string>());
  request.body = net::Body(base::text_or(wire, "body"));
  Router router;
  router.add(operation, true);
  const auto match = router.match(request, request.path());
  ASSERT_TRUE(match.has_value()) << request.target;

  Json decoded;
  try {
    decoded =
        codec_of(model.protocol()).decode(model, operation, {request, request.body, match->labels});
  } catch (const Error& error) {
    FAIL() << error.code() << ": " << error.message();
  }

  const Shape* shape = model.shape(operation.input_shape);
  if (!shape) return;
  Json expected = canonical(*shape, test["params"], Side::kVector);
  Json actual = canonical(*shape, decoded, Side::kOurs);
  for (const Member& member : shape->members) {
    if (member.streaming && expected.contains(member.name)) {
      EXPECT_EQ(base::base64(request.body.bytes()), expected[member.name]);
      expected.erase(member.name);
    }
    // A map of all parameters holds those of the other members too.
    if (member.location == Location::kQuery && member.shape->type == ShapeType::kMap &&
        !expected.contains(member.name))
      actual.erase(member.name);
  }
  if (model.protocol() != Protocol::kJson) {
    expected = without_empty(std::move(expected));
    actual = without_empty(std::move(actual));
  }
  EXPECT_EQ(actual, expected);
}

// An element as text whose children are in one order.
std::string canonical(const XmlElement& element) {
  std::multiset<std::string> children;
  for (const XmlElement& child : element.children)
    if (child.name != "ResponseMetadata" && child.name != "RequestId")
      children.insert(canonical(child));
  std::set<std::string> attributes;
  for (const auto& [name, value] : element.attributes)
    if (!name.starts_with("xmlns")) attributes.insert(name + "=" + value);
  std::string text = "<" + element.name;
  for (const std::string& attribute : attributes) text += " " + attribute;
  text += ">";
  const bool indentation =
      base::trim(element.text).empty() && element.text.find('\n') != std::string::npos;
  if (children.empty() && !indentation) text += element.text;
  for (const std::string& child : children) text += child;
  return text + "</>";
}

void expect_same_xml(const std::string& actual, const std::string& expected, bool only_inside) {
  XmlElement left, right;
  ASSERT_NO_THROW(left = parse_xml(actual)) << actual;
  ASSERT_NO_THROW(right = parse_xml(expected)) << expected;
  if (only_inside) left.name = right.name;
  EXPECT_EQ(canonical(left), canonical(right));
}

Json without_nulls(Json value) {
  if (value.is_structured())
    for (auto it = value.begin(); it != value.end();) {
      *it = without_nulls(*it);
      it = it->is_null() && value.is_object() ? value.erase(it) : std::next(it);
    }
  return value;
}

void expect_same_json(const std::string& actual, const std::string& expected) {
  EXPECT_EQ(Json::parse(actual.empty() ? "{}" : actual),
            without_nulls(Json::parse(expected.empty() ? "{}" : expected)));
}

void expect_body(const ServiceModel& model, const OperationModel& operation,
                 const std::string& actual, const std::string& expected) {
  const Shape* shape = model.shape(operation.output_shape);
  const bool raw = shape && shape->payload &&
                   (shape->payload->shape->type == ShapeType::kBlob ||
                    shape->payload->shape->type == ShapeType::kString);
  const bool xml = model.protocol() == Protocol::kQuery || model.protocol() == Protocol::kRestXml;
  if (raw) {
    EXPECT_EQ(actual, expected);
  } else if (!xml) {
    expect_same_json(actual, expected);
  } else if (expected.empty()) {
    // Clients read an empty document as they read none.
    if (!actual.empty()) {
      const std::string name = parse_xml(actual).name;
      const std::string result = "<" + operation.result_wrapper + "></>";
      EXPECT_THAT(canonical(parse_xml(actual)),
                  testing::AnyOf("<" + name + "></>", "<" + name + ">" + result + "</>"));
    }
  } else {
    // No client looks at the root's name, and the models do not tell it.
    const bool named = shape && !shape->wire_name.empty();
    expect_same_xml(actual, expected, model.protocol() == Protocol::kRestXml && !named);
  }
}

void expect_encodes(const Json& suite, const Json& test) {
  SCOPED_TRACE(test["id"].get<std::string>());
  const std::string text = model_text(suite, test["given"]);
  const ServiceModel model("vector", text);
  const OperationModel& operation = *model.operation(test["given"]["name"].get<std::string>());
  const Json& wire = test["response"];
  const Shape* shape = model.shape(operation.output_shape);
  Reply reply;
  if (shape) {
    reply.output = canonical(*shape, base::object_or_empty(test, "result"), Side::kVector);
    for (const Member& member : shape->members)
      if (member.streaming && reply.output.contains(member.name))
        reply.payload = base::from_base64(reply.output[member.name].get<std::string>()).value();
  }

  const net::Response response = codec_of(model.protocol()).encode(model, operation, reply, "id");

  EXPECT_EQ(response.status, base::integer_or(wire, "status_code", 200));
  for (const auto& [name, value] : base::object_or_empty(wire, "headers").items()) {
    // Those are the server's, the Api's, and one that a vector has by mistake.
    static const std::set<std::string> kElsewhere{"content-type", "content-length",
                                                  "x-amzn-requestid", "x-amz-target"};
    if (!kElsewhere.contains(base::lower(name))) {
      EXPECT_EQ(response.headers.get(name), value.get<std::string>()) << name;
    }
  }
  expect_body(model, operation, std::get<std::string>(response.body), base::text_or(wire, "body"));
}

void expect_refuses(const Json& suite, const Json& test) {
  SCOPED_TRACE(test["id"].get<std::string>());
  const std::string text = model_text(suite, test["given"]);
  const ServiceModel model("vector", text);
  const OperationModel& operation = *model.operation(test["given"]["name"].get<std::string>());
  Failure failure;
  failure.code = base::text_or(test, "errorCode");
  failure.message = base::text_or(test, "errorMessage");
  failure.detail = base::object_or_empty(test, "error");
  failure.request_id = "foo-id";
  failure.shape = model.exception(operation, failure.code);
  failure.status = static_cast<int>(base::integer_or(test["response"], "status_code", 400));

  const net::Response response = codec_of(model.protocol()).refuse(&model, failure);

  const std::string body = std::get<std::string>(response.body);
  EXPECT_EQ(response.status, failure.status);
  if (model.protocol() == Protocol::kJson || model.protocol() == Protocol::kRestJson) {
    const Json parsed = Json::parse(body);
    const std::string code = model.protocol() == Protocol::kJson
                                 ? base::text_or(parsed, "__type")
                                 : std::string(response.headers.get("x-amzn-errortype"));
    EXPECT_EQ(code, failure.code);
    EXPECT_EQ(base::text_or(parsed, message_member(failure.shape)), failure.message);
  } else {
    const XmlElement root = parse_xml(body);
    ASSERT_NE(root.find("Error"), nullptr) << body;
    EXPECT_EQ(root.find("Error")->find("Code")->text, failure.code);
    EXPECT_EQ(root.find("Error")->find("Message")->text, failure.message);
    EXPECT_EQ(root.find("RequestId")->text, "foo-id");
  }
}

// Both return how many cases ran.
int run_inputs(const std::string& protocol) {
  int count = 0;
  for (const Json& suite : load("input/" + protocol + ".json"))
    for (const Json& test : suite["cases"]) {
      if (kSkippedInputs.contains(test["id"])) continue;
      ++count;
      expect_decodes(suite, test);
    }
  return count;
}

int run_outputs(const std::string& protocol) {
  int count = 0;
  for (const Json& suite : load("output/" + protocol + ".json"))
    for (const Json& test : suite["cases"]) {
      if (kSkippedOutputs.contains(test["id"])) continue;
      ++count;
      if (test.contains("errorCode"))
        expect_refuses(suite, test);
      else
        expect_encodes(suite, test);
    }
  return count;
}

TEST(JsonVectors, DecodesInputs) { EXPECT_EQ(run_inputs("json"), 50); }
TEST(JsonVectors, EncodesOutputs) { EXPECT_EQ(run_outputs("json"), 54); }
TEST(Json10Vectors, DecodesInputs) { EXPECT_EQ(run_inputs("json_1_0"), 17); }
TEST(Json10Vectors, EncodesOutputs) { EXPECT_EQ(run_outputs("json_1_0"), 30); }
TEST(QueryVectors, DecodesInputs) { EXPECT_EQ(run_inputs("query"), 33); }
TEST(QueryVectors, EncodesOutputs) { EXPECT_EQ(run_outputs("query"), 36); }
TEST(RestJsonVectors, DecodesInputs) { EXPECT_EQ(run_inputs("rest-json"), 105); }
TEST(RestJsonVectors, EncodesOutputs) { EXPECT_EQ(run_outputs("rest-json"), 87); }
TEST(RestXmlVectors, DecodesInputs) { EXPECT_EQ(run_inputs("rest-xml"), 86); }
TEST(RestXmlVectors, EncodesOutputs) { EXPECT_EQ(run_outputs("rest-xml"), 75); }

}  // namespace
}  // namespace slipway::wire
