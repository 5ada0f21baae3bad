// Model package groups.

#include "base/error.h"
#include "base/ids.h"
#include "models/decide.h"
#include "models/models.h"
#include "models/requests.h"
#include "store/resources.h"

namespace slipway::models {
namespace {

[[noreturn]] void refuse_unknown_group(const std::string& arn) {
  throw Error("ValidationException", "Model Package Group " + arn + " does not exist.");
}

}  // namespace

Json Models::create_group(const wire::Caller& caller, const Json& input) {
  store::Resource group;
  group.account = caller.account;
  group.kind = kGroupKind;
  group.name = base::text_or(input, "ModelPackageGroupName");
  group.status = "Completed";
  group.created = group.modified = clock_.now();
  const std::string arn = group_arn(region_, caller.account, group.name);
  group.document = input;
  group.document.erase("Tags");
  group.document["ModelPackageGroupArn"] = arn;
  group.document["ModelPackageGroupStatus"] = group.status;
  group.document["CreationTime"] = base::epoch_seconds(group.created);
  group.document["CreatedBy"] = user_context(caller);
  database_.write([&](store::Transaction& transaction) {
    if (store::find(transaction, group.account, kGroupKind, group.name)) {
      throw Error("ValidationException", "Model Package Group already exists: " + arn);
    }
    store::create(transaction, group);
    store::set_tags(transaction, arn, tags_in(input));
  });
  return {{"ModelPackageGroupArn", arn}};
}

Json Models::describe_group(const std::string& account, const Json& input) const {
  const std::string name = base::name_of(base::text_or(input, "ModelPackageGroupName"));
  const auto group = database_.read(
      [&](store::Reader& reader) { return store::find(reader, account, kGroupKind, name); });
  if (!group) refuse_unknown_group(group_arn(region_, account, name));
  return group->document;
}

void Models::delete_group(const std::string& account, const Json& input) {
  const std::string name = base::name_of(base::text_or(input, "ModelPackageGroupName"));
  const std::string arn = group_arn(region_, account, name);
  store::ListQuery members;
  members.account = account;
  members.kind = kPackageKind;
  members.parent = name;
  members.limit = 1;
  database_.write([&](store::Transaction& transaction) {
    if (!store::find(transaction, account, kGroupKind, name)) refuse_unknown_group(arn);
    if (!store::list(transaction, members).items.empty()) {
      throw Error("ConflictException", "Model Package Group " + arn +
                                           " still contains model packages. Delete them first.");
    }
    store::remove(transaction, account, kGroupKind, name);
    store::remove_all_tags(transaction, arn);
  });
}

Json Models::list_groups(const std::string& account, const Json& input) const {
  const store::ListQuery query = list_query(account, kGroupKind, input, store::Order::kAscending);
  const store::Page page =
      database_.read([&](store::Reader& reader) { return store::list(reader, query); });
  return list_answer(
      page, "ModelPackageGroupSummaryList",
      {"ModelPackageGroupName", "ModelPackageGroupArn", "ModelPackageGroupDescription",
       "CreationTime", "ModelPackageGroupStatus", "ManagedConfiguration"});
}

}  // namespace slipway::models
