#include "objects/s3_api.h"

#include <functional>

#include "base/digest.h"
#include "base/strings.h"
#include "objects/fixture_for_test.h"
#include "wire/sigv4.h"

// The operations as requests, without a network: what stock clients cannot be brought to
// send, and what happens when the disk stops in between. The rest is in tests/integration.

namespace slipway::objects {
namespace {

class OneKey final : public wire::Credentials {
 public:
  std::optional<Key> find(std::string_view access_key) const override {
    if (access_key != "AKIATEST") return std::nullopt;
    return Key{"secret", "", 0, {kAccount, "arn:aws:iam::123456789012:root", kAccount, "AKIATEST"}};
  }
};

struct Answer {
  int status = 0;
  std::string body;
  net::Headers headers;
};

// A server on a data directory.
class S3 {
 public:
  S3(DataDirectory& data, store::Disk& disk)
      : data_(data), objects(data.open(disk)), api_(keys_, data.clock, "us-east-1") {
    register_s3_api(api_, *objects);
  }

  Answer send(const std::string& method, const std::string& target, const std::string& body = "",
              const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    net::Request request;
    request.method = method;
    request.target = target;
    request.headers.add("Host", "127.0.0.1");
    for (const auto& [name, value] : headers) request.headers.add(name, value);
    wire::sign(request, {"AKIATEST", "secret", ""}, "us-east-1", "s3", base::sha256_hex(body),
               data_.clock.now());
    request.body = net::Body(body);
    net::Response response = api_.handle(std::move(request));
    return {response.status, text_of(response.body), response.headers};
  }

  // The text of the first element of a name in an answer.
  static std::string element(const Answer& answer, const std::string& name) {
    const std::size_t begin = answer.body.find("<" + name + ">");
    if (begin == std::string::npos) return "";
    const std::size_t at = begin + name.size() + 2;
    return answer.body.substr(at, answer.body.find('<', at) - at);
  }

 private:
  static std::string text_of(const net::ResponseBody& body) {
    if (auto* text = std::get_if<std::string>(&body)) return *text;
    const auto& slice = std::get<net::FileSlice>(body);
    return store::read_file(slice.path).substr(slice.offset, slice.length);
  }

  DataDirectory& data_;
  OneKey keys_;

 public:
  std::unique_ptr<Objects> objects;

