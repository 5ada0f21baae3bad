#include "objects/objects.h"

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "objects/errors.h"
#include "objects/service.h"

namespace slipway::objects {
namespace {

ObjectInfo info_of(const Version& version) {
  ObjectInfo info;
  info.bucket = version.bucket;
  info.key = version.key;
  info.size = version.content.size;
  info.etag = version.etag;
  info.modified = version.modified;
  info.content_type = base::text_or(version.headers, "ContentType");
  info.metadata = version.metadata;
  info.checksums = version.checksums;
  return info;
}

Version named(const std::string& bucket, const std::string& key, const std::string& content_type) {
  check_key(key);
  Version version;
  version.bucket = bucket;
  version.key = key;
  version.headers["ContentType"] = content_type.empty() ? "binary/octet-stream" : content_type;
  return version;
}

}  // namespace

std::optional<Location> parse_s3_uri(const std::string& uri) {
  static constexpr std::string_view kScheme = "s3://";
  if (!uri.starts_with(kScheme)) return std::nullopt;
  std::size_t slash = uri.find('/', kScheme.size());
  Location location;
  location.bucket = uri.substr(kScheme.size(), slash - kScheme.size());
  if (slash != std::string::npos) location.key = uri.substr(slash + 1);
  if (location.bucket.empty()) return std::nullopt;
  return location;
}

Objects::Objects(store::Database& database, const base::Clock& clock, store::Disk& disk,
                 store::Spool& spool, ObjectsOptions options)
    : state_(std::make_unique<State>(database, clock, disk, spool, std::move(options))) {}

Objects::~Objects() = default;

bool Objects::has_bucket(const std::string& account, const std::string& bucket) const {
  auto found =
      state_->database.read([&](store::Reader& reader) { return find_bucket(reader, bucket); });
  return found && found->account == account;
}

void Objects::ensure_bucket(const std::string& account, const std::string& bucket) {
  if (has_bucket(account, bucket)) return;
  check_bucket_name(bucket);
  const Bucket wanted{bucket, account, state_->clock.now(), state_->options.region,
                      Versioning::kOff};
  state_->database.write([&](store::Transaction& transaction) {
    auto found = find_bucket(transaction, bucket);
    if (!found) return insert_bucket(transaction, wanted);
    if (found->account != account) throw access_denied();
  });
}

std::optional<ObjectInfo> Objects::find(const std::string& account, const std::string& bucket,
                                        const std::string& key) const {
  return state_->database.read([&](store::Reader& reader) -> std::optional<ObjectInfo> {
    require_bucket(reader, {account, ""}, bucket);
    auto version = find_current(reader, bucket, key);
    if (!version) return std::nullopt;
    return info_of(*version);
  });
}

void Objects::for_each(const std::string& account, const std::string& bucket,
                       const std::string& prefix,
                       const std::function<void(const ObjectInfo&)>& visit) const {
  ListQuery query;
  query.prefix = prefix;
  for (;;) {
    auto page = state_->database.read([&](store::Reader& reader) {
      require_bucket(reader, {account, ""}, bucket);
      return list_objects(reader, bucket, query);
    });
    for (const Version& version : page.rows) visit(info_of(version));
    if (!page.truncated) return;
    query.start = position_after(page.last, "", prefix, "");
  }
}

ObjectInfo Objects::download(const std::string& account, const std::string& bucket,
                             const std::string& key, const std::filesystem::path& path) const {
  OpenedObject object = open_object(*state_, {account, ""}, bucket, key);
  base::FileDescriptor file(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!file) base::throw_errno("cannot write " + path.string());
  if (object.bytes.file) {
    // Never a link: whoever gets this file may write to it.
    copy_bytes(object.bytes.file->get(), 0, object.version.content.size, file.get());
  } else {
    store::system_disk().write(file.get(), object.bytes.bytes);
  }
  return info_of(object.version);
}

std::string Objects::read(const std::string& account, const std::string& bucket,
                          const std::string& key, std::uint64_t limit) const {
  OpenedObject object = open_object(*state_, {account, ""}, bucket, key);
  const std::uint64_t size = object.version.content.size;
  if (size > limit) {
    throw Error("EntityTooLarge",
                "s3://" + bucket + "/" + key + " has " + std::to_string(size) + " bytes; at most " +
                    std::to_string(limit) + " can be read here",
                400);
  }
  std::string bytes;
  bytes.reserve(size);
  object.bytes.for_each_piece(0, size, [&](std::string_view piece) { bytes += piece; });
  return bytes;
}

ObjectInfo Objects::put(const std::string& account, const std::string& bucket,
                        const std::string& key, std::string_view bytes,
                        const std::string& content_type) {
  Version next = named(bucket, key, content_type);
  Draft draft = state_->contents.write(bytes, {});
  return info_of(put_object(*state_, {account, ""}, std::move(next), std::move(draft), {}).version);
}

ObjectInfo Objects::put_file(const std::string& account, const std::string& bucket,
                             const std::string& key, const std::filesystem::path& path,
                             const std::string& content_type) {
  Version next = named(bucket, key, content_type);
  // Before the file is taken from where the caller has it.
  state_->database.read([&](store::Reader& reader) {
    require_bucket(reader, {account, ""}, bucket);
  });
  Draft draft = state_->contents.write_file(path);
  return info_of(put_object(*state_, {account, ""}, std::move(next), std::move(draft), {}).version);
}

}  // namespace slipway::objects
