#include "wire/api.h"

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "wire/checksums.h"
#include "wire/chunked_payload.h"
#include "wire/codec.h"
#include "wire/services.h"
#include "wire/sigv2.h"
#include "wire/sigv4.h"
#include "wire/sigv4_keys.h"
#include "wire/validation.h"

namespace slipway::wire {
namespace {

// The largest body, in bytes, that is taken before its sender is verified: the JSON protocols
// sign the body itself, so it has to be read first.
constexpr std::int64_t kUnverifiedBody = 64 << 20;

// What an answer says besides the operation's output.
struct Exchange {
  const net::RequestHead& head;
  Target target;
  std::string request_id;
  std::string host_id;
};

Exchange begin(const net::RequestHead& head) { return {head, {}, base::uuid(), {}}; }

void name_ids(Exchange& exchange) {
  if (exchange.target.dialect != Dialect::kS3) return;
  exchange.request_id = base::upper(base::random_hex(16));
  exchange.host_id = base::base64(base::random_bytes(48));
}

net::Response finish(const Exchange& exchange, net::Response response) {
  if (exchange.target.dialect == Dialect::kS3) {
    response.headers.set("x-amz-request-id", exchange.request_id);
    response.headers.set("x-amz-id-2", exchange.host_id);
  } else {
    response.headers.set("x-amzn-RequestId", exchange.request_id);
  }
  if (exchange.head.method == "HEAD") response.body = std::string();
  return response;
}

const Codec& codec_for(const Target& target) {
  if (target.service) return codec_of(target.service->model.protocol());
  switch (target.dialect) {
    case Dialect::kJson:
      return json_codec();
    case Dialect::kQuery:
      return query_codec();
    case Dialect::kRestJson:
      return rest_json_codec();
    case Dialect::kS3:
      return rest_xml_codec();
  }
  return rest_xml_codec();
}

net::Response refuse(const Exchange& exchange, const Error& error) {
  const Target& target = exchange.target;
  Failure failure;
  failure.code = error.code();
  failure.message = error.message();
  failure.status = error.status();
  failure.detail = error.detail();
  failure.request_id = exchange.request_id;
  failure.host_id = exchange.host_id;
  failure.resource = exchange.head.path();
  const ServiceModel* model = target.service ? &target.service->model : nullptr;
  if (model && target.operation) failure.shape = model->exception(*target.operation, failure.code);
  if (failure.shape && failure.shape->error_status) failure.status = *failure.shape->error_status;
  net::Response response = codec_for(target).refuse(model, failure);
  if (model && model->query_compatible() &&
      exchange.head.headers.get("x-amzn-query-mode") == "true") {
    const bool has_code = failure.shape && !failure.shape->error_code.empty();
    response.headers.add("x-amzn-query-error",
                         (has_code ? failure.shape->error_code : failure.code) +
                             (failure.status < 500 ? ";Sender" : ";Receiver"));
  }
  return finish(exchange, std::move(response));
}

net::Response refuse_defect(const Exchange& exchange, const char* what) {
  const Target& target = exchange.target;
  log(Level::kError, "an operation failed by a defect",
      {{"service", target.service ? target.service->model.name() : std::string("-")},
       {"operation", target.operation ? target.operation->name : std::string("-")},
       {"request", exchange.request_id},
       {"error", std::string(what)}});
  return refuse(exchange, internal_failure(target.dialect));
}

bool is_internal(const Error& error) {
  return error.status() >= 500 &&
         (error.code() == "InternalError" || error.code() == "InternalFailure");
}

// "aws-chunked, gzip" without the first.
std::string without_chunking(std::string_view encoding) {
  std::vector<std::string> kept;
  for (const std::string& part : base::split(encoding, ',')) {
    const std::string name(base::trim(part));
    if (!name.empty() && !base::equals_ignoring_case(name, "aws-chunked")) kept.push_back(name);
  }
  return base::join(kept, ",");
}

// The head as the operation is meant to see it: the transfer's framing is none of its business.
net::RequestHead unframed(const net::RequestHead& head, const net::Body& payload) {
  net::RequestHead result = head;
  const std::string encoding = without_chunking(head.headers.get("content-encoding"));
  result.headers.remove("content-encoding");
  if (!encoding.empty()) result.headers.add("Content-Encoding", encoding);
  result.headers.set("Content-Length", std::to_string(payload.size()));
  return result;
}

}  // namespace

std::string Call::text(std::string_view member) const { return base::text_or(input, member); }

struct Api::State {
  const Credentials& credentials;
  const base::Clock& clock;
  const std::string region;
  Services services;
  store::Spool* spool = nullptr;
  std::function<void(const Call&)> authorize;
  mutable SigningKeyCache keys;

