#include "notify/events.h"

#include <exception>

#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"
#include "notify/records.h"
#include "notify/templates.h"

namespace slipway::notify {
namespace {

constexpr const char* kPlace = "sequence";
constexpr std::size_t kMostFailures = 10;  // of a CI pipeline

bool is_followed(const std::string& type) {
  return type == "Job.Finished" || type == "Pipeline.Created" || type == "Pipeline.Finished" ||
         type.starts_with("ModelPackage.") || type.starts_with("PipelineExecution.") ||
         type.starts_with("Endpoint.");
}

std::string failures_key(const store::Event& event, const std::string& pipeline) {
  return "failures:" + event.account + ":" + project_of(event) + "#" + pipeline;
}

std::string ref_key(const store::Event& event) {
  return "ref:" + event.account + ":" + project_of(event) + ":" +
         base::text_or(event.detail, "ref");
}

// A failed job is told with its pipeline.
void keep_failure(store::Transaction& transaction, const store::Event& event, base::Millis now) {
  const std::string pipeline = pipeline_of(event);
  if (base::text_or(event.detail, "status") != "failed" || pipeline.empty()) return;
  const std::string key = failures_key(event, pipeline);
  Json failures = base::try_parse_json(remembered(transaction, key)).value_or(Json::array());
  if (!failures.is_array() || failures.size() >= kMostFailures) return;
  failures.push_back(event.detail);
  remember(transaction, key, base::dump_json(failures), now);
}

std::string commit_key(const store::Event& event, const std::string& commit) {
  return "commit:" + event.account + ":" + commit;
}

// Versions and executions are told with the pipeline of CI that their commit went through.
void keep_commit(store::Transaction& transaction, const store::Event& event, base::Millis now) {
  const std::string commit = base::text_or(event.detail, "sha");
  const bool child = base::text_or(event.detail, "source") == "parent_pipeline";
  if (!commit.empty() && !child)
    remember(transaction, commit_key(event, commit), event.subject, now);
}

std::string link_of(store::Reader& reader, const store::Event& event, const std::string& url) {
  const std::string commit = commit_of(event);
  if (commit.empty()) return {};
  const std::string subject = remembered(reader, commit_key(event, commit));
  return subject.empty() ? std::string() : pipeline_page(url, subject);
}

// The event with what others know about it.
store::Event told(store::Event event, const Details& details) {
  if (!details) return event;
  try {
    const Json more = details(event);
    if (more.is_object()) event.detail.update(more);
  } catch (const std::exception& error) {
    log(Level::kWarning, "a notice goes without its details",
        {{"event", event.type}, {"subject", event.subject}, {"reason", error.what()}});
  }
  return event;
}

Background background_of(store::Transaction& transaction, const store::Event& event,
                         const std::string& url, base::Millis now) {
  Background background;
  background.url = url;
  background.link = link_of(transaction, event, url);
  if (event.type != "Pipeline.Finished") return background;
  const std::string id = event.subject.substr(event.subject.rfind('#') + 1);
  const std::string key = failures_key(event, id);
  const auto failures = base::try_parse_json(remembered(transaction, key));
  if (failures && failures->is_array())
    background.failures.assign(failures->begin(), failures->end());
  forget(transaction, key);
  const std::string status = base::text_or(event.detail, "status");
  background.ref_before = remembered(transaction, ref_key(event));
  if (status == "failed") remember(transaction, ref_key(event), status, now);
  if (status == "success") forget(transaction, ref_key(event));
  return background;
}

Message message_of(const store::Event& event, const Notice& notice, const std::string& topic_arn) {
  Message message;
  message.id = base::uuid();
  message.account = event.account;
  message.topic_arn = topic_arn;
  message.subject = std::string(base::utf8_prefix(notice.page.title, 100));
  message.text = base::dump_json(machine_message(event, notice));
  message.attributes = attributes_of(event, notice);
  message.published = event.at;
  message.notice = {{"text", to_text(notice.page)},
                    {"html", to_html(notice.page)},
                    {"summary", escape_slack(notice.page.title)},
                    {"blocks", to_slack_blocks(notice.page)}};
  return message;
}

}  // namespace

void take_event(store::Database& database, Service& service, const store::Event& happened,
                const base::Clock& clock, const Details& details) {
  if (!is_followed(happened.type)) return;
  const std::string url = service.url();
  const store::Event event = told(happened, details);
  database.write([&](store::Transaction& transaction) {
    const base::Millis now = clock.now();
    const auto place = base::parse_integer(remembered(transaction, kPlace));
    if (place && event.sequence <= *place) return;
    remember(transaction, kPlace, std::to_string(event.sequence), now);
    if (event.type == "Pipeline.Created") return keep_commit(transaction, event, now);
    if (event.type == "Job.Finished") return keep_failure(transaction, event, now);
    const auto notice = notice_of(event, background_of(transaction, event, url, now));
    if (!notice) return;
    const std::string arn = service.ensure_topic(transaction, event.account, kNoticesTopic);
    Message message = message_of(event, *notice, arn);
    message.published = now;
    // One destination that takes nothing must not keep the others from what happens.
    service.publish(transaction, kNoticesTopic, message, Service::WhenFull::kLeaveOut);
  });
}

}  // namespace slipway::notify
