// Tags of any SageMaker resource.

#include "base/error.h"
#include "base/ids.h"
#include "models/decide.h"
#include "models/models.h"
#include "models/requests.h"
#include "store/resources.h"

namespace slipway::models {
namespace {

constexpr std::size_t kMostTags = 50;

// Checks the account, and the existence of what this room keeps itself; other rooms' resources
// may be tagged before they are made and after they are gone.
std::string checked_arn(store::Reader& reader, const std::string& account, const Json& input) {
  const std::string text = base::text_or(input, "ResourceArn");
  const auto arn = base::parse_arn(text);
  if (!arn || arn->service != "sagemaker" || arn->account != account) {
    throw Error("ValidationException", "The resource " + text + " does not exist.");
  }
  const std::size_t slash = arn->resource.find('/');
  const std::string kind = arn->resource.substr(0, slash);
  if (kind != kModelKind && kind != kGroupKind && kind != kPackageKind) return text;
  const std::string name =
      kind == kPackageKind ? package_id(text).resource_name() : arn->resource.substr(slash + 1);
  if (!store::find(reader, account, kind, name)) {
    throw Error("ValidationException", "The resource " + text + " does not exist.");
  }
  return text;
}

}  // namespace

Json Models::add_tags(const std::string& account, const Json& input) {
  const store::Tags tags = database_.write([&](store::Transaction& transaction) {
    const std::string arn = checked_arn(transaction, account, input);
    store::set_tags(transaction, arn, tags_in(input));
    store::Tags all = store::tags_of(transaction, arn);
    if (all.size() > kMostTags) {
      throw Error("ResourceLimitExceeded", "A resource has at most " + std::to_string(kMostTags) +
                                               " tags; " + arn + " would have " +
                                               std::to_string(all.size()) + ".");
    }
    return all;
  });
  return {{"Tags", tag_list(tags)}};
}

Json Models::list_tags(const std::string& account, const Json& input) const {
  return database_.read([&](store::Reader& reader) {
    const std::string arn = checked_arn(reader, account, input);
    return Json{{"Tags", tag_list(store::tags_of(reader, arn))}};
  });
}

void Models::delete_tags(const std::string& account, const Json& input) {
  std::vector<std::string> keys;
  for (const Json& key : base::array_or_empty(input, "TagKeys")) {
    keys.push_back(key.get<std::string>());
  }
  database_.write([&](store::Transaction& transaction) {
    store::remove_tags(transaction, checked_arn(transaction, account, input), keys);
  });
}

}  // namespace slipway::models
