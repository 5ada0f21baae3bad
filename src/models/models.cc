#include "models/models.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "models/decide.h"
#include "models/evidence.h"
#include "models/requests.h"
#include "store/resources.h"

namespace slipway::models {
namespace {

[[noreturn]] void refuse_unknown_model(const std::string& arn) {
  throw Error("ValidationException", "Could not find model \"" + arn + "\".");
}

std::optional<Json> find_package(store::Reader& reader, const std::string& account,
                                 const std::string& name_or_arn) {
  const auto found =
      store::find(reader, account, kPackageKind, package_id(name_or_arn).resource_name());
  if (!found) return std::nullopt;
  return found->document;
}

// The package that a container definition names; nothing where it names none.
std::optional<Json> named_package(store::Reader& reader, const std::string& account,
                                  const Json& definition) {
  const std::string name = base::text_or(definition, "ModelPackageName");
  if (name.empty()) return std::nullopt;
  auto package = find_package(reader, account, name);
  if (!package) {
    throw Error("ValidationException", "Model Package " + name + " does not exist.");
  }
  return package;
}

void check_packages(store::Reader& reader, const std::string& account, const Json& document) {
  for (const Json& definition : container_definitions(document)) {
    const std::optional<Json> package = named_package(reader, account, definition);
    if (!package) continue;
    if (!may_be_served(*package)) {
      throw Error("ValidationException",
                  "Cannot create a model from " + base::text_or(*package, "ModelPackageArn") +
                      ": its approval status is " + base::text_or(*package, "ModelApprovalStatus") +
                      " and must be Approved.");
    }
    served_containers(definition, package, false);  // throws where nothing could be run
  }
}

}  // namespace

Models::Models(store::Database& database, const base::Clock& clock, images::Images& images,
               objects::Objects& objects, std::string region)
    : database_(database),
      clock_(clock),
      images_(images),
      objects_(objects),
      region_(std::move(region)) {}

std::vector<ServedContainer> Models::containers_of(const std::string& account,
                                                   const std::string& model_name) const {
  std::vector<Json> packages;
  const auto served = database_.read([&](store::Reader& reader) {
    const auto model = store::find(reader, account, kModelKind, model_name);
    if (!model) refuse_unknown_model(model_arn(region_, account, model_name));
    const bool network = model->document.contains("VpcConfig") &&
                         !base::boolean_or(model->document, "EnableNetworkIsolation", false);
    std::vector<ServedContainer> containers;
    for (const Json& definition : container_definitions(model->document)) {
      const auto package = named_package(reader, account, definition);
      for (ServedContainer& container : served_containers(definition, package, network)) {
        containers.push_back(std::move(container));
      }
      if (package) packages.push_back(*package);
    }
    return containers;
  });
  for (const Json& package : packages) check_data(account, package);
  return served;
}

// The image is named by its digest; the data lies where it can be overwritten.
void Models::check_data(const std::string& account, const Json& package) const {
  const Json& evidence = base::object_or_empty(package, "Evidence");
  if (base::array_or_empty(evidence, "ModelData").empty()) return;
  Sources sources = sources_of(account);
  sources.image = [](const std::string&) { return std::nullopt; };
  const Json now = material_of(base::object_or_empty(package, "InferenceSpecification"), sources);
  const std::vector<std::string> changes = changes_of({{"ModelData", evidence["ModelData"]}}, now);
  if (changes.empty()) return;
  throw Error("ValidationException",
              "The model package " + base::text_or(package, "ModelPackageArn") +
                  " cannot be served, because it is not what was registered: " +
                  base::join(changes, "; ") + ". Register a new version.");
}

std::vector<std::string> Models::packages_of(const std::string& account,
                                             const std::string& model_name) const {
  const auto model = database_.read(
      [&](store::Reader& reader) { return store::find(reader, account, kModelKind, model_name); });
  std::vector<std::string> arns;
  if (!model) return arns;
  for (const Json& definition : container_definitions(model->document)) {
    const std::string name = base::text_or(definition, "ModelPackageName");
    if (!name.empty()) arns.push_back(package_arn(region_, account, package_id(name)));
  }
  return arns;
}

void Models::compare_with(ServedModels served) { served_ = std::move(served); }

Json Models::create_model(const wire::Caller& caller, const Json& input) {
  store::Resource model;
  model.account = caller.account;
  model.kind = kModelKind;
  model.name = base::text_or(input, "ModelName");
  model.created = model.modified = clock_.now();
  const std::string arn = model_arn(region_, caller.account, model.name);
  model.document = model_document(input, arn, model.created);
  const std::vector<Json> packages = database_.read([&](store::Reader& reader) {
    std::vector<Json> found;
    for (const Json& definition : container_definitions(model.document))
      if (auto package = named_package(reader, model.account, definition))
        found.push_back(std::move(*package));
    return found;
  });
  for (const Json& package : packages)
    if (may_be_served(package)) check_data(model.account, package);
  database_.write([&](store::Transaction& transaction) {
    if (store::find(transaction, model.account, kModelKind, model.name)) {
      throw Error("ValidationException", "Cannot create already existing model \"" + arn + "\".");
    }
    check_packages(transaction, model.account, model.document);
    store::create(transaction, model);
    store::set_tags(transaction, arn, tags_in(input));
  });
  return {{"ModelArn", arn}};
}

Json Models::describe_model(const std::string& account, const Json& input) const {
  const std::string name = base::name_of(base::text_or(input, "ModelName"));
  const auto model = database_.read(
      [&](store::Reader& reader) { return store::find(reader, account, kModelKind, name); });
  if (!model) refuse_unknown_model(model_arn(region_, account, name));
  return model->document;
}

void Models::delete_model(const std::string& account, const Json& input) {
  const std::string name = base::name_of(base::text_or(input, "ModelName"));
  const std::string arn = model_arn(region_, account, name);
  database_.write([&](store::Transaction& transaction) {
    if (!store::remove(transaction, account, kModelKind, name)) refuse_unknown_model(arn);
    store::remove_all_tags(transaction, arn);
  });
}

Json Models::list_models(const std::string& account, const Json& input) const {
  const store::ListQuery query = list_query(account, kModelKind, input, store::Order::kDescending);
  const store::Page page =
      database_.read([&](store::Reader& reader) { return store::list(reader, query); });
  return list_answer(page, "Models", {"ModelName", "ModelArn", "CreationTime"});
}

}  // namespace slipway::models
