#include "gitlab/commit_request.h"

#include "base/strings.h"

namespace slipway::gitlab {

forge::CommitRequest commit_request(const Parameters& given, base::Millis now) {
  forge::CommitRequest request;
  request.branch = given.required("branch");
  request.message = given.text("commit_message");
  request.start = given.text("start_branch", given.text("start_sha"));
  if (given.has("author_email") && given.has("author_name"))
    request.author = forge::Signature{given.text("author_name"), given.text("author_email"), now};
  return request;
}

std::string content_of(const Parameters& given) {
  const std::string content = given.text("content");
  if (given.one_of("encoding", {"text", "base64"}, "text") == "text") return content;
  // Clients wrap base64 as they like.
  std::string packed;
  for (const char letter : content) {
    if (letter != '\n' && letter != '\r' && letter != ' ') packed += letter;
  }
  auto bytes = base::from_base64(packed);
  if (!bytes) refuse_parameter("content is invalid");
  return std::move(*bytes);
}

void expect_last_commit(const forge::Repository& repository, forge::CommitRequest& request,
                        const std::string& last_commit, const std::string& path) {
  if (last_commit.empty()) return;
  const std::string branch = request.start.empty() ? request.branch : request.start;
  const auto head = repository.resolve(branch);
  const auto last = head ? repository.history(*head, path, 0, 1) : std::vector<forge::Commit>{};
  if (last.empty() || last.front().id != last_commit)
    throw Error("Invalid",
                "You are attempting to update a file that has changed since you started editing "
                "it.",
                400);
  if (request.start.empty()) request.expected = *head;
}

}  // namespace slipway::gitlab
