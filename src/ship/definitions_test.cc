#include "ship/definitions.h"

#include <set>

#include <gtest/gtest.h>

namespace slipway::ship {
namespace {

ModelSpec spec() {
  ModelSpec spec;
  spec.name = "tumour";
  spec.project = "health";
  spec.channels = {{"training", "data/train.csv"}, {"test", "data/test.csv"}};
  spec.hyperparameters = {{"max_depth", "2"}};
  spec.metrics = {{"validation:f1", "f1=([0-9.]+)"}};
  spec.decide_metric = "f1";
  spec.endpoint.replicas = 3;
  return spec;
}

Placement placement() {
  return {"123456789012",
          "arn:aws:iam::123456789012:role/slipway-execution",
          bucket_of("123456789012", spec()),
          {{"training", "s3://b/data/1/"}, {"test", "s3://b/data/2/"}},
          {}};
}

// Every path that a "Get" names, anywhere in the document.
void collect(const Json& value, std::set<std::string>& paths) {
  if (value.is_object() && value.size() == 1 && value.contains("Get"))
    paths.insert(value["Get"].get<std::string>());
  if (value.is_structured())
    for (const Json& inner : value) collect(inner, paths);
}

std::set<std::string> names(const Json& list) {
  std::set<std::string> names;
  for (const Json& item : list) names.insert(item["Name"].get<std::string>());
  return names;
}

void expect_closed(const Json& definition) {
  const std::set<std::string> parameters = names(definition["Parameters"]);
  const std::set<std::string> steps = names(definition["Steps"]);
  std::set<std::string> paths;
  collect(definition, paths);
  EXPECT_FALSE(paths.empty());
  for (const std::string& path : paths) {
    const auto dot = path.find('.');
    const std::string root = path.substr(0, dot);
    const std::string name = path.substr(dot + 1, path.find('.', dot + 1) - dot - 1);
    if (root == "Parameters") {
      EXPECT_TRUE(parameters.contains(name)) << path;
    }
    if (root == "Steps") {
      EXPECT_TRUE(steps.contains(name)) << path;
    }
  }
}

TEST(Definitions, ReferToNothingThatIsNotThere) {
  expect_closed(training_definition(spec(), placement()));
  expect_closed(deployment_definition(spec(), placement()));
}

TEST(Definitions, TrainWithWhatTheSpecificationSays) {
  const Json train = training_definition(spec(), placement())["Steps"][0];
  const Json& arguments = train["Arguments"];
  EXPECT_EQ(train["Type"], "Training");
  EXPECT_EQ(arguments["HyperParameters"]["max_depth"], "2");
  EXPECT_EQ(arguments["InputDataConfig"].size(), 2u);
  EXPECT_EQ(arguments["AlgorithmSpecification"]["MetricDefinitions"][0]["Name"], "validation:f1");
}

TEST(Definitions, EvaluateOnEverythingButTheTrainingData) {
  const Json evaluate = training_definition(spec(), placement())["Steps"][1];
  const Json& inputs = evaluate["Arguments"]["ProcessingInputs"];
  EXPECT_EQ(inputs.size(), 2u);
  EXPECT_EQ(inputs[0]["InputName"], "model");
  EXPECT_EQ(inputs[1]["InputName"], "test");
}

TEST(Definitions, RegisterOnlyWhatWasEvaluatedAndLetAPersonDecide) {
  const Json step = training_definition(spec(), placement())["Steps"][2];
  EXPECT_EQ(step["DependsOn"], Json::array({"Evaluate"}));
  EXPECT_EQ(step["Arguments"]["ModelApprovalStatus"], "PendingManualApproval");
}

TEST(Definitions, DeployAsManyReplicasAsAskedFor) {
  const Json config = deployment_definition(spec(), placement())["Steps"][1];
  EXPECT_EQ(config["Arguments"]["ProductionVariants"][0]["InitialInstanceCount"], 3);
}

TEST(Definitions, AskTheEndpointAfterItsUpdateWhereARequestIsRecorded) {
  EXPECT_EQ(deployment_definition(spec(), placement())["Steps"].size(), 3u);
  Placement checked = placement();
  checked.smoke = {"arn:aws:lambda:us-east-1:123456789012:function:check", "text/csv", "1,2\n"};

  const Json definition = deployment_definition(spec(), checked);

  expect_closed(definition);
  const Json step = definition["Steps"][3];
  EXPECT_EQ(step["Type"], "Lambda");
  EXPECT_EQ(step["DependsOn"], Json::array({"Endpoint"}));
  EXPECT_EQ(step["Arguments"],
            (Json{{"EndpointName", "tumour"}, {"ContentType", "text/csv"}, {"Body", "MSwyCg=="}}));
}

TEST(Definitions, LeaveOutWhatIsNotGiven) {
  ModelSpec bare;
  bare.name = "bare";
  const Json train = training_definition(bare, {})["Steps"][0];
  EXPECT_FALSE(train["Arguments"].contains("HyperParameters"));
  EXPECT_FALSE(train["Arguments"].contains("InputDataConfig"));
}

}  // namespace
}  // namespace slipway::ship
