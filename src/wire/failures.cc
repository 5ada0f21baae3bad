#include "wire/failures.h"

#include <array>

#include "base/strings.h"

namespace slipway::wire {
namespace {

struct Word {
  std::string_view code;
  int status;
  std::string_view message = {};  // the original where empty
};

struct Translation {
  std::string_view from;
  Word json;
  Word query;
  Word s3;
};

// REST-JSON services name failures as the JSON ones do, and answer all of them with 403.
constexpr std::array<Translation, 9> kTranslations{{
    {"MissingAuthenticationToken",
     {"MissingAuthenticationTokenException", 400},
     {"MissingAuthenticationToken", 403, "Request is missing Authentication Token"},
     {"AccessDenied", 403, "Access Denied"}},
    {"IncompleteSignature",
     {"IncompleteSignatureException", 400},
     {"IncompleteSignature", 400},
     {"AuthorizationHeaderMalformed", 400}},
    {"InvalidClientTokenId",
     {"UnrecognizedClientException", 400},
     {"InvalidClientTokenId", 403},
     {"InvalidAccessKeyId", 403,
      "The AWS Access Key Id you provided does not exist in our records."}},
    {"ExpiredToken",
     {"ExpiredTokenException", 400},
     {"ExpiredToken", 403},
     {"ExpiredToken", 400, "The provided token has expired."}},
    {"RequestTimeTooSkewed",
     {"InvalidSignatureException", 400},
     {"SignatureDoesNotMatch", 403},
     {"RequestTimeTooSkewed", 403,
      "The difference between the request time and the current time is too large."}},
    {"RequestExpired",
     {"InvalidSignatureException", 400},
     {"RequestExpired", 400},
     {"AccessDenied", 403, "Request has expired"}},
    {"SignatureDoesNotMatch",
     {"InvalidSignatureException", 400},
     {"SignatureDoesNotMatch", 403},
     {"SignatureDoesNotMatch", 403,
      "The request signature we calculated does not match the signature you provided. Check your "
      "key and signing method."}},
    {"XAmzContentSHA256Mismatch",
     {"InvalidSignatureException", 400},
     {"SignatureDoesNotMatch", 403},
     {"XAmzContentSHA256Mismatch", 400}},
    {"AccessDenied", {"AccessDeniedException", 400}, {"AccessDenied", 403}, {"AccessDenied", 403}},
}};

}  // namespace

Dialect dialect_of(const ServiceModel& model) noexcept {
  switch (model.protocol()) {
    case Protocol::kJson:
      return Dialect::kJson;
    case Protocol::kQuery:
      return Dialect::kQuery;
    case Protocol::kRestJson:
      return Dialect::kRestJson;
    case Protocol::kRestXml:
      return Dialect::kS3;
  }
  return Dialect::kJson;
}

Error in_dialect(Dialect dialect, const Error& refusal) {
  for (const Translation& translation : kTranslations) {
    if (translation.from != refusal.code()) continue;
    const Word& word = dialect == Dialect::kS3      ? translation.s3
                       : dialect == Dialect::kQuery ? translation.query
                                                    : translation.json;
    const int status = dialect == Dialect::kRestJson ? 403 : word.status;
    return Error(std::string(word.code),
                 word.message.empty() ? refusal.message() : std::string(word.message), status);
  }
  return refusal;
}

Error validation_failure(const ServiceModel& model, const std::string& message) {
  if (dialect_of(model) == Dialect::kS3) return Error("InvalidRequest", message);
  if (model.protocol() == Protocol::kQuery) return Error("ValidationError", message);
  if (model.name() == "ecr" || model.name() == "logs")
    return Error("InvalidParameterException", message);
  return Error("ValidationException", message);
}

Error serialization_failure(Dialect dialect, const Error& failure) {
  if (failure.code() != "SerializationException") return failure;
  if (dialect == Dialect::kQuery) return Error("MalformedInput", failure.message());
  if (dialect == Dialect::kS3) return Error("InvalidArgument", failure.message());
  return failure;
}

Error unknown_operation(Dialect dialect, const std::string& service, const std::string& operation) {
  switch (dialect) {
    case Dialect::kQuery:
      return Error("InvalidAction", "Could not find operation " + operation + " of " + service);
    case Dialect::kS3:
      return Error("MethodNotAllowed", "The specified method is not allowed against this resource.",
                   405);
    case Dialect::kRestJson:
      return Error("UnknownOperationException",
                   "No operation of " + service + " has this method and path", 404);
    case Dialect::kJson:
      return Error("UnknownOperationException",
                   "The service " + service + " has no operation " + operation, 404);
  }
  return Error("UnknownOperationException", operation, 404);
}

Error unserved_operation(Dialect dialect, const std::string& service,
                         const std::string& operation) {
  const std::string message = "Slipway does not implement " + operation + " of " + service;
  if (dialect == Dialect::kS3) return Error("NotImplemented", message, 501);
  if (dialect == Dialect::kQuery) return Error("InvalidAction", message, 501);
  return Error("UnknownOperationException", message, 501);
}

Error internal_failure(Dialect dialect) {
  const std::string message = "We encountered an internal error. Please try again.";
  return Error(dialect == Dialect::kS3 ? "InternalError" : "InternalFailure", message, 500);
}

}  // namespace slipway::wire
