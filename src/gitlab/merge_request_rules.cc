#include "gitlab/merge_request_rules.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "base/strings.h"

namespace slipway::gitlab {
namespace {

constexpr std::string_view kOption = "merge_request.";

// How long the mark at the title's begin is; 0: there is none.
std::size_t draft_mark(std::string_view title) {
  constexpr std::array<std::string_view, 3> kMarks = {"draft:", "[draft]", "(draft)"};
  for (const std::string_view mark : kMarks) {
    if (base::lower(title.substr(0, mark.size())) == mark) return mark.size();
  }
  return 0;
}

// "-o merge_request.draft" and "=true" say yes.
bool yes(const std::optional<std::string>& value) {
  return !value || (*value != "false" && *value != "0" && *value != "no");
}

}  // namespace

bool is_draft(std::string_view title) { return draft_mark(base::trim(title)) > 0; }

std::string with_draft(const std::string& title, bool draft) {
  std::string_view rest = base::trim(title);
  while (const std::size_t mark = draft_mark(rest)) rest = base::trim(rest.substr(mark));
  return (draft ? "Draft: " : "") + std::string(rest);
}

std::string default_title(const std::string& branch, const std::vector<forge::Commit>& commits) {
  if (commits.size() == 1 && !base::trim(commits.front().title()).empty()) {
    return commits.front().title();
  }
  std::string words = branch;
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c == '-' || c == '_'; }, ' ');
  words.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(words.front())));
  return words;
}

std::string merge_message(const MergeRequest& one, const std::string& project_path) {
  return "Merge branch '" + one.source_branch + "' into '" + one.target_branch + "'\n\n" +
         one.title + "\n\nSee merge request " + project_path + "!" + std::to_string(one.iid);
}

PushWishes push_wishes(const std::vector<std::string>& options) {
  PushWishes wishes;
  for (const std::string& option : options) {
    if (!option.starts_with(kOption)) continue;
    wishes.any = true;
    const std::size_t equals = option.find('=');
    const std::string name = option.substr(
        kOption.size(), equals == std::string::npos ? equals : equals - kOption.size());
    std::optional<std::string> value;
    if (equals != std::string::npos) value = option.substr(equals + 1);
    if (name == "create") {
      wishes.create = yes(value);
    } else if (name == "target") {
      wishes.target = value.value_or("");
    } else if (name == "title") {
      wishes.title = value.value_or("");
    } else if (name == "description") {
      wishes.description = base::replace_all(value.value_or(""), "\\n", "\n");
    } else if (name == "draft") {
      wishes.draft = yes(value);
    } else if (name == "squash") {
      wishes.squash = yes(value);
    } else if (name == "remove_source_branch") {
      wishes.remove_source_branch = yes(value);
    } else if (name == "label") {
      wishes.labels.push_back(value.value_or(""));
    } else {
      wishes.unknown.push_back(option.substr(0, equals));
    }
  }
  std::erase(wishes.labels, "");
  return wishes;
}

std::string detailed_merge_status(const MergeRequest& one, const MergeFacts& facts) {
  if (!one.is_open()) return "not_open";
  if (!facts.has_source || !facts.has_target || !facts.has_commits) return "commits_status";
  if (is_draft(one.title)) return "draft_status";
  if (facts.conflicts) return "conflict";
  if (facts.needs_pipeline) {
    if (!facts.pipeline) return "ci_must_pass";
    if (!ci::is_complete(*facts.pipeline)) return "ci_still_running";
    const bool passed =
        *facts.pipeline == ci::Status::kSuccess || *facts.pipeline == ci::Status::kSkipped;
    if (!passed) return "ci_must_pass";
  }
  return "mergeable";
}

}  // namespace slipway::gitlab
