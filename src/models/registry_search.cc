// Search over the registry.

#include <algorithm>

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "models/decide.h"
#include "models/models.h"
#include "models/requests.h"
#include "models/search.h"
#include "store/resources.h"

namespace slipway::models {
namespace {

// Documents are read one by one.
constexpr std::size_t kMostSearched = 10'000;

struct Searchable {
  const char* kind;
  const char* member;  // the key of a result
  const char* arn;
};

std::optional<Searchable> searchable(const std::string& resource) {
  if (resource == "ModelPackage")
    return Searchable{kPackageKind, "ModelPackage", "ModelPackageArn"};
  if (resource == "ModelPackageGroup") {
    return Searchable{kGroupKind, "ModelPackageGroup", "ModelPackageGroupArn"};
  }
  return std::nullopt;
}

// All documents of a kind with their tags.
std::vector<Json> documents(store::Reader& reader, const std::string& account,
                            const Searchable& what) {
  store::ListQuery query;
  query.account = account;
  query.kind = what.kind;
  query.limit = 1000;
  std::vector<Json> found;
  do {
    store::Page page = store::list(reader, query);
    for (store::Resource& resource : page.items) {
      Json document = described(resource.document);
      const store::Tags tags = store::tags_of(reader, base::text_or(document, what.arn));
      if (!tags.empty()) document["Tags"] = tag_list(tags);
      found.push_back(std::move(document));
    }
    query.next_token = page.next_token;
  } while (!query.next_token.empty() && found.size() < kMostSearched);
  return found;
}

std::string search_fingerprint(const std::string& account, const Json& input) {
  Json query = input;
  query.erase("NextToken");
  query.erase("MaxResults");
  return base::sha256_hex(account + base::dump_json(query)).substr(0, 16);
}

std::size_t offset_in(const std::string& account, const Json& input) {
  const std::string token = base::text_or(input, "NextToken");
  if (token.empty()) return 0;
  const auto text = base::from_base64(token);
  const auto parts = text ? base::split(*text, ':') : std::vector<std::string>{};
  const auto offset = parts.size() == 2 ? base::parse_integer(parts[1]) : std::nullopt;
  if (!offset || *offset < 0 || parts[0] != search_fingerprint(account, input)) {
    throw Error("ValidationException",
                "The NextToken is not valid: it belongs to another query or was changed.");
  }
  return static_cast<std::size_t>(*offset);
}

void sort(std::vector<Json>& found, const Json& input) {
  const std::string member = base::text_or(input, "SortBy", "LastModifiedTime");
  const bool ascending = base::text_or(input, "SortOrder", "Descending") == "Ascending";
  std::stable_sort(found.begin(), found.end(), [&](const Json& a, const Json& b) {
    const int order = compare_by(a, b, member);
    return ascending ? order < 0 : order > 0;
  });
}

}  // namespace

Json Models::search(const std::string& account, const Json& input) const {
  const std::string resource = base::text_or(input, "Resource");
  const auto what = searchable(resource);
  if (!what) {
    throw Error("ValidationException", "Search for the resource " + resource +
                                           " is not supported: ModelPackage and "
                                           "ModelPackageGroup are.");
  }
  const std::size_t offset = offset_in(account, input);
  const auto limit = static_cast<std::size_t>(
      std::clamp<std::int64_t>(base::integer_or(input, "MaxResults", 10), 1, 100));
  std::vector<Json> found =
      database_.read([&](store::Reader& reader) { return documents(reader, account, *what); });
  const Json& expression = base::object_or_empty(input, "SearchExpression");
  std::erase_if(found, [&](const Json& document) { return !matches(document, expression); });
  sort(found, input);
  Json results = Json::array();
  for (std::size_t i = offset; i < found.size() && i < offset + limit; ++i) {
    results.push_back({{what->member, found[i]}});
  }
  Json answer = {{"Results", std::move(results)}};
  if (offset + limit < found.size()) {
    answer["NextToken"] =
        base::base64(search_fingerprint(account, input) + ":" + std::to_string(offset + limit));
  }
  return answer;
}

}  // namespace slipway::models
