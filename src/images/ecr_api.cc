#include "images/ecr_parts.h"

namespace slipway::images {
namespace {

constexpr std::int64_t kDefaultPage = 100;
constexpr base::Millis kTokenLifetime = 12 * 3'600'000;

wire::Reply get_authorization_token(const EcrContext& context, const wire::Call& call) {
  const base::Millis expires = context.state.clock.now() + kTokenLifetime;
  const std::string password = context.iam.registry_password(call.caller, expires);
  return Json{
      {"authorizationData", Json::array({{{"authorizationToken", base::base64("AWS:" + password)},
                                          {"expiresAt", base::epoch_seconds(expires)},
                                          {"proxyEndpoint", context.registry_url}}})}};
}

}  // namespace

RepositoryKey EcrContext::key_of(const wire::Call& call) const {
  const std::string registry = call.text("registryId");
  RepositoryKey key{call.caller.account, call.text("repositoryName")};
  // Another account's registry gives nothing away, not even what it has.
  if (!registry.empty() && registry != key.account) throw_repository_missing({registry, key.name});
  return key;
}

std::string EcrContext::arn_of(const RepositoryKey& key) const {
  return "arn:aws:ecr:" + state.options.region + ":" + key.account + ":repository/" + key.name;
}

std::string EcrContext::registry_host() const {
  const std::size_t scheme = registry_url.find("://");
  return scheme == std::string::npos ? registry_url : registry_url.substr(scheme + 3);
}

void throw_repository_missing(const RepositoryKey& key) {
  throw Error("RepositoryNotFoundException", "The repository with name '" + key.name +
                                                 "' does not exist in the registry with id '" +
                                                 key.account + "'");
}

Repository get_repository(store::Reader& reader, const RepositoryKey& key) {
  auto repository = find_repository(reader, key);
  if (!repository) throw_repository_missing(key);
  return *repository;
}

std::vector<Json> page_by_key(std::vector<std::pair<std::string, Json>> items,
                              const wire::Call& call, std::string& next) {
  std::sort(items.begin(), items.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  const auto size = static_cast<std::size_t>(
      std::max<std::int64_t>(1, base::integer_or(call.input, "maxResults", kDefaultPage)));
  std::string after;
  if (call.has("nextToken")) {
    const auto decoded = base::from_base64(call.text("nextToken"));
    if (!decoded) {
      throw Error("InvalidParameterException",
                  "Invalid parameter at 'nextToken' failed to satisfy constraint: 'Invalid next "
                  "token.'");
    }
    after = *decoded;
  }
  std::vector<Json> page;
  std::string last;
  for (auto& [key, value] : items) {
    if (key <= after) continue;
    if (page.size() == size) {
      next = base::base64(last);
      break;
    }
    last = key;
    page.push_back(std::move(value));
  }
  return page;
}

void register_ecr_api(wire::Api& api, Images& images, const iam::Iam& iam,
                      std::string registry_url) {
  const EcrContext context{images.state(), iam, std::move(registry_url)};
  api.on("ecr", "GetAuthorizationToken",
         [context](wire::Call& call) { return get_authorization_token(context, call); });
  register_ecr_repositories(api, context);
  register_ecr_images(api, context);
  register_ecr_layers(api, context);
}

}  // namespace slipway::images
