#include "ci_config/yaml_reader.h"

#include <map>
#include <sstream>
#include <unordered_map>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "base/error.h"
#include "base/strings.h"
#include "ci_config/yaml_scalar.h"

namespace slipway::ci_config {
namespace {

constexpr std::size_t kMostDocuments = 16;

[[noreturn]] void fail(const std::string& message, int line = 0) {
  throw base::Error("InvalidConfig", message, 400, line > 0 ? Json{{"line", line}} : Json(nullptr));
}

[[noreturn]] void fail_at(const std::string& problem, int line, int column) {
  fail("(<unknown>): " + problem + " at line " + std::to_string(line) + " column " +
           std::to_string(column),
       line);
}

// Builds the document out of yaml-cpp's events. The events are used rather than its nodes because
// only they keep the difference between 'on' and on, and the order of merge keys.
class Builder final : public YAML::EventHandler {
 public:
  Builder(int file, Budget& budget, const YamlLimits& limits)
      : file_(file), budget_(budget), limits_(limits) {}

  void OnDocumentStart(const YAML::Mark& mark) override { document_ = at(mark); }
  void OnDocumentEnd() override {}
  void OnAnchor(const YAML::Mark&, const std::string&) override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    if (!open_.empty() && open_.back().key && !open_.back().flow) {
      valueless_.push_back(open_.back().key_at);
    }
    Node node;
    node.position = at(mark);
    finish(std::move(node), anchor, Plain::kYes);
  }

  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    // The anchor is there (yaml-cpp knows it) but not closed: the document contains itself.
    if (found == anchors_.end()) fail("The parsed YAML is too big", mark.line + 1);
    finish(budget_.copy(found->second), 0, Plain::kYes);
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    const bool plain = tag == "?" || tag.empty();
    last_scalar_ = plain ? Position{} : at(mark);
    Node node;
    if (plain || (tag.starts_with("tag:yaml.org,2002:") && tag != "tag:yaml.org,2002:str")) {
      try {
        node = resolve_plain(value);
      } catch (const base::Error& error) {
        fail(error.message(), mark.line + 1);
      }
    } else if (tag == "!reference") {
      fail("!reference \"" + value + "\" is not valid", mark.line + 1);
    } else {
      node = Node::of_text(value);
    }
    node.position = at(mark);
    finish(std::move(node), anchor, plain ? Plain::kYes : Plain::kNo);
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value style) override {
    open(mark, tag == "!reference" ? Kind::kReference : Kind::kSequence, anchor, style);
  }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value style) override {
    if (tag == "!reference") fail("!reference {} is not valid", mark.line + 1);
    open(mark, Kind::kMapping, anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapEnd() override { close(); }

  // Keys without a value, of mappings in block style: perhaps without a colon.
  const std::vector<Position>& valueless() const { return valueless_; }

  // Where the last scalar with quotes or a tag begins; line 0 where a plain one came last.
  Position last_scalar() const { return last_scalar_; }

  std::optional<Node> take() { return std::exchange(root_, std::nullopt); }

  // Where the last document begins: at its "---" where it has one.
  Position document() const { return document_; }

  // The innermost collection that is still open: what libyaml reports.
  struct Innermost {
    Position begins;
    bool is_mapping = false;
    bool is_flow = false;
  };
  std::optional<Innermost> innermost() const {
    if (open_.empty()) return std::nullopt;
    const Open& one = open_.back();
    return Innermost{one.node.position, one.node.is_mapping(), one.flow};
  }

 private:
  enum class Plain { kYes, kNo };

  struct Open {
    Node node;
    YAML::anchor_t anchor = 0;
    bool flow = false;
    // Of a mapping: the key that waits for its value, and where each key is.
    std::optional<Member> key;
    Position key_at;
    bool merges = false;
    std::unordered_map<std::string, std::size_t> places;
  };

  Position at(const YAML::Mark& mark) const { return {file_, mark.line + 1, mark.column + 1}; }

  void open(const YAML::Mark& mark, Kind kind, YAML::anchor_t anchor,
            YAML::EmitterStyle::value style) {
    if (static_cast<int>(open_.size()) >= limits_.depth) fail("The parsed YAML is too big");
    budget_.spend(1);
    Open& one = open_.emplace_back();
    one.node.kind = kind;
    one.node.position = at(mark);
    one.anchor = anchor;
    one.flow = style == YAML::EmitterStyle::Flow;
  }

  void close() {
    Open one = std::move(open_.back());
    open_.pop_back();
    if (one.node.is(Kind::kReference)) check_reference(one.node);
    finish(std::move(one.node), one.anchor, Plain::kNo);
  }

  static void check_reference(const Node& node) {
    bool valid = !node.items.empty();
    for (const Node& item : node.items) valid = valid && item.is_text();
    if (!valid) {
      fail("!reference is not valid: it needs a list of strings", node.position.line);
    }
  }

  void finish(Node node, YAML::anchor_t anchor, Plain plain) {
    budget_.spend(1);
    if (anchor != 0) anchors_[anchor] = budget_.copy(node);
    if (open_.empty()) {
      root_ = std::move(node);
      return;
    }
    Open& parent = open_.back();
    if (!parent.node.is_mapping()) {
      parent.node.items.push_back(std::move(node));
    } else if (!parent.key) {
      parent.merges = plain == Plain::kYes && node.is_text() && node.text == "<<";
      parent.key = Member{node.text, node.kind, {}};
      parent.key_at = node.position;
    } else {
      Member member = std::move(*parent.key);
      parent.key.reset();
      if (!parent.merges || !merge(parent, node)) {
        member.value = std::move(node);
        // A collection is known by its key's line: its own may be the next one.
        if (!member.value.is_scalar()) member.value.position = parent.key_at;
        put(parent, std::move(member));
      }
    }
  }

  static void put(Open& parent, Member member) {
    const auto [place, is_new] = parent.places.emplace(member.key, parent.node.members.size());
    if (is_new) {
      parent.node.members.push_back(std::move(member));
    } else {
      parent.node.members[place->second].value = std::move(member.value);
    }
  }

  // As Psych does: what is merged replaces the keys before it; keys after it replace what is
  // merged; of a list, earlier mappings win.
  bool merge(Open& parent, const Node& value) {
    if (value.is_mapping()) {
      budget_.spend(count_nodes(value));
      for (const Member& member : value.members) put(parent, member);
      return true;
    }
    if (!value.is_sequence()) return false;
    for (const Node& item : value.items) {
      if (!item.is_mapping()) return false;
    }
    for (auto item = value.items.rbegin(); item != value.items.rend(); ++item) {
      budget_.spend(count_nodes(*item));
      for (const Member& member : item->members) put(parent, member);
    }
    return true;
  }

  const int file_;
  Budget& budget_;
  const YamlLimits& limits_;
  std::vector<Open> open_;
  std::map<YAML::anchor_t, Node> anchors_;
  std::optional<Node> root_;
  Position last_scalar_;
  Position document_;
  std::vector<Position> valueless_;
};

struct Wording {
  std::string_view theirs;  // yaml-cpp's message begins so
  std::string_view ours;    // libyaml's problem and context
};

constexpr std::string_view kNoColon = "could not find expected ':' while scanning a simple key";
constexpr std::string_view kNoToken =
    "found character that cannot start any token while scanning for the next token";

constexpr Wording kWordings[] = {
    {"illegal map value", "mapping values are not allowed in this context"},
    {"illegal map key", "mapping keys are not allowed in this context"},
    {"illegal block entry", "block sequence entries are not allowed in this context"},
    {"illegal document indicator in scalar",
     "found unexpected document indicator while scanning a quoted scalar"},
    {"unknown escape character", "found unknown escape character while parsing a quoted scalar"},
    {"unknown token", kNoToken},
    {"illegal tab when looking for indentation", kNoToken},
    {"illegal flow end", "did not find expected node content while parsing a block node"},
    {"unexpected character in block scalar",
     "did not find expected comment or line break while scanning a block scalar"},
    {"alias not found after *",
     "did not find expected alphabetic or numeric character while scanning an alias"},
    {"anchor not found after &",
     "did not find expected alphabetic or numeric character while scanning an anchor"},
};

std::size_t offset_of(const std::string& text, int line, int column) {
  std::size_t start = 0;
  for (int i = 1; i < line; ++i) {
    const std::size_t end = text.find('\n', start);
    if (end == std::string::npos) return text.size();
    start = end + 1;
  }
  return std::min(text.size(), start + static_cast<std::size_t>(column - 1));
}

// yaml-cpp takes a quoted text that is never closed for one that ends with the file. Only the last
// scalar can be such a one.
void check_last_quote(const std::string& text, Position start) {
  if (start.line == 0) return;
  std::size_t i = text.find_first_of("\"'|>", offset_of(text, start.line, start.column));
  if (i == std::string::npos || text[i] == '|' || text[i] == '>') return;
  const char quote = text[i++];
  while (i < text.size() && text[i] != quote) {
    i += quote == '"' && text[i] == '\\' ? 2 : 1;
    // Two single quotes are one in the text.
    if (quote == '\'' && i + 1 < text.size() && text[i] == quote && text[i + 1] == quote) i += 2;
  }
  if (i < text.size()) return;
  fail_at("found unexpected end of stream while scanning a quoted scalar", start.line,
          start.column);
}

// The name of the alias at a place: "*name".
std::string alias_at(const std::string& text, int line, int column) {
  const std::size_t start = text.find('*', offset_of(text, line, column));
  if (start == std::string::npos) return "";
  const std::size_t end = text.find_first_of(" \t\r\n,[]{}", start);
  return text.substr(start + 1, end == std::string::npos ? end : end - start - 1);
}

std::string_view unexpected_in(const Builder::Innermost& open) {
  if (open.is_flow && open.is_mapping) {
    return "did not find expected ',' or '}' while parsing a flow mapping";
  }
  if (open.is_flow) return "did not find expected ',' or ']' while parsing a flow sequence";
  if (open.is_mapping) return "did not find expected key while parsing a block mapping";
  return "did not find expected '-' indicator while parsing a block collection";
}

// yaml-cpp takes what does not belong to a document for the next one.
void check_document_start(const std::string& text, Position start, const Node& before) {
  const std::size_t offset = offset_of(text, start.line, start.column);
  if (std::string_view(text).substr(offset).starts_with("---")) return;
  const Position root = before.position;
  const bool is_flow = std::string_view("{[").find(text[offset_of(text, root.line, root.column)]) !=
                       std::string_view::npos;
  if (is_flow || (!before.is_mapping() && !before.is_sequence())) {
    fail_at("did not find expected <document start>", start.line, start.column);
  }
  const Builder::Innermost open{before.position, before.is_mapping(), false};
  fail_at(std::string(unexpected_in(open)), open.begins.line, open.begins.column);
}

// Whether what begins at a place is a key without a colon on its own line.
bool lacks_colon(const std::string& text, int line, int column) {
  const std::size_t start = offset_of(text, line, column);
  const std::size_t line_start = offset_of(text, line, 1);
  const auto before = base::trim(std::string_view(text).substr(line_start, start - line_start));
  if (before.ends_with('?')) return false;  // an explicit key
  std::string_view rest = std::string_view(text).substr(start);
  rest = rest.substr(0, rest.find('\n'));
  rest = base::trim(rest.substr(0, rest.find(" #")));
  if (rest.empty() || std::string_view("-?\"'{[&*!|>#").find(rest[0]) != std::string_view::npos) {
    return false;
  }
  return !rest.ends_with(':') && rest.find(": ") == std::string_view::npos &&
         rest.find(":\t") == std::string_view::npos;
}

// A line that should be a key but has no colon runs on into the next ones, one of which has the
// colon that is then too many:
//   script
//     stage: test
std::optional<Position> key_without_colon(const std::string& text, int line,
                                          const Builder::Innermost& open) {
  if (!open.is_mapping || open.is_flow) return std::nullopt;
  const auto lines = base::split(text, '\n');
  const auto column = static_cast<std::size_t>(open.begins.column - 1);
  for (int at = line; at > open.begins.line; --at) {
    const auto place = static_cast<std::size_t>(at - 1);
    if (place >= lines.size()) return std::nullopt;
    if (base::trim(lines[place]).empty()) continue;
    const std::size_t indent = lines[place].find_first_not_of(' ');
    if (indent < column) return std::nullopt;
    if (indent == column && at < line) {
      if (!lacks_colon(text, at, static_cast<int>(column) + 1)) return std::nullopt;
      return Position{0, at, static_cast<int>(column) + 1};
    }
  }
  return std::nullopt;
}

// yaml-cpp takes a tab for a space, and fails later for another reason.
std::optional<int> tab_in_indentation(const std::string& text, int line) {
  const std::size_t start = offset_of(text, line, 1);
  for (std::size_t i = start; i < text.size() && (text[i] == ' ' || text[i] == '\t'); ++i) {
    if (text[i] == '\t') return static_cast<int>(i - start) + 1;
  }
  return std::nullopt;
}

// libyaml tells where an alias, an anchor or a block scalar begins, yaml-cpp where it goes wrong.
int start_of_token(std::string_view problem, const std::string& text, int line, int column) {
  std::string_view marks;
  if (problem.starts_with("alias")) marks = "*";
  if (problem.starts_with("anchor")) marks = "&";
  if (problem.ends_with("block scalar")) marks = "|>";
  if (marks.empty()) return column;
  const std::size_t first = offset_of(text, line, 1);
  const std::size_t mark = text.find_last_of(marks, offset_of(text, line, column));
  if (mark == std::string::npos || mark < first) return column;
  return static_cast<int>(mark - first) + 1;
}

[[noreturn]] void fail_as_libyaml(const YAML::Exception& error, const Builder& builder,
                                  const std::string& text) {
  const int line = error.mark.line + 1;
  const int column = error.mark.column + 1;
  if (error.msg.starts_with("the referenced anchor is not defined")) {
    fail("An alias referenced an unknown anchor: " + alias_at(text, line, column), line);
  }
  const auto open = builder.innermost();
  check_last_quote(text, builder.last_scalar());
  if (const auto tab = tab_in_indentation(text, line)) fail_at(std::string(kNoToken), line, *tab);
  const bool unexpected_end =
      error.msg.starts_with("end of ") || error.msg.starts_with("illegal flow end") ||
      (error.msg.starts_with("illegal block entry") && open && open->is_flow && open->is_mapping);
  if (unexpected_end && open) {
    fail_at(std::string(unexpected_in(*open)), open->begins.line, open->begins.column);
  }
  if (error.msg.starts_with("illegal map value") && open) {
    if (const auto key = key_without_colon(text, line, *open)) {
      fail_at(std::string(kNoColon), key->line, key->column);
    }
  }
  for (const Wording& wording : kWordings) {
    if (!error.msg.starts_with(wording.theirs)) continue;
    fail_at(std::string(wording.ours), line, start_of_token(wording.theirs, text, line, column));
  }
  if (error.msg.find("ecursion") != std::string::npos ||
      error.msg.find("depth") != std::string::npos) {
    fail("The parsed YAML is too big");
  }
  fail_at(error.msg, line, column);
}

// libyaml's reader refuses these before anything is parsed.
void check_characters(const std::string& text) {
  const bool valid = base::is_utf8(text);
  int line = 1;
  int column = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c & 0xC0) != 0x80) ++column;
    if (!valid && c >= 0x80) {
      std::size_t length = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
      if (!base::is_utf8(std::string_view(text).substr(i, length))) {
        fail_at("invalid leading UTF-8 octet", line, column);
      }
      i += length - 1;
      continue;
    }
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F) {
      fail_at("control characters are not allowed", line, column);
    }
    if (c == '\n') {
      ++line;
      column = 0;
    }
  }
}

}  // namespace

std::vector<Node> read_yaml(const std::string& text, int file, Budget& budget,
                            const YamlLimits& limits) {
  if (text.size() > limits.bytes) fail("The parsed YAML is too big");
  check_characters(text);
  Builder builder(file, budget, limits);
  std::vector<Node> documents;
  try {
    // With a line's end at the end an open quote is found by check_last_quote(), which knows where
    // it begins.
    std::istringstream input(text.ends_with('\n') ? text : text + '\n');
    YAML::Parser parser(input);
    while (parser.HandleNextDocument(builder)) {
      auto root = builder.take();
      if (!documents.empty()) check_document_start(text, builder.document(), documents.back());
      documents.push_back(root ? std::move(*root) : Node{});
      if (documents.size() > kMostDocuments) fail("The parsed YAML is too big");
    }
  } catch (const YAML::Exception& error) {
    fail_as_libyaml(error, builder, text);
  }
  check_last_quote(text, builder.last_scalar());
  for (const Position& key : builder.valueless()) {
    if (lacks_colon(text, key.line, key.column)) {
      fail_at(std::string(kNoColon), key.line, key.column);
    }
  }
  return documents;
}

}  // namespace slipway::ci_config