 private:
  wire::Api api_;
};

std::string checksum(base::Algorithm algorithm, const std::string& bytes) {
  return base::base64(base::digest(algorithm, bytes));
}

TEST(S3Api, KeepsEveryChecksumThatItCanVerify) {
  DataDirectory data;
  S3 s3(data, store::system_disk());
  s3.send("PUT", "/bucket");
  const std::pair<const char*, base::Algorithm> table[] = {
      {"crc32c", base::Algorithm::kCrc32c},
      {"crc64nvme", base::Algorithm::kCrc64Nvme},
      {"sha1", base::Algorithm::kSha1},
      {"sha256", base::Algorithm::kSha256},
      {"crc32", base::Algorithm::kCrc32}};
  for (const auto& [name, algorithm] : table) {
    const std::string header = std::string("x-amz-checksum-") + name;
    const std::string right = checksum(algorithm, "bytes");

    EXPECT_EQ(s3.send("PUT", "/bucket/k", "other", {{header, right}}).status, 400) << name;
    EXPECT_EQ(s3.send("PUT", "/bucket/k", "bytes", {{header, right}}).status, 200) << name;
    auto got = s3.send("GET", "/bucket/k", "", {{"x-amz-checksum-mode", "ENABLED"}});
    EXPECT_EQ(got.headers.get(header), right);
    EXPECT_EQ(s3.send("GET", "/bucket/k").headers.get(header), "");
    auto part = s3.send("GET", "/bucket/k", "",
                        {{"x-amz-checksum-mode", "ENABLED"}, {"Range", "bytes=0-1"}});
    EXPECT_EQ(part.headers.get(header), "") << "a checksum is of the whole";
  }
}

TEST(S3Api, ComputesTheChecksumThatIsOnlyNamed) {
  DataDirectory data;
  S3 s3(data, store::system_disk());
  s3.send("PUT", "/bucket");

  auto put = s3.send("PUT", "/bucket/k", "bytes", {{"x-amz-sdk-checksum-algorithm", "SHA256"}});

  EXPECT_EQ(put.headers.get("x-amz-checksum-sha256"), checksum(base::Algorithm::kSha256, "bytes"));
}

TEST(S3Api, RefusesKeysThatAreNotUtf8) {
  DataDirectory data;
  S3 s3(data, store::system_disk());
  s3.send("PUT", "/bucket");
  EXPECT_EQ(s3.send("PUT", "/bucket/a%ff", "").status, 400);
  EXPECT_EQ(s3.send("PUT", "/bucket/a%00b", "").status, 200) << "a zero byte is UTF-8";
  auto listed = s3.send("GET", "/bucket?list-type=2&encoding-type=url");
  EXPECT_EQ(S3::element(listed, "Key"), "a%00b");
}

TEST(S3Api, EndsEveryUploadOfABucketThatIsDeleted) {
  DataDirectory data;
  S3 s3(data, store::system_disk());
  s3.send("PUT", "/bucket");
  auto id = S3::element(s3.send("POST", "/bucket/k?uploads"), "UploadId");
  s3.send("PUT", "/bucket/k?partNumber=1&uploadId=" + id, std::string(10'000, 'p'));
  EXPECT_EQ(data.files(), 1u);

  EXPECT_EQ(s3.send("DELETE", "/bucket").status, 204);

  EXPECT_EQ(data.files(), 0u);
}

// The state before the disk stops: an object "old" under the key, and an upload of two parts.
struct Prepared {
  std::string upload;
  std::string parts;  // the document that completes it
};
const std::string kFirst(5u << 20, 'f');
const std::string kSecond(10'000, 's');
const std::string kOld(20'000, 'o');

Prepared prepare(S3& s3) {
  s3.send("PUT", "/bucket");
  s3.send("PUT", "/bucket/k", kOld);
  Prepared prepared;
  prepared.upload = S3::element(s3.send("POST", "/bucket/k?uploads"), "UploadId");
  prepared.parts = "<CompleteMultipartUpload>";
  int number = 0;
  for (const std::string* bytes : {&kFirst, &kSecond}) {
    const std::string text = std::to_string(++number);
    auto sent =
        s3.send("PUT", "/bucket/k?partNumber=" + text + "&uploadId=" + prepared.upload, *bytes);
    prepared.parts += "<Part><PartNumber>" + text + "</PartNumber><ETag>" +
                      std::string(sent.headers.get("ETag")) + "</ETag></Part>";
  }
  prepared.parts += "</CompleteMultipartUpload>";
  return prepared;
}

// Completes with the disk stopping at `step`. After the restart the upload is either as it
// was, and can be completed, or done; the client that asks again gets the object in both cases.
void complete_with_stop_at(int step, bool& stopped) {
  SCOPED_TRACE("step " + std::to_string(step));
  DataDirectory data;
  FaultyDisk disk;
  auto s3 = std::make_unique<S3>(data, disk);
  const Prepared prepared = prepare(*s3);
  const std::string target = "/bucket/k?uploadId=" + prepared.upload;
  disk.stop_at(step);
  auto first = s3->send("POST", target, prepared.parts);
  stopped = disk.stopped();
  s3.reset();
  disk.drop_unsynced();

  s3 = std::make_unique<S3>(data, store::system_disk());

  const std::string found = s3->send("GET", "/bucket/k").body;
  EXPECT_TRUE(found == kFirst + kSecond || (first.status != 200 && found == kOld));
  EXPECT_EQ(data.files(), found == kOld ? 3u : 1u);
  auto again = s3->send("POST", target, prepared.parts);
  EXPECT_EQ(again.status, 200) << again.body;
  if (first.status == 200) {
    EXPECT_EQ(S3::element(again, "ETag"), S3::element(first, "ETag"));
  }
  EXPECT_EQ(s3->send("GET", "/bucket/k").body, kFirst + kSecond);
  EXPECT_EQ(data.files(), 1u);
}

TEST(S3ApiAndCrashes, CompletingAnUploadIsWholeOrNotAtAll) {
  bool stopped = true;
  int step = 0;
  for (; stopped; ++step) complete_with_stop_at(step, stopped);
  EXPECT_GT(step, 3);
}

TEST(S3ApiAndCrashes, ACopyIsWholeOrNotAtAll) {
  bool stopped = true;
  for (int step = 0; stopped; ++step) {
    SCOPED_TRACE("step " + std::to_string(step));
    DataDirectory data;
    FaultyDisk disk;
    auto s3 = std::make_unique<S3>(data, disk);
    s3->send("PUT", "/bucket");
    s3->send("PUT", "/bucket/source", kFirst);
    s3->send("PUT", "/bucket/k", kOld);
    disk.stop_at(step);
    auto copied = s3->send("PUT", "/bucket/k", "", {{"x-amz-copy-source", "/bucket/source"}});
    stopped = disk.stopped();
    s3.reset();
    disk.drop_unsynced();

    s3 = std::make_unique<S3>(data, store::system_disk());

    EXPECT_EQ(s3->send("GET", "/bucket/source").body, kFirst);
    const std::string found = s3->send("GET", "/bucket/k").body;
    EXPECT_TRUE(found == kFirst || (copied.status != 200 && found == kOld));
    EXPECT_EQ(data.files(), 2u);
  }
}

}  // namespace
}  // namespace slipway::objects
