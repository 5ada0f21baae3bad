#include "forge/raw_commit.h"

#include <algorithm>

#include "base/strings.h"

namespace slipway::forge {
namespace {

Commit parse_commit(std::string_view id, std::string_view raw) {
  Commit commit;
  commit.id = std::string(id);
  while (!raw.empty()) {
    const std::size_t end = std::min(raw.find('\n'), raw.size());
    const std::string_view line = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    if (line.empty()) break;  // then the message
    const std::size_t space = line.find(' ');
    if (space == std::string_view::npos) continue;
    const std::string_view name = line.substr(0, space);  // empty: a signature goes on
    const std::string_view value = line.substr(space + 1);
    if (name == "parent") commit.parents.emplace_back(value);
    if (name == "author") commit.author = parse_signature(value).value_or(Signature());
    if (name == "committer") commit.committer = parse_signature(value).value_or(Signature());
  }
  commit.message = std::string(raw);
  return commit;
}

}  // namespace

std::vector<Commit> parse_commit_batch(std::string_view output) {
  std::vector<Commit> commits;
  while (!output.empty()) {
    // "<id> commit <size>\n<bytes>\n", or "<name> missing\n"
    const std::size_t end = output.find('\n');
    if (end == std::string_view::npos) break;
    const std::vector<std::string> words = base::split(output.substr(0, end), ' ');
    output.remove_prefix(end + 1);
    if (words.size() != 3) continue;
    const auto size = base::parse_integer(words[2]);
    if (!size || *size < 0 || static_cast<std::size_t>(*size) > output.size()) break;
    const auto length = static_cast<std::size_t>(*size);
    if (words[1] == "commit") commits.push_back(parse_commit(words[0], output.substr(0, length)));
    output.remove_prefix(std::min(length + 1, output.size()));
  }
  return commits;
}

std::optional<Signature> parse_signature(std::string_view text) {
  const std::size_t open = text.find('<');
  const std::size_t close = text.rfind('>');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return std::nullopt;
  }
  Signature signature;
  signature.name = std::string(base::trim(text.substr(0, open)));
  signature.email = std::string(text.substr(open + 1, close - open - 1));
  const std::string_view time = base::trim(text.substr(close + 1));
  const auto seconds = base::parse_integer(time.substr(0, time.find(' ')));
  signature.at = seconds.value_or(0) * 1000;
  return signature;
}

Signature cleaned(Signature signature) {
  for (std::string* part : {&signature.name, &signature.email}) {
    std::erase_if(
        *part, [](char c) { return c == '<' || c == '>' || static_cast<unsigned char>(c) < ' '; });
    *part = std::string(base::utf8_prefix(base::trim(*part), 255));
  }
  if (signature.name.empty()) signature.name = "unknown";
  if (signature.email.empty()) signature.email = "unknown@localhost";
  return signature;
}

}  // namespace slipway::forge
