// Where the code of Create- and UpdateFunctionCode comes from: the request, a bucket, the registry.

#include <filesystem>

#include "base/error.h"
#include "base/ids.h"
#include "base/strings.h"
#include "functions/functions_state.h"

namespace slipway::functions {
namespace {

[[noreturn]] void refuse(const std::string& message) {
  throw Error("InvalidParameterValueException", message);
}

Json document_of(const Archive& archive) {
  return {{"Sha256", archive.sha256}, {"Size", archive.size}};
}

Json take_image(const images::Images& images, const std::string& account, const std::string& uri) {
  try {
    const images::ResolvedImage image = images.resolve(account, uri);
    if (image.digest == "host") refuse("The image \"host\" holds no function.");
    return {{"ImageUri", uri}, {"ResolvedImageUri", image.uri}, {"Digest", image.digest}};
  } catch (const Error& error) {
    if (error.code() != "ValidationException") throw;
    refuse(std::string("Source image ") + uri + " does not exist. " + error.what());
  }
}

// A file in the spool that goes when the code store has not taken it over.
class Upload {
 public:
  explicit Upload(store::Spool& spool)
      : path_(spool.directory() / ("lambda-" + base::random_hex(24))) {}
  ~Upload() {
    std::error_code error;
    std::filesystem::remove(path_, error);
  }
  Upload(const Upload&) = delete;
  Upload& operator=(const Upload&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  const std::filesystem::path path_;
};

Archive take_bytes(CodeStore& code, store::Spool& spool, const std::string& text) {
  const auto zip = base::from_base64(text);
  if (!zip) refuse("Could not unzip uploaded file: it is not base64.");
  if (zip->size() > kLargestZip) {
    throw Error("RequestTooLargeException",
                "The zip file of the request is larger than " + std::to_string(kLargestZip) +
                    " bytes; put it into a bucket and name it by S3Bucket and S3Key.",
                413, {{"Type", "User"}});
  }
  const store::Spool::File file = spool.create();
  store::system_disk().write(file.descriptor(), *zip);
  return code.add(file.path());
}

Archive take_object(CodeStore& code, store::Spool& spool, const objects::Objects& objects,
                    const std::string& account, const Json& request) {
  if (request.contains("S3ObjectVersion"))
    refuse("S3ObjectVersion is not supported by this server.");
  const std::string bucket = base::text_or(request, "S3Bucket");
  const std::string key = base::text_or(request, "S3Key");
  const Upload upload(spool);
  try {
    const auto object = objects.find(account, bucket, key);
    if (object && object->size > kLargestUnpacked) {
      refuse("Unzipped size must be smaller than " + std::to_string(kLargestUnpacked) + " bytes");
    }
    objects.download(account, bucket, key, upload.path());
  } catch (const Error& error) {
    if (!error.code().starts_with("NoSuch")) throw;
    refuse("Error occurred while GetObject. S3 Error Code: " + error.code() +
           ". S3 Error Message: " + error.what());
  }
  return code.add(upload.path());
}

}  // namespace

Json Room::take_code(const std::string& account, const Json& request) {
  if (request.contains("ImageUri")) {
    return take_image(images, account, base::text_or(request, "ImageUri"));
  }
  if (request.contains("ZipFile")) {
    return document_of(take_bytes(code, spool, base::text_or(request, "ZipFile")));
  }
  if (request.contains("S3Bucket") && request.contains("S3Key")) {
    return document_of(take_object(code, spool, objects, account, request));
  }
  refuse("Please provide a source for function code: ZipFile, S3Bucket and S3Key, or ImageUri.");
}

}  // namespace slipway::functions