  Verified verify_request(const net::Request& request, Dialect dialect) const {
    if (dialect == Dialect::kS3 && is_sigv2_url(request))
      return verify_sigv2_url(request, s3_path(request, services.hosts()), credentials,
                              clock.now());
    const auto claim = claim_of(request);
    const bool digest_counts =
        !claim || claim->payload_sha256.empty() || is_hex_digest(claim->payload_sha256);
    return verify(request, credentials, clock.now(),
                  digest_counts ? request.body.sha256() : std::string(), &keys);
  }

  net::Response run(const net::Request& request, Exchange& exchange) const;
  Reply run_operation(Call& call, const Target& target) const;
};

Api::Api(const Credentials& credentials, const base::Clock& clock, std::string region)
    : state_(new State{credentials, clock, std::move(region), {}, nullptr, {}, SigningKeyCache()}) {
}
Api::~Api() = default;

void Api::on(std::string_view service, std::string_view operation, Operation run) {
  state_->services.add(service, operation, std::move(run));
}

void Api::authorize_by(std::function<void(const Call&)> check) {
  state_->authorize = std::move(check);
}

void Api::spool_into(store::Spool& spool) { state_->spool = &spool; }

void Api::serve_host(std::string host) { state_->services.serve_host(base::lower(host)); }

bool Api::takes(const net::RequestHead& head) const {
  const std::string_view authorization = head.headers.get("authorization");
  if (authorization.starts_with("AWS4-") || authorization.starts_with("AWS ")) return true;
  if (head.headers.has("x-amz-target")) return true;
  const std::string_view query = head.query();
  for (const std::string_view mark :
       {"X-Amz-Algorithm=", "X-Amz-Credential=", "X-Amz-Signature=", "AWSAccessKeyId="})
    if (query.find(mark) != std::string_view::npos) return true;
  if (head.path() != "/") return false;
  return query.starts_with("Action=") || query.find("&Action=") != std::string_view::npos ||
         (head.method == "POST" && base::lower(head.headers.get("content-type"))
                                       .starts_with("application/x-www-form-urlencoded"));
}

std::optional<net::Response> Api::admit(const net::RequestHead& head) const {
  Exchange exchange = begin(head);
  try {
    std::optional<Claim> claim;
    try {
      claim = claim_of(head);
    } catch (const Error&) {
      // check_head() below says what is wrong with it.
    }
    exchange.target = state_->services.find_service(head, claim ? claim->service : "");
    name_ids(exchange);
    if (exchange.target.dialect == Dialect::kS3 && is_sigv2_url(head)) {
      try {
        verify_sigv2_url(head, s3_path(head, state_->services.hosts()), state_->credentials,
                         state_->clock.now());
        return std::nullopt;
      } catch (const Error& error) {
        throw in_dialect(Dialect::kS3, error);
      }
    }
    const Refusal refusal = check_head(head, state_->credentials, state_->clock.now());
    if (refusal != Refusal::kNone)
      return refuse(exchange, in_dialect(exchange.target.dialect,
                                         Error(std::string(code_of(refusal)),
                                               std::string(message_of(refusal)), 403)));
    if (claim && claim->payload_sha256.empty()) {
      const auto length = base::parse_integer(head.headers.get("content-length"));
      if (!length)
        return refuse(exchange, Error("MissingContentLength",
                                      "You must provide the Content-Length HTTP header.", 411));
      if (*length > kUnverifiedBody)
        return refuse(
            exchange,
            Error("RequestEntityTooLarge",
                  "The body is larger than " + std::to_string(kUnverifiedBody) + " bytes", 413));
    }
    return std::nullopt;
  } catch (const Error& error) {
    return refuse(exchange, error);
  } catch (const std::exception& error) {
    return refuse_defect(exchange, error.what());
  }
}

net::Response Api::handle(net::Request request) const {
  Exchange exchange = begin(request);
  try {
    return state_->run(request, exchange);
  } catch (const Error& error) {
    if (is_internal(error)) return refuse_defect(exchange, error.what());
    return refuse(exchange, error);
  } catch (const std::exception& error) {
    return refuse_defect(exchange, error.what());
  }
}

net::Response Api::State::run(const net::Request& request, Exchange& exchange) const {
  Target& target = exchange.target;
  std::optional<Claim> claim;
  std::optional<Error> broken;
  try {
    claim = claim_of(request);
  } catch (const Error& error) {
    broken = error;
  }
  target = services.find_service(request, claim ? claim->service : "");
  name_ids(exchange);
  if (broken) throw in_dialect(target.dialect, *broken);
  Verified verified;
  try {
    verified = verify_request(request, target.dialect);
  } catch (const Error& error) {
    throw in_dialect(target.dialect, error);
  }

  const bool is_query = target.dialect == Dialect::kQuery;
  services.find_operation(request, is_query ? request.body.text() : std::string(), target);
  const ServiceModel& model = target.service->model;
  const OperationModel& operation = *target.operation;

  ChunkedPayload payload{request.body, {}};
  net::RequestHead head = request;
  if (const auto promise = chunk_promise(verified, request.headers)) {
    payload = decode_chunks(request.body, *promise, spool);
    head = unframed(request, payload.body);
  }
  std::map<std::string, std::string> checksums;
  if (target.dialect == Dialect::kS3 &&
      (!operation.checksum_member.empty() || operation.checksum_required ||
       request.headers.has("content-md5")))
    checksums = verify_checksums(
        request.headers, payload.trailers, payload.body,
        operation.checksum_required ? ChecksumNeed::kRequired : ChecksumNeed::kOptional);

  const Codec& codec = codec_of(model.protocol());
  Json input;
  try {
    input = codec.decode(model, operation, {head, payload.body, target.labels});
  } catch (const Error& error) {
    throw serialization_failure(target.dialect, error);
  }
  if (const Shape* shape = model.shape(operation.input_shape)) {
    const auto strictness =
        target.dialect == Dialect::kS3 ? Strictness::kRequired : Strictness::kAll;
    if (const auto violations = find_violations(*shape, input, strictness))
      throw validation_failure(model, *violations);
  }

  Call call{verified.caller, verified.claim.region,   exchange.request_id,
            model.name(),    operation.name,          std::move(input),
            request,         std::move(payload.body), std::move(checksums)};
  Reply reply = run_operation(call, target);
  net::Response response = codec.encode(model, operation, reply, exchange.request_id);
  for (const auto& [name, value] : reply.headers) response.headers.set(name, value);
  if (reply.content_length) response.content_length = reply.content_length;
  return finish(exchange, std::move(response));
}

Reply Api::State::run_operation(Call& call, const Target& target) const {
  if (authorize) {
    try {
      authorize(call);
    } catch (const Error& error) {
      throw in_dialect(target.dialect, error);
    }
  }
  return target.service->handlers.at(target.operation->name)(call);
}

}  // namespace slipway::wire
