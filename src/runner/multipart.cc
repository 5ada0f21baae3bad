#include "runner/multipart.h"

#include "base/error.h"
#include "base/strings.h"

namespace slipway::runner {
namespace {

constexpr std::size_t kLongestHead = 16u << 10;
constexpr int kMostParts = 100;

[[noreturn]] void refuse(const std::string& why) {
  throw Error("Invalid", "The body is not multipart/form-data: " + why + ".", 400);
}

// The value of a parameter (name="…" or name=…) of a header field.
std::optional<std::string> parameter(std::string_view field, std::string_view wanted) {
  std::size_t at = field.find(';');
  while (at != std::string_view::npos) {
    ++at;
    while (at < field.size() && (field[at] == ' ' || field[at] == '\t')) ++at;
    const std::size_t equals = field.find('=', at);
    if (equals == std::string_view::npos) return std::nullopt;
    const std::string_view name = base::trim(field.substr(at, equals - at));
    std::string value;
    std::size_t end = equals + 1;
    if (end < field.size() && field[end] == '"') {
      for (++end; end < field.size() && field[end] != '"'; ++end) {
        if (field[end] == '\\' && end + 1 < field.size()) ++end;
        value += field[end];
      }
    } else {
      const std::size_t stop = field.find(';', end);
      value = base::trim(field.substr(end, stop == std::string_view::npos ? stop : stop - end));
    }
    if (base::equals_ignoring_case(name, wanted)) return value;
    at = field.find(';', end);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> boundary_of(std::string_view content_type) {
  const std::string_view type = base::trim(content_type.substr(0, content_type.find(';')));
  if (!base::equals_ignoring_case(type, "multipart/form-data")) return std::nullopt;
  auto boundary = parameter(content_type, "boundary");
  if (!boundary || boundary->empty() || boundary->size() > 70) return std::nullopt;
  return boundary;
}

MultipartReader::MultipartReader(const std::string& boundary, Begin begin, Data data)
    : delimiter_("\r\n--" + boundary), begin_(std::move(begin)), data_(std::move(data)) {}

void MultipartReader::take(std::string_view piece) {
  pending_ += piece;
  while (step()) {
  }
}

// One step on what is pending; false where more is needed.
bool MultipartReader::step() {
  switch (state_) {
    case State::kPreamble:
    case State::kData: {
      const std::size_t found = pending_.find(delimiter_);
      // The end may be the begin of a delimiter.
      const std::size_t keep = delimiter_.size() - 1;
      const std::size_t certain = found != std::string::npos ? found
                                  : pending_.size() > keep   ? pending_.size() - keep
                                                             : 0;
      if (certain > 0 && state_ == State::kData) {
        data_(std::string_view(pending_).substr(0, certain));
      }
      if (found == std::string::npos) {
        pending_.erase(0, certain);
        return false;
      }
      pending_.erase(0, found + delimiter_.size());
      state_ = State::kBoundary;
      return true;
    }
    case State::kBoundary: {
      if (pending_.size() < 2) return false;
      if (pending_.starts_with("--")) {
        state_ = State::kEnd;
        return true;
      }
      const std::size_t end = pending_.find("\r\n");
      if (end == std::string::npos) {
        if (pending_.size() > kLongestHead) refuse("a boundary does not end");
        return false;
      }
      if (!base::trim(std::string_view(pending_).substr(0, end)).empty()) {
        refuse("something follows a boundary");
      }
      pending_.erase(0, end);  // the line end may be that of an empty head
      state_ = State::kHead;
      return true;
    }
    case State::kHead: {
      const std::size_t end = pending_.find("\r\n\r\n");
      if (end == std::string::npos || end > kLongestHead) {
        if (pending_.size() > kLongestHead) refuse("a part's head is too long");
        return false;
      }
      if (++parts_ > kMostParts) refuse("it has too many parts");
      read_head(std::string_view(pending_).substr(0, end));
      pending_.erase(0, end + 4);
      state_ = State::kData;
      return true;
    }
    case State::kEnd:
      pending_.clear();
      return false;
  }
  return false;
}

void MultipartReader::read_head(std::string_view text) {
  PartHead head;
  for (const std::string& line : base::split(text, '\n')) {
    const std::string_view field = base::trim(line);
    const std::size_t colon = field.find(':');
    if (colon == std::string_view::npos) continue;
    const std::string_view name = base::trim(field.substr(0, colon));
    const std::string_view value = base::trim(field.substr(colon + 1));
    if (base::equals_ignoring_case(name, "Content-Disposition")) {
      head.name = parameter(value, "name").value_or("");
      head.filename = parameter(value, "filename");
    } else if (base::equals_ignoring_case(name, "Content-Type")) {
      head.content_type = value;
    }
  }
  begin_(head);
}

void MultipartReader::finish() const {
  if (state_ != State::kEnd) refuse("its last boundary is missing");
}

}  // namespace slipway::runner
