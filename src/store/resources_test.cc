#include "store/resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/strings.h"

namespace slipway::store {
namespace {

using testing::ElementsAre;

constexpr const char* kAccount = "123456789012";

class Resources : public testing::Test {
 protected:
  void SetUp() override {
    database_ = Database::in_memory_for_test();
    migrate_resources(*database_);
  }

  Resource make(const std::string& name, base::Millis created = 0) {
    Resource resource;
    resource.account = kAccount;
    resource.kind = "model";
    resource.name = name;
    resource.status = "InService";
    resource.created = created;
    resource.modified = created;
    resource.document = {{"ModelName", name}};
    return resource;
  }
  void add(const Resource& resource) {
    database_->write([&](Transaction& transaction) { create(transaction, resource); });
  }
  std::optional<Resource> get(const std::string& name) {
    return database_->read([&](Reader& reader) { return find(reader, kAccount, "model", name); });
  }
  ListQuery everything() {
    ListQuery query;
    query.account = kAccount;
    query.kind = "model";
    return query;
  }
  Page page(const ListQuery& query) {
    return database_->read([&](Reader& reader) { return list(reader, query); });
  }
  std::vector<std::string> names(const ListQuery& query) {
    std::vector<std::string> found;
    const Page listed = page(query);
    for (const Resource& item : listed.items) found.push_back(item.name);
    return found;
  }
  // All pages, one after the other.
  std::vector<std::string> all_names(ListQuery query) {
    std::vector<std::string> found;
    do {
      const Page next = page(query);
      EXPECT_LE(next.items.size(), static_cast<std::size_t>(query.limit));
      for (const Resource& item : next.items) found.push_back(item.name);
      query.next_token = next.next_token;
    } while (!query.next_token.empty());
    return found;
  }
  Tags tags(const std::string& arn) {
    return database_->read([&](Reader& reader) { return tags_of(reader, arn); });
  }

  std::unique_ptr<Database> database_;
};

TEST_F(Resources, ComeBackAsTheyWereCreated) {
  Resource resource = make("a", 5);
  resource.parent = "group";
  add(resource);

  const auto found = get("a");

  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->parent, "group");
  EXPECT_EQ(found->status, "InService");
  EXPECT_EQ(found->created, 5);
  EXPECT_EQ(found->version, 1);
  EXPECT_EQ(found->document, resource.document);
  EXPECT_FALSE(get("b").has_value());
}

TEST_F(Resources, RefuseANameThatIsTaken) {
  add(make("a"));

  try {
    add(make("a"));
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "AlreadyExists");
  }
  Resource other_kind = make("a");
  other_kind.kind = "endpoint";
  EXPECT_NO_THROW(add(other_kind));
}

TEST_F(Resources, UpdateRaisesTheVersion) {
  add(make("a"));
  Resource resource = *get("a");
  resource.status = "Deleting";
  resource.document["More"] = 1;
  resource.modified = 9;

  database_->write([&](Transaction& transaction) { update(transaction, resource); });

  EXPECT_EQ(resource.version, 2);
  const auto found = get("a");
  EXPECT_EQ(found->version, 2);
  EXPECT_EQ(found->status, "Deleting");
  EXPECT_EQ(found->modified, 9);
  EXPECT_EQ(found->document["More"], 1);
}

TEST_F(Resources, UpdateOfAnOldVersionChangesNothing) {
  add(make("a"));
  Resource first = *get("a");
  Resource second = *get("a");
  database_->write([&](Transaction& transaction) { update(transaction, first); });
  second.status = "Deleting";

  try {
    database_->write([&](Transaction& transaction) { update(transaction, second); });
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), "ConflictException");
    EXPECT_EQ(error.status(), 409);
  }
  EXPECT_EQ(get("a")->status, "InService");
}

TEST_F(Resources, RemoveTakesTheTagsAlong) {
  const std::string arn = "arn:aws:sagemaker:us-east-1:123456789012:model/a";
  const std::string other = "arn:aws:sagemaker:us-east-1:123456789012:model/ab";
  add(make("a"));
  database_->write([&](Transaction& transaction) {
    set_tags(transaction, arn, {{"team", "health"}});
    set_tags(transaction, other, {{"team", "health"}});
  });

  const auto remove_it = [&](Transaction& transaction) {
    return remove(transaction, kAccount, "model", "a");
  };

  EXPECT_TRUE(database_->write(remove_it));
  EXPECT_FALSE(database_->write(remove_it));
  EXPECT_FALSE(get("a").has_value());
  EXPECT_TRUE(tags(arn).empty());
  EXPECT_EQ(tags(other).size(), 1u);
}

TEST_F(Resources, TagsAreAddedReplacedAndRemoved) {
  const std::string arn = "arn:aws:sagemaker:us-east-1:123456789012:model/a";
  database_->write([&](Transaction& transaction) {
    set_tags(transaction, arn, {{"a", "1"}, {"b", "1"}, {"c", "1"}});
    set_tags(transaction, arn, {{"b", "2"}});
    remove_tags(transaction, arn, {"c", "unknown"});
  });

  EXPECT_EQ(tags(arn), (Tags{{"a", "1"}, {"b", "2"}}));

  database_->write([&](Transaction& transaction) { remove_all_tags(transaction, arn); });
  EXPECT_TRUE(tags(arn).empty());
}

