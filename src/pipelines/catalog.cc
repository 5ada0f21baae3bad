#include "pipelines/catalog.h"

#include <algorithm>
#include <utility>

#include "base/digest.h"
#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/strings.h"

namespace slipway::pipelines {
namespace {

using base::text_or;

[[noreturn]] void refuse(const std::string& message) {
  throw Error("ValidationException", message);
}

void check_role(const std::string& account, const std::string& role) {
  const auto arn = base::parse_arn(role);
  if (arn && arn->account == account) return;
  refuse("RoleArn: Cross-account pass role is not allowed.");
}

void copy(const Json& from, Json& to, std::initializer_list<const char*> members) {
  for (const char* member : members) {
    if (from.contains(member)) to[member] = from[member];
  }
}

Json described(const store::Resource& pipeline) {
  Json document = pipeline.document;
  document.erase(kLastVersion);
  document.erase(kLastExecutions);
  return document;
}

std::int64_t last_version(const store::Resource& pipeline) {
  return base::integer_or(pipeline.document, kLastVersion, 1);
}

void touch(store::Resource& pipeline, base::Millis now) {
  pipeline.modified = now;
  pipeline.document["LastModifiedTime"] = base::epoch_seconds(now);
}

}  // namespace

Json user_context(const wire::Caller& caller) {
  return {{"IamIdentity", {{"Arn", caller.arn}, {"PrincipalId", caller.user_id}}}};
}

store::ListQuery list_query(const std::string& account, const std::string& kind,
                            const Json& input) {
  const auto time = [&](const char* member) -> std::optional<base::Millis> {
    if (!input.contains(member)) return std::nullopt;
    return base::from_epoch_seconds(base::number_or(input, member, 0));
  };
  store::ListQuery query;
  query.account = account;
  query.kind = kind;
  query.created_after = time("CreatedAfter");
  query.created_before = time("CreatedBefore");
  const std::string sort = text_or(input, "SortBy", "CreationTime");
  query.sort_by = sort == "CreationTime" ? store::SortBy::kCreationTime : store::SortBy::kName;
  query.order = text_or(input, "SortOrder", "Descending") == "Ascending"
                    ? store::Order::kAscending
                    : store::Order::kDescending;
  query.limit = static_cast<int>(base::integer_or(input, "MaxResults", 10));
  query.next_token = text_or(input, "NextToken");
  return query;
}

Slice slice_of(std::size_t count, const std::string& what, const Json& input, std::int64_t usual) {
  const std::string token = text_or(input, "NextToken");
  const std::string mark = base::sha256_hex(what).substr(0, 16);
  Slice slice;
  if (!token.empty()) {
    const auto bytes = base::from_base64(token);
    const auto parts = base::split(bytes.value_or(""), ':');
    const auto at =
        parts.size() == 2 && parts[0] == mark ? base::parse_integer(parts[1]) : std::nullopt;
    if (!at || *at < 0) {
      refuse("The NextToken is not valid: it belongs to another query or was changed.");
    }
    slice.begin = std::min(count, static_cast<std::size_t>(*at));
  }
  const auto most = static_cast<std::size_t>(
      std::clamp<std::int64_t>(base::integer_or(input, "MaxResults", usual), 1, usual));
  slice.end = std::min(count, slice.begin + most);
  if (slice.end < count) slice.next_token = base::base64(mark + ":" + std::to_string(slice.end));
  return slice;
}

Catalog::Catalog(const PipelineStore& store, const base::Clock& clock, ReadObject read_object,
                 std::string region)
    : store_(store),
      clock_(clock),
      read_object_(std::move(read_object)),
      region_(std::move(region)) {}

std::string Catalog::arn_of(const std::string& account, const std::string& name) const {
  return base::Arn{"sagemaker", region_, account, "pipeline/" + base::lower(name)}.text();
}

std::string Catalog::definition_in(const std::string& account, const Json& input) const {
  const bool inline_text = input.contains("PipelineDefinition");
  if (inline_text == input.contains("PipelineDefinitionS3Location")) {
    refuse("Give either PipelineDefinition or PipelineDefinitionS3Location.");
  }
  if (inline_text) return text_or(input, "PipelineDefinition");
  const Json& location = input["PipelineDefinitionS3Location"];
  try {
    return read_object_(account, text_or(location, "Bucket"), text_or(location, "ObjectKey"),
                        kLargestDefinition);
  } catch (const Error& error) {
    if (error.status() >= 500) throw;
    refuse("Unable to read pipeline definition from S3. " + error.message());
  }
}

Json Catalog::create(const wire::Caller& caller, const Json& input) {
  const std::string& account = caller.account;
  const std::string name = text_or(input, "PipelineName");
  const std::string token = text_or(input, "ClientRequestToken");
  check_role(account, text_or(input, "RoleArn"));
  const std::string definition = definition_in(account, input);
  (void)parse_definition(definition);
  const base::Millis now = clock_.now();
  store::Resource pipeline;
  pipeline.account = account;
  pipeline.kind = kPipelineKind;
  pipeline.name = base::lower(name);
  pipeline.status = "Active";
  pipeline.created = now;
  const std::string arn = arn_of(account, name);
  pipeline.document = {{"PipelineName", name},
                       {"PipelineArn", arn},
                       {"PipelineDisplayName", name},
                       {"PipelineStatus", "Active"},
                       {"CreationTime", base::epoch_seconds(now)},
                       {"CreatedBy", user_context(caller)},
                       {"LastModifiedBy", user_context(caller)},
                       {kLastVersion, 1}};
  copy(input, pipeline.document,
       {"PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration"});
  touch(pipeline, now);
  store::Tags tags;
  for (const Json& tag : base::array_or_empty(input, "Tags")) {
    tags[text_or(tag, "Key")] = text_or(tag, "Value");
  }
  store_.database().write([&](store::Transaction& transaction) {
    if (store::find(transaction, account, kPipelineKind, pipeline.name)) {
      // The same request again, sent by a client that did not get the answer.
      if (store_.answer(transaction, account, "CreatePipeline", token) == arn) return;
      refuse(
          "Pipeline names must be unique within an AWS account and region. Pipeline with name (" +
          name + ") already exists.");
    }
    store::create(transaction, pipeline);
    store_.put_version(transaction, account, pipeline.name, {1, now, definition, Json::object()});
    store_.remember(transaction, account, "CreatePipeline", token, pipeline.name, arn);
    store::set_tags(transaction, arn, tags);
  });
  return {{"PipelineArn", arn}};
}

store::Resource Catalog::find(store::Reader& reader, const std::string& account,
                              const std::string& name_or_arn) const {
  const std::string name = base::name_of(name_or_arn);
  const auto arn = base::parse_arn(name_or_arn);
  auto found = store::find(reader, account, kPipelineKind, base::lower(name));
  if (!found || found->status != "Active" || (arn && arn->account != account)) {
    throw Error("ResourceNotFound",
                "Pipeline '" + (arn ? name_or_arn : arn_of(account, name)) + "' does not exist.");
  }
  return std::move(*found);
}

Json Catalog::update(const wire::Caller& caller, const Json& input) {
  const std::string& account = caller.account;
  const bool redefined =
      input.contains("PipelineDefinition") || input.contains("PipelineDefinitionS3Location");
  const std::string definition = redefined ? definition_in(account, input) : "";
  if (redefined) (void)parse_definition(definition);
  if (input.contains("RoleArn")) check_role(account, text_or(input, "RoleArn"));
  return store_.database().write([&](store::Transaction& transaction) -> Json {
    store::Resource pipeline = find(transaction, account, text_or(input, "PipelineName"));
    const base::Millis now = clock_.now();
    copy(input, pipeline.document,
         {"PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration"});
    pipeline.document["LastModifiedBy"] = user_context(caller);
    touch(pipeline, now);
    if (redefined) {
      const std::int64_t version = last_version(pipeline) + 1;
      pipeline.document[kLastVersion] = version;
      store_.put_version(transaction, account, pipeline.name,
                         {version, now, definition, Json::object()});
    }
    store::update(transaction, pipeline);
    return {{"PipelineArn", pipeline.document["PipelineArn"]},
            {"PipelineVersionId", last_version(pipeline)}};
  });
}

Json Catalog::describe(const std::string& account, const Json& input) const {
  return store_.database().read([&](store::Reader& reader) {
    const store::Resource pipeline = find(reader, account, text_or(input, "PipelineName"));
    const std::int64_t number =
        base::integer_or(input, "PipelineVersionId", last_version(pipeline));
    const auto version = store_.version(reader, account, pipeline.name, number);
    if (!version) {
      throw Error("ResourceNotFound", "Pipeline '" + text_or(pipeline.document, "PipelineArn") +
                                          "' has no version " + std::to_string(number) + ".");
    }
    Json output = described(pipeline);
    output["PipelineDefinition"] = version->definition;
    output.update(version->document);
    return output;
  });
}

Json Catalog::remove(const std::string& account, const Json& input) {
  const std::string token = text_or(input, "ClientRequestToken");
  const store::Resource pipeline = store_.database().write([&](store::Transaction& transaction) {
    store::Resource found = find(transaction, account, text_or(input, "PipelineName"));
    std::int64_t running = 0;
    transaction.query(
        "select count(*) from resources where account = ? and kind = ? and parent = ?"
        " and status in ('Executing', 'Stopping')",
        {account, kExecutionKind, found.name},
        [&](const store::Row& row) { running = row.integer(0); });
    if (running > 0) {
      throw Error("ConflictException",
                  "Pipeline '" + text_or(found.document, "PipelineArn") + "' has " +
                      std::to_string(running) +
                      " executions that have not ended: stop them before it is deleted.");
    }
    found.status = "Deleting";
    store::update(transaction, found);
    return found;
  });
  finish_deletion(pipeline);
  return {{"PipelineArn", pipeline.document["PipelineArn"]}};
}

// In pieces, so that other writers get their turn: an old pipeline has many executions.
void Catalog::finish_deletion(const store::Resource& pipeline) {
  while (store_.remove_executions(pipeline.account, pipeline.name)) {
  }
  store_.remove_pipeline(pipeline.account, pipeline.name,
                         text_or(pipeline.document, "PipelineArn"));
}

void Catalog::finish_deletions() {
  const auto pipelines = store_.database().read([](store::Reader& reader) {
    return store::with_status(reader, kPipelineKind, {"Deleting"});
  });
  for (const store::Resource& pipeline : pipelines) finish_deletion(pipeline);
}

Json Catalog::list(const std::string& account, const Json& input) const {
  const std::string prefix = base::lower(text_or(input, "PipelineNamePrefix"));
  store::ListQuery query = list_query(account, kPipelineKind, input);
  query.status = "Active";
  if (!prefix.empty()) query.name_contains = prefix;
  const auto wanted = static_cast<std::size_t>(query.limit);
  Json summaries = Json::array();
  store_.database().read([&](store::Reader& reader) {
    do {
      query.limit = static_cast<int>(wanted - summaries.size());
      const store::Page page = store::list(reader, query);
      for (const store::Resource& pipeline : page.items) {
        if (!pipeline.name.starts_with(prefix)) continue;
        Json summary = Json::object();
        copy(pipeline.document, summary,
             {"PipelineArn", "PipelineName", "PipelineDisplayName", "PipelineDescription",
              "RoleArn", "CreationTime", "LastModifiedTime"});
        if (pipeline.document.contains("LastRunTime")) {
          summary["LastExecutionTime"] = pipeline.document["LastRunTime"];
        }
        summaries.push_back(std::move(summary));
      }
      query.next_token = page.next_token;
    } while (!query.next_token.empty() && summaries.size() < wanted);
  });
  Json output{{"PipelineSummaries", std::move(summaries)}};
  if (!query.next_token.empty()) output["NextToken"] = query.next_token;
  return output;
}

Json Catalog::list_versions(const std::string& account, const Json& input) const {
  return store_.database().read([&](store::Reader& reader) {
    const store::Resource pipeline = find(reader, account, text_or(input, "PipelineName"));
    const bool ascending = text_or(input, "SortOrder", "Descending") == "Ascending";
    const double after = base::number_or(input, "CreatedAfter", 0);
    const double before = base::number_or(input, "CreatedBefore", 1e12);
    const Json& executions = base::object_or_empty(pipeline.document, kLastExecutions);
    Json all = Json::array();
    reader.query(std::string("select version, created, document from pipeline_versions"
                             " where account = ? and pipeline = ? order by version ") +
                     (ascending ? "asc" : "desc"),
                 {account, pipeline.name}, [&](const store::Row& row) {
                   const double created = base::epoch_seconds(row.integer(1));
                   if (created <= after || created >= before) return;
                   Json summary = base::parse_json(row.text(2), "a stored version of a pipeline");
                   summary["PipelineArn"] = pipeline.document["PipelineArn"];
                   summary["PipelineVersionId"] = row.integer(0);
                   summary["CreationTime"] = created;
                   const std::string last = text_or(executions, std::to_string(row.integer(0)));
                   if (!last.empty()) summary["LastExecutionPipelineExecutionArn"] = last;
                   all.push_back(std::move(summary));
                 });
    const std::string what = "versions/" + pipeline.name + (ascending ? "/up" : "/down");
    const Slice slice = slice_of(all.size(), what, input, 100);
    Json output{{"PipelineVersionSummaries", Json::array()}};
    for (std::size_t i = slice.begin; i < slice.end; ++i) {
      output["PipelineVersionSummaries"].push_back(std::move(all[i]));
    }
    if (!slice.next_token.empty()) output["NextToken"] = slice.next_token;
    return output;
  });
}

Json Catalog::update_version(const std::string& account, const Json& input) {
  return store_.database().write([&](store::Transaction& transaction) -> Json {
    const store::Resource pipeline = find(transaction, account, text_or(input, "PipelineArn"));
    const std::int64_t number = base::integer_or(input, "PipelineVersionId", 0);
    auto version = store_.version(transaction, account, pipeline.name, number);
    if (!version) {
      throw Error("ResourceNotFound", "Pipeline '" + text_or(pipeline.document, "PipelineArn") +
                                          "' has no version " + std::to_string(number) + ".");
    }
    copy(input, version->document, {"PipelineVersionDisplayName", "PipelineVersionDescription"});
    store_.put_version(transaction, account, pipeline.name, *version);
    return {{"PipelineArn", pipeline.document["PipelineArn"]}, {"PipelineVersionId", number}};
  });
}

PipelineSummary Catalog::summary_of(store::Reader& reader, const store::Resource& pipeline) const {
  PipelineSummary summary;
  summary.name = text_or(pipeline.document, "PipelineName");
  summary.arn = text_or(pipeline.document, "PipelineArn");
  summary.description = text_or(pipeline.document, "PipelineDescription");
  summary.created = pipeline.created;
  summary.modified = pipeline.modified;
  const std::int64_t number = last_version(pipeline);
  if (const auto version = store_.version(reader, pipeline.account, pipeline.name, number)) {
    const auto definition =
        store_.definition(pipeline.account, pipeline.name, number, version->definition);
    for (const Parameter& parameter : definition->parameters) {
      summary.parameters.push_back(parameter.name);
    }
    for (const Step& step : definition->steps) summary.steps.push_back(step.name);
  }
  return summary;
}

std::vector<PipelineSummary> Catalog::summaries(const std::string& account) const {
  return store_.database().read([&](store::Reader& reader) {
    store::ListQuery query =
        list_query(account, kPipelineKind, {{"SortBy", "Name"}, {"SortOrder", "Ascending"}});
    query.status = "Active";
    query.limit = 100;
    std::vector<PipelineSummary> found;
    do {
      const store::Page page = store::list(reader, query);
      for (const store::Resource& pipeline : page.items) {
        found.push_back(summary_of(reader, pipeline));
      }
      query.next_token = page.next_token;
    } while (!query.next_token.empty());
    return found;
  });
}

std::optional<PipelineSummary> Catalog::summary(const std::string& account,
                                                const std::string& name) const {
  return store_.database().read([&](store::Reader& reader) -> std::optional<PipelineSummary> {
    const auto found =
        store::find(reader, account, kPipelineKind, base::lower(base::name_of(name)));
    if (!found || found->status != "Active") return std::nullopt;
    return summary_of(reader, *found);
  });
}

}  // namespace slipway::pipelines
