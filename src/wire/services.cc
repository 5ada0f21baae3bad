#include "wire/services.h"

#include <algorithm>

#include "base/error.h"
#include "base/strings.h"
#include "wire/sigv2.h"

namespace slipway::wire {
namespace {

bool is_rest(const ServiceModel& model) {
  return model.protocol() == Protocol::kRestJson || model.protocol() == Protocol::kRestXml;
}

bool is_form(const net::RequestHead& head) {
  return base::lower(head.headers.get("content-type"))
      .starts_with("application/x-www-form-urlencoded");
}

std::string parameter(std::string_view form, std::string_view query, std::string_view name) {
  for (const std::string_view text : {form, query})
    for (auto& [key, value] : base::parse_query(text))
      if (key == name) return value;
  return {};
}

// Without the port; lower-case.
std::string host_of(const net::RequestHead& head) {
  std::string host = base::lower(head.headers.get("host"));
  if (host.starts_with('[')) return host;
  return host.substr(0, host.find(':'));
}

bool is_address(std::string_view host) {
  return host.starts_with('[') || host.find_first_not_of("0123456789.") == std::string_view::npos;
}

// The bucket in "<bucket>.s3.<region>.amazonaws.com", for servers behind that name.
std::string_view bucket_before_s3(std::string_view host) {
  if (!host.ends_with(".amazonaws.com")) return {};
  std::size_t at = host.rfind(".s3.");
  if (at == std::string_view::npos) at = host.rfind(".s3-");
  return at == std::string_view::npos ? std::string_view() : host.substr(0, at);
}

std::string_view bucket_in(std::string_view host, const std::vector<std::string>& hosts) {
  for (const std::string& own : hosts)
    if (host.size() > own.size() + 1 && host.ends_with(own) &&
        host[host.size() - own.size() - 1] == '.')
      return host.substr(0, host.size() - own.size() - 1);
  constexpr std::string_view kLocal = ".localhost";
  if (host.ends_with(kLocal)) {
    const std::string_view before = host.substr(0, host.size() - kLocal.size());
    const std::size_t dot = before.rfind('.');
    return dot == std::string_view::npos ? std::string_view() : before.substr(0, dot);
  }
  return bucket_before_s3(host);
}

}  // namespace

std::string s3_path(const net::RequestHead& head, const std::vector<std::string>& hosts) {
  std::string path(head.path());
  const std::string host = host_of(head);
  if (host.empty() || is_address(host)) return path;
  for (const std::string& own : hosts)
    if (host == own) return path;
  const std::string_view bucket = bucket_in(host, hosts);
  if (bucket.empty()) return path;
  return "/" + std::string(bucket) + (path.starts_with('/') ? "" : "/") + path;
}

void Services::add(std::string_view name, std::string_view operation, Operation run) {
  Service* service = nullptr;
  for (const auto& known : services_)
    if (known->model.name() == name) service = known.get();
  if (!service) {
    const std::string_view text = embedded_model(name);
    if (text.empty()) base::throw_internal("no model of " + std::string(name) + " is embedded");
    service = services_.emplace_back(std::make_unique<Service>(std::string(name), text)).get();
    if (is_rest(service->model))
      for (const OperationModel* each : service->model.operations())
        service->router.add(*each, false);
  }
  const OperationModel* found = service->model.operation(operation);
  if (!found || !found->embedded)
    base::throw_internal("the embedded model of " + std::string(name) + " lacks " +
                         std::string(operation));
  service->handlers.insert_or_assign(found->name, std::move(run));
  if (is_rest(service->model)) service->router.add(*found, true);
}

const Service* Services::by_target(std::string_view target) const {
  const std::string_view prefix = target.substr(0, target.rfind('.'));
  for (const auto& service : services_)
    if (!service->model.target_prefix().empty() && service->model.target_prefix() == prefix)
      return service.get();
  return nullptr;
}

Target Services::find_service(const net::RequestHead& head, std::string_view signing_name) const {
  Target target;
  if (const auto name = head.headers.find("x-amz-target")) {
    target.dialect = Dialect::kJson;
    target.service = by_target(*name);
    return target;
  }
  const bool form = is_form(head) || head.query().find("Action=") != std::string_view::npos;
  if (signing_name.empty() && (!form || is_sigv2_url(head))) signing_name = "s3";
  target.asked_for = signing_name;
  target.dialect = signing_name == "s3" ? Dialect::kS3
                   : form               ? Dialect::kQuery
                                        : Dialect::kRestJson;
  for (const auto& service : services_) {
    const ServiceModel& model = service->model;
    if (model.signing_name() != signing_name) continue;
    // What speaks JSON has a target, so that leaves its siblings of the same signing name.
    if (model.protocol() == Protocol::kJson) continue;
    target.service = service.get();
    target.dialect = dialect_of(model);
    return target;
  }
  return target;
}

void Services::find_operation(const net::RequestHead& head, std::string_view form,
                              Target& target) const {
  const std::string wanted(head.headers.get("x-amz-target"));
  if (!target.service) {
    std::string operation = wanted.empty() ? parameter(form, head.query(), "Action") : wanted;
    if (operation.empty()) operation = head.method + " " + std::string(head.path());
    throw unserved_operation(target.dialect,
                             target.asked_for.empty() ? "an unknown service" : target.asked_for,
                             operation);
  }
  const Service& service = *target.service;
  const std::string& name = service.model.name();
  std::string told;
  if (is_rest(service.model)) {
    const std::string path = name == "s3" ? s3_path(head, hosts_) : std::string(head.path());
    if (auto match = service.router.match(head, path)) {
      target.operation = match->operation;
      target.labels = std::move(match->labels);
    }
  } else if (service.model.protocol() == Protocol::kQuery) {
    told = parameter(form, head.query(), "Action");
    target.operation = service.model.operation(told);
  } else {
    told = wanted.substr(wanted.rfind('.') + 1);
    target.operation = service.model.operation(told);
  }
  if (!target.operation) throw unknown_operation(target.dialect, name, told);
  if (!service.handlers.contains(target.operation->name))
    throw unserved_operation(target.dialect, name, target.operation->name);
}

}  // namespace slipway::wire
