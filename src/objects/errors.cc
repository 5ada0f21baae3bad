#include "objects/errors.h"

namespace slipway::objects {

Error no_such_bucket(const std::string& bucket) {
  return Error("NoSuchBucket", "The specified bucket does not exist", 404,
               {{"BucketName", bucket}});
}

Error no_such_key(const std::string& key) {
  return Error("NoSuchKey", "The specified key does not exist.", 404, {{"Key", key}});
}

Error no_such_version(const std::string& key, const std::string& version) {
  return Error("NoSuchVersion", "The specified version does not exist.", 404,
               {{"Key", key}, {"VersionId", version}});
}

Error no_such_upload(const std::string& upload) {
  return Error("NoSuchUpload",
               "The specified upload does not exist. The upload ID may be invalid, or the upload "
               "may have been aborted or completed.",
               404, {{"UploadId", upload}});
}

Error access_denied() { return Error("AccessDenied", "Access Denied", 403); }

Error precondition_failed(const std::string& condition) {
  return Error("PreconditionFailed",
               "At least one of the pre-conditions you specified did not hold", 412,
               {{"Condition", condition}});
}

Error invalid_argument(const std::string& message, const std::string& name,
                       const std::string& value) {
  return Error("InvalidArgument", message, 400, {{"ArgumentName", name}, {"ArgumentValue", value}});
}

Error invalid_request(const std::string& message) { return Error("InvalidRequest", message, 400); }

Error invalid_range(const std::string& range, std::uint64_t size) {
  return Error("InvalidRange", "The requested range is not satisfiable", 416,
               {{"RangeRequested", range}, {"ActualObjectSize", std::to_string(size)}});
}

Error malformed_xml() {
  return Error("MalformedXML",
               "The XML you provided was not well-formed or did not validate against our "
               "published schema",
               400);
}

Error not_implemented(const std::string& what) {
  return Error("NotImplemented", what + " is not implemented.", 501);
}

Error bad_digest(const std::string& algorithm) {
  return Error("BadDigest",
               "The " + algorithm + " you specified did not match the calculated checksum.", 400);
}

}  // namespace slipway::objects
