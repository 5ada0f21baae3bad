#include "ci_config/specification.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "ci_config/conditions.h"

namespace slipway::ci_config {
namespace {

Json texts_as_json(const Node& node) {
  Json list = Json::array();
  for (const std::string& text : texts_of(node)) list.push_back(text);
  return list;
}

// A name, or a mapping with one, as a mapping.
Json image_of(const Node& node) {
  if (!node.is_mapping()) return {{"name", node.text}};
  Json image = Json::object();
  for (const Member& member : node.members) {
    if (member.value.is_null()) continue;
    if (member.key == "pull_policy") {
      image["pull_policy"] = texts_as_json(member.value);
    } else if (member.key == "variables") {
      Json variables = Json::object();
      for (const Variable& one : variables_of(member.value)) variables[one.key] = one.value;
      image["variables"] = std::move(variables);
    } else {
      image[member.key] = json_of(member.value);
    }
  }
  return image;
}

Json artifacts_of(const Node& node) {
  Json artifacts = json_of(node);
  for (const Member& member : node.members) {
    if (member.value.is_null()) artifacts.erase(member.key);
  }
  const Node* reports = node.given("reports");
  if (!reports) return artifacts;
  Json lists = Json::object();
  for (const Member& member : reports->members) {
    if (member.value.is_null()) continue;
    lists[member.key] =
        member.value.is_mapping() ? json_of(member.value) : texts_as_json(member.value);
  }
  artifacts["reports"] = std::move(lists);
  return artifacts;
}

// cache:key:files: a key that changes when one of the files does.
std::string key_of_files(const Node& key, Source& source) {
  const Node* files = key.given("files");
  if (!files) files = key.given("files_commits");
  std::string contents;
  for (const std::string& path : files ? texts_of(*files) : std::vector<std::string>()) {
    const auto text = source.local(path);
    if (text) contents += path + '\0' + base::sha256_hex(*text) + '\n';
  }
  const std::string name =
      contents.empty() ? "default" : base::hex(base::digest(base::Algorithm::kSha1, contents));
  const Node* prefix = key.given("prefix");
  return prefix && !prefix->text.empty() ? prefix->text + '-' + name : name;
}

Json cache_of(const Node& node, Source& source) {
  Json cache = {{"key", "default"},   {"policy", "pull-push"},  {"when", "on_success"},
                {"unprotect", false}, {"paths", Json::array()}, {"fallback_keys", Json::array()}};
  for (const Member& member : node.members) {
    if (!member.value.is_null()) cache[member.key] = json_of(member.value);
  }
  if (const Node* key = node.given("key"); key && key->is_mapping()) {
    cache["key"] = key_of_files(*key, source);
  }
  return cache;
}

Json caches_of(const Node& node, Source& source) {
  Json caches = Json::array();
  const auto add = [&](const Node& one) {
    Json cache = cache_of(one, source);
    const bool untracked = cache.contains("untracked") && cache["untracked"] == true;
    // `cache: {}` is the way to say "none".
    if (untracked || !cache["paths"].empty()) caches.push_back(std::move(cache));
  };
  if (node.is_mapping()) add(node);
  for (const Node& item : node.items) add(item);
  return caches;
}

Json environment_of(const Node& node) {
  Json environment = node.is_mapping() ? json_of(node) : Json{{"name", node.text}};
  if (!environment.contains("action") || environment["action"].is_null()) {
    environment["action"] = "start";
  }
  return environment;
}

std::vector<int> integers_of(const Node& node) {
  std::vector<int> values;
  if (node.is(Kind::kInteger)) values.push_back(static_cast<int>(node.integer));
  for (const Node& item : node.items) values.push_back(static_cast<int>(item.integer));
  return values;
}

Retry retry_of(const Node& node) {
  Retry retry;
  if (node.is(Kind::kInteger)) {
    retry.max = static_cast<int>(node.integer);
    return retry;
  }
  if (const Node* max = node.given("max")) retry.max = static_cast<int>(max->integer);
  if (const Node* when = node.given("when")) retry.when = texts_of(*when);
  if (const Node* codes = node.given("exit_codes")) retry.exit_codes = integers_of(*codes);
  if (std::find(retry.when.begin(), retry.when.end(), "always") != retry.when.end()) {
    retry.when.clear();
  }
  return retry;
}

// "/expression/flags" without the slashes; the flags go inside.
std::string coverage_of(const std::string& text) {
  const std::size_t end = text.rfind('/');
  if (text.empty() || end == 0 || end == std::string::npos) return text;
  const std::string flags = text.substr(end + 1);
  return (flags.empty() ? "" : "(?" + flags + ")") + text.substr(1, end - 1);
}

TriggerSpec trigger_of(const Node& node) {
  TriggerSpec trigger;
  if (!node.is_mapping()) {
    trigger.project = node.text;
    return trigger;
  }
  const auto text = [&node](const char* key) {
    const Node* value = node.given(key);
    return value ? value->text : std::string();
  };
  trigger.project = text("project");
  trigger.branch = text("branch");
  trigger.strategy = text("strategy");
  if (const Node* forward = node.given("forward")) {
    const Node* yaml = forward->given("yaml_variables");
    const Node* pipeline = forward->given("pipeline_variables");
    if (yaml) trigger.forward_yaml_variables = yaml->boolean;
    if (pipeline) trigger.forward_pipeline_variables = pipeline->boolean;
  }
  const auto add = [&trigger](const Node& entry) {
    if (entry.is_mapping()) {
      trigger.include.push_back(json_of(entry));
    } else if (entry.is_text()) {
      const bool remote = entry.text.starts_with("http://") || entry.text.starts_with("https://");
      trigger.include.push_back({{remote ? "remote" : "local", entry.text}});
    }
  };
  if (const Node* include = node.given("include")) {
    add(*include);
    for (const Node& item : include->items) add(item);
  }
  return trigger;
}

std::vector<std::string> script_of(const Node& config, std::initializer_list<const char*> keys) {
  std::vector<std::string> lines;
  for (const char* key : keys) {
    const Node* script = config.given(key);
    if (!script) continue;
    auto some = texts_of(*script);
    lines.insert(lines.end(), std::make_move_iterator(some.begin()),
                 std::make_move_iterator(some.end()));
  }
  return lines;
}

void put_options(const Node& config, Source& source, Json& options) {
  if (const Node* image = config.given("image")) options["image"] = image_of(*image);
  if (const Node* services = config.given("services")) {
    options["services"] = Json::array();
    for (const Node& service : services->items) options["services"].push_back(image_of(service));
  }
  if (const Node* one = config.given("artifacts")) options["artifacts"] = artifacts_of(*one);
  if (const Node* cache = config.given("cache")) options["cache"] = caches_of(*cache, source);
  if (const Node* confirmation = config.given("manual_confirmation")) {
    options["manual_confirmation"] = confirmation->text;
  }
}

}  // namespace

Json json_of(const Node& node) {
  switch (node.kind) {
    case Kind::kNull:
      return nullptr;
    case Kind::kBoolean:
      return node.boolean;
    case Kind::kInteger:
      return node.integer;
    case Kind::kFloat:
      return base::parse_number(node.text).value_or(0);
    case Kind::kText:
      return node.text;
    case Kind::kReference:
    case Kind::kSequence: {
      Json list = Json::array();
      for (const Node& item : node.items) list.push_back(json_of(item));
      return list;
    }
    case Kind::kMapping: {
      Json object = Json::object();
      for (const Member& member : node.members) object[member.key] = json_of(member.value);
      return object;
    }
  }
  return nullptr;
}

JobSpec specify(const Job& job, const Decision& decision, Source& source) {
  const Node& config = *job.config;
  JobSpec spec;
  spec.name = job.name;
  spec.base_name = job.base_name;
  spec.stage = job.stage;
  spec.when = decision.when;
  spec.start_in = decision.start_in;
  spec.allow_failure = decision.allow_failure;
  spec.node_index = job.node_index;
  spec.node_total = job.node_total;
  const Node* allow = config.given("allow_failure");
  if (allow && allow->is_mapping() && decision.keeps_exit_codes) {
    spec.allow_failure_exit_codes = integers_of(*allow->find("exit_codes"));
  }
  if (const Node* group = config.given("resource_group")) spec.resource_group = group->text;
  if (const Node* environment = config.given("environment")) {
    spec.environment = environment_of(*environment);
  }
  if (const Node* interruptible = config.given("interruptible")) {
    spec.interruptible = interruptible->boolean;
  }
  spec.interruptible = decision.interruptible.value_or(spec.interruptible);
  if (job.is_trigger) {
    spec.trigger = trigger_of(*config.find("trigger"));
    return spec;
  }
  spec.script = script_of(config, {"before_script", "script"});
  spec.after_script = script_of(config, {"after_script"});
  if (const Node* tags = config.given("tags")) spec.tags = texts_of(*tags);
  if (const Node* retry = config.given("retry")) spec.retry = retry_of(*retry);
  if (const Node* timeout = config.given("timeout")) spec.timeout = parse_duration(timeout->text);
  if (const Node* coverage = config.given("coverage")) spec.coverage = coverage_of(coverage->text);
  put_options(config, source, spec.options);
  return spec;
}

}  // namespace slipway::ci_config
