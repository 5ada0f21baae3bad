#pragma once

// What the operations of CloudWatch Logs share.

#include <optional>
#include <string>
#include <string_view>

#include "observe/log_operations.h"
#include "observe/log_store.h"

namespace slipway::observe {

[[noreturn]] void refuse_parameter(const std::string& message);
[[noreturn]] void throw_no_group();
[[noreturn]] void throw_no_stream();

// The name in logGroupName or logGroupIdentifier, which may be an ARN, with ":*" or without.
std::string group_name(const Json& input);
LogGroup require_group(store::Reader& reader, const LogsCaller& caller, const std::string& name);
LogStream require_stream(store::Reader& reader, const LogGroup& group, const std::string& name);

// Without ":*".
std::string group_arn(const LogsCaller& caller, const std::string& name);

// Tokens. "f/<position>" and "b/<position>" of GetLogEvents: lines after and before it. 28 digits
// of time and 28 of sequence.
enum class TokenKind { kForward, kBackward };
struct EventToken {
  TokenKind kind = TokenKind::kForward;
  LogPosition position;
};
std::string write_token(const EventToken& token);
std::optional<EventToken> parse_token(std::string_view text);

}  // namespace slipway::observe