TEST_F(Resources, ListIsNewestFirstUnlessAskedOtherwise) {
  add(make("b", 1));
  add(make("a", 2));
  add(make("c", 2));
  ListQuery query = everything();

  EXPECT_THAT(names(query), ElementsAre("c", "a", "b"));
  query.order = Order::kAscending;
  EXPECT_THAT(names(query), ElementsAre("b", "a", "c"));
  query.sort_by = SortBy::kName;
  EXPECT_THAT(names(query), ElementsAre("a", "b", "c"));
}

TEST_F(Resources, ListFiltersByEachField) {
  Resource resource = make("Alpha_1", 10);
  resource.parent = "group";
  resource.status = "Failed";
  resource.modified = 30;
  add(resource);
  add(make("beta", 20));
  ListQuery query = everything();

  query.name_contains = "PHA_";
  EXPECT_THAT(names(query), ElementsAre("Alpha_1"));
  query.name_contains = "_b";  // "_" is no wildcard
  EXPECT_THAT(names(query), ElementsAre());
  query = everything();
  query.parent = "group";
  EXPECT_THAT(names(query), ElementsAre("Alpha_1"));
  query = everything();
  query.parent_contains = "ROU";
  EXPECT_THAT(names(query), ElementsAre("Alpha_1"));
  query = everything();
  query.has_parent = true;
  EXPECT_THAT(names(query), ElementsAre("Alpha_1"));
  query.has_parent = false;
  EXPECT_THAT(names(query), ElementsAre("beta"));
  query = everything();
  query.status = "InService";
  EXPECT_THAT(names(query), ElementsAre("beta"));
  query = everything();
  query.created_after = 10;
  EXPECT_THAT(names(query), ElementsAre("beta"));
  query = everything();
  query.created_before = 20;
  EXPECT_THAT(names(query), ElementsAre("Alpha_1"));
  query = everything();
  query.modified_after = 20;
  EXPECT_THAT(names(query), ElementsAre("Alpha_1"));
  query = everything();
  query.modified_before = 30;
  EXPECT_THAT(names(query), ElementsAre("beta"));
}

TEST_F(Resources, ListKeepsAccountsAndKindsApart) {
  Resource resource = make("a");
  resource.account = "210987654321";
  add(resource);
  resource = make("b");
  resource.kind = "endpoint";
  add(resource);

  EXPECT_THAT(names(everything()), ElementsAre());
}

TEST_F(Resources, PagesHoldEveryItemOnceInOrder) {
  std::vector<std::string> expected;
  for (int i = 10; i < 35; ++i) {
    add(make("m" + std::to_string(i), i / 4));  // several of one instant
    expected.insert(expected.begin(), "m" + std::to_string(i));
  }
  for (const int limit : {1, 4, 24, 25, 100}) {
    ListQuery query = everything();
    query.limit = limit;
    EXPECT_EQ(all_names(query), expected) << "limit " << limit;
  }
}

TEST_F(Resources, EveryOrderCanBePaged) {
  for (int i = 10; i < 20; ++i) {
    Resource resource = make("m" + std::to_string(i), i / 2);
    resource.status = i % 3 == 0 ? "Failed" : "InService";
    add(resource);
  }
  for (const SortBy sort_by :
       {SortBy::kCreationTime, SortBy::kLastModifiedTime, SortBy::kName, SortBy::kStatus}) {
    for (const Order order : {Order::kAscending, Order::kDescending}) {
      ListQuery query = everything();
      query.sort_by = sort_by;
      query.order = order;
      query.limit = 100;
      const std::vector<std::string> at_once = names(query);
      query.limit = 3;
      EXPECT_EQ(all_names(query), at_once);
    }
  }
}

TEST_F(Resources, DocumentsAreFilteredBeforeThePageIsCut) {
  database_->write([&](Transaction& transaction) {
    for (int i = 0; i < 600; ++i) {
      Resource resource = make("m" + std::to_string(i), i);
      resource.document["Nested"] = {{"Approval", i == 3 || i == 590 ? "Approved" : "Pending"}};
      create(transaction, resource);
    }
  });
  ListQuery query = everything();
  query.document_equals = {{"/Nested/Approval", "Approved"}};
  query.limit = 1;

  EXPECT_THAT(all_names(query), ElementsAre("m590", "m3"));
  query.document_equals = {{"/Nested/Absent", "Approved"}};
  EXPECT_THAT(names(query), ElementsAre());
}

TEST_F(Resources, ATokenFitsOnlyItsOwnQuery) {
  for (int i = 0; i < 5; ++i) add(make("m" + std::to_string(i), i));
  ListQuery query = everything();
  query.limit = 2;
  query.next_token = page(query).next_token;
  ASSERT_FALSE(query.next_token.empty());

  query.limit = 4;  // the page's length may change
  EXPECT_NO_THROW(page(query));
  query.order = Order::kAscending;
  EXPECT_THROW(page(query), Error);
  for (const std::string& token :
       {std::string("nonsense"), base::base64("{}"), base::base64("[1]"), base::base64("\"a\"")}) {
    query = everything();
    query.next_token = token;
    EXPECT_THROW(page(query), Error) << token;
  }
}

TEST_F(Resources, WithStatusFindsThemInEveryAccount) {
  Resource resource = make("a", 1);
  resource.status = "InProgress";
  add(resource);
  resource.account = "210987654321";
  resource.status = "Stopping";
  add(resource);
  add(make("done"));

  const std::vector<Resource> found = database_->read([](Reader& reader) {
    return with_status(reader, "model", {"InProgress", "Stopping"});
  });

  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].status, "InProgress");
  EXPECT_EQ(found[1].account, "210987654321");
}

}  // namespace
}  // namespace slipway::store
