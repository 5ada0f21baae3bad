#pragma once

// What the room's tests share: the service with everything below it, called as clients call it.

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/digest.h"
#include "base/ids.h"
#include "base/strings.h"
#include "functions/functions.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "wire/sigv4.h"

namespace slipway::functions {

struct ZipEntry {
  std::string name;
  std::string text;
  unsigned mode = 0600;  // as Python's zipfile writes it
  unsigned type = AE_IFREG;
  std::string link;  // of a symbolic link
};

inline std::string zip_of(const std::vector<ZipEntry>& entries) {
  std::string bytes(8u << 20, '\0');
  std::size_t used = 0;
  archive* writer = archive_write_new();
  archive_write_set_format_zip(writer);
  archive_write_open_memory(writer, bytes.data(), bytes.size(), &used);
  for (const ZipEntry& entry : entries) {
    archive_entry* header = archive_entry_new();
    archive_entry_set_pathname(header, entry.name.c_str());
    archive_entry_set_filetype(header, entry.type);
    archive_entry_set_perm(header, entry.mode);
    archive_entry_set_size(header, static_cast<la_int64_t>(entry.text.size()));
    if (!entry.link.empty()) archive_entry_set_symlink(header, entry.link.c_str());
    archive_write_header(writer, header);
    archive_write_data(writer, entry.text.data(), entry.text.size());
    archive_entry_free(header);
  }
  archive_write_close(writer);
  archive_write_free(writer);
  bytes.resize(used);
  return bytes;
}

struct Answer {
  int status = 0;
  std::string text;
  Json json;  // null where the body is none
  net::Headers headers;
};

class FunctionsRoom : public testing::Test {
 protected:
  static constexpr const char* kAccount = "123456789012";
  static constexpr const char* kRole = "arn:aws:iam::123456789012:role/slipway-execution";

  FunctionsRoom() {
    store::migrate_resources(*database_);
    store::migrate_outbox(*database_);
    iam_.emplace(*database_, clock_, iam::IamOptions{.credentials_file = root_ / "credentials"});
    key_ = iam_->create_access_key("root");
    objects_.emplace(*database_, clock_, store::system_disk(), spool_,
                     objects::ObjectsOptions{.directory = root_ / "objects"});
    images_.emplace(*database_, clock_, store::system_disk(), spool_,
                    images::ImagesOptions{.directory = root_});
    engine_ = containers::Engine::open({.directory = root_ / "containers",
                                        .self = std::filesystem::read_symlink("/proc/self/exe")});
    pump_.emplace(*engine_, logs_);
  }

  ~FunctionsRoom() override {
    close();
    for (const std::string& id : engine_->list()) engine_->remove(id);
    pump_.reset();
    engine_.reset();
    std::error_code error;
    std::filesystem::remove_all(root_, error);
  }

  void open(FunctionsOptions options = {}) {
    options.directory = root_ / "functions";
    options.region = "us-east-1";
    options.url = [] { return "http://127.0.0.1:1"; };
    functions_.emplace(*database_, clock_, spool_, *objects_, *images_, *engine_, *pump_, logs_,
                       *iam_, options);
    api_.emplace(*iam_, clock_, "us-east-1");
    register_lambda_api(*api_, *functions_);
    functions_->start();
  }
  void close() {
    api_.reset();
    functions_.reset();
  }

  Answer call(const std::string& method, const std::string& target, const std::string& body = "",
              const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    net::Request request;
    request.method = method;
    request.target = "/2015-03-31/" + target;
    if (target.starts_with("/")) request.target = target;
    request.headers.set("Host", "127.0.0.1:4700");
    for (const auto& [name, value] : headers) request.headers.set(name, value);
    wire::sign(request, {key_.id, key_.secret, ""}, "us-east-1", "lambda", base::sha256_hex(body),
               clock_.now());
    request.body = net::Body(body);
    net::Response response = api_->handle(request);
    Answer answer{.status = response.status,
                  .text = std::get<std::string>(response.body),
                  .json = nullptr,
                  .headers = std::move(response.headers)};
    if (const auto json = base::try_parse_json(answer.text)) answer.json = *json;
    return answer;
  }
  Answer call(const std::string& method, const std::string& target, const Json& body) {
    return call(method, target, base::dump_json(body));
  }

  Json request_of(const std::string& name, const std::string& zip) const {
    return {{"FunctionName", name},
            {"Runtime", "python3.11"},
            {"Handler", "app.handler"},
            {"Role", kRole},
            {"Timeout", 20},
            {"Code", {{"ZipFile", base::base64(zip)}}}};
  }
  Answer create(const std::string& name, const std::string& source, const Json& changes = {}) {
    Json request = request_of(name, zip_of({{"app.py", source}}));
    if (changes.is_object()) request.update(changes);
    return call("POST", "functions", request);
  }
  Answer invoke(const std::string& name, const std::string& payload = "{}",
                const std::vector<std::pair<std::string, std::string>>& headers = {}) {
    return call("POST", "functions/" + name + "/invocations", payload, headers);
  }
  static std::string error_of(const Answer& answer) {
    return std::string(answer.headers.get("x-amzn-ErrorType"));
  }

  // Waits until it holds.
  static bool eventually(const std::function<bool()>& holds) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    while (!holds()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      never.wait_for(lock, std::chrono::milliseconds(10));
    }
    return true;
  }

  // What the streams of the function's log group hold.
  std::string log_of(const std::string& name) const {
    std::string text;
    database_->read([&](store::Reader& reader) {
      reader.query(
          "select l.message from log_lines l where l.stream_id in (select s.id from log_streams s, "
          "log_groups g where s.group_id = g.id and g.name = ?) order by l.at, l.sequence",
          {"/aws/lambda/" + name}, [&](const store::Row& row) { text += row.text(0) + "\n"; });
    });
    return text;
  }
  bool logged(const std::string& name, const std::string& text) const {
    return eventually([&] { return log_of(name).find(text) != std::string::npos; });
  }
  std::size_t containers() const { return engine_->list().size(); }

  const std::filesystem::path root_ =
      std::filesystem::path(testing::TempDir()) / ("functions-" + base::random_hex(12));
  const std::unique_ptr<store::Database> database_ = [this] {
    std::filesystem::create_directories(root_);
    return store::Database::open(root_ / "slipway.db");
  }();
  const base::SystemClock clock_;
  store::Spool spool_{root_ / "spool"};
  observe::Logs logs_{*database_, clock_};
  std::optional<iam::Iam> iam_;
  iam::AccessKey key_;
  std::optional<objects::Objects> objects_;
  std::optional<images::Images> images_;
  std::unique_ptr<containers::Engine> engine_;
  std::optional<containers::LogPump> pump_;
  std::optional<Functions> functions_;
  std::optional<wire::Api> api_;
};

}  // namespace slipway::functions
