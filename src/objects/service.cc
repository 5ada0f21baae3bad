#include "objects/service.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/strings.h"
#include "objects/errors.h"

namespace slipway::objects {
namespace {

// An overwrite between the reading of a row and the opening of its file; each retry needs
// another overwrite in that moment.
constexpr int kOpenAttempts = 16;

std::int64_t prepare(store::Database& database) {
  migrate_objects(database);
  return database.write([](store::Transaction& transaction) { return next_run(transaction); });
}

}  // namespace

Objects::State::State(store::Database& database_in, const base::Clock& clock_in, store::Disk& disk,
                      store::Spool& spool, ObjectsOptions options_in)
    : database(database_in),
      clock(clock_in),
      options(std::move(options_in)),
      contents(disk, spool, options.directory, prepare(database_in)),
      scrubber_([this] { scrub(); }) {}

Objects::State::~State() {
  stopping_ = true;
  if (scrubber_.joinable()) scrubber_.join();
}

void Objects::State::finish_scrub_for_test() {
  if (scrubber_.joinable()) scrubber_.join();
}

void Objects::State::scrub() {
  using Id = std::array<char, 32>;
  auto id_of = [](const std::string& text) {
    Id id{};
    std::copy_n(text.begin(), std::min(text.size(), id.size()), id.begin());
    return id;
  };
  try {
    std::vector<Id> named;
    database.read([&](store::Reader& reader) {
      for_each_file_id(reader, [&](const std::string& id) { named.push_back(id_of(id)); });
    });
    std::sort(named.begin(), named.end());
    std::size_t removed = contents.scrub(
        [&](const std::string& id) {
          return std::binary_search(named.begin(), named.end(), id_of(id));
        },
        [&] { return stopping_.load(); });
    if (removed > 0) log(Level::kInfo, "removed files of unfinished uploads", {{"files", removed}});
  } catch (const std::exception& error) {
    log(Level::kWarning, "cannot look for files of unfinished uploads", {{"error", error.what()}});
  }
}

Bucket require_bucket(store::Reader& reader, const Access& access, const std::string& name) {
  auto bucket = find_bucket(reader, name);
  if (!bucket) throw no_such_bucket(name);
  const bool expected = access.expected_owner.empty() || access.expected_owner == bucket->account;
  if (bucket->account != access.account || !expected) throw access_denied();
  return *bucket;
}

Version require_version(store::Reader& reader, const std::string& bucket, const std::string& key,
                        const std::string& version) {
  auto found = version.empty() ? find_current(reader, bucket, key)
                               : find_version(reader, bucket, key, version);
  if (!found && version.empty()) throw no_such_key(key);
  if (!found) throw no_such_version(key, version);
  if (found->delete_marker) {
    throw Error("MethodNotAllowed", "The specified method is not allowed against this resource.",
                405, {{"Method", "GET"}, {"ResourceType", "DeleteMarker"}});
  }
  return *found;
}

std::optional<Opened> open_content(Objects::State& state, store::Reader& reader,
                                   const Content& content) {
  Opened opened;
  opened.content = content;
  if (content.place == Place::kRow) {
    auto bytes = read_row_content(reader, content.id);
    if (!bytes) return std::nullopt;
    opened.bytes = std::move(*bytes);
  }
  if (content.place == Place::kFile) {
    opened.file = state.contents.open(content.id);
    if (!opened.file) return std::nullopt;
  }
  return opened;
}

OpenedObject open_object(Objects::State& state, const Access& access, const std::string& bucket,
                         const std::string& key, const std::string& version) {
  for (int attempt = 0; attempt < kOpenAttempts; ++attempt) {
    std::optional<OpenedObject> opened;
    state.database.read([&](store::Reader& reader) {
      Bucket owner = require_bucket(reader, access, bucket);
      Version found = require_version(reader, bucket, key, version);
      auto bytes = open_content(state, reader, found.content);
      if (bytes) opened = OpenedObject{std::move(owner), std::move(found), std::move(*bytes)};
    });
    if (opened) return std::move(*opened);
  }
  base::throw_internal("the file of an object is missing: " + bucket + "/" + key);
}

Stored put_object(Objects::State& state, const Access& access, Version next, Draft draft,
                  const WriteConditions& conditions) {
  next.content = draft.content();
  if (next.etag.empty()) next.etag = draft.etag();
  std::vector<Content> dropped;
  Bucket bucket = state.database.write([&](store::Transaction& transaction) {
    Bucket owner = require_bucket(transaction, access, next.bucket);
    if (!conditions.if_match.empty() || !conditions.if_none_match.empty()) {
      check_write(conditions, next.key, find_current(transaction, next.bucket, next.key));
    }
    // The time of the commit's turn, so that later writes never look older.
    next.modified = state.clock.now();
    if (draft.content().place == Place::kRow) {
      insert_row_content(transaction, draft.content().id, draft.bytes());
    }
    dropped = put_version(transaction, owner, next);
    return owner;
  });
  draft.keep();
  state.contents.remove(dropped);
  return {std::move(bucket), std::move(next)};
}

void create_bucket(Objects::State& state, const Bucket& bucket,
                   const std::map<std::string, Json>& settings) {
  check_bucket_name(bucket.name);
  state.database.write([&](store::Transaction& transaction) {
    if (auto existing = find_bucket(transaction, bucket.name)) {
      if (existing->account == bucket.account) {
        throw Error("BucketAlreadyOwnedByYou",
                    "Your previous request to create the named bucket succeeded and you already "
                    "own it.",
                    409, {{"BucketName", bucket.name}});
      }
      throw Error("BucketAlreadyExists",
                  "The requested bucket name is not available. The bucket namespace is shared by "
                  "all users of the system. Please select a different name and try again.",
                  409, {{"BucketName", bucket.name}});
    }
    insert_bucket(transaction, bucket);
    for (const auto& [name, document] : settings) {
      set_setting(transaction, bucket.name, name, document);
    }
  });
}

}  // namespace slipway::objects
