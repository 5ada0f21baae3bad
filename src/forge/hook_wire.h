#pragma once

// One JSON document each way over a Unix socket: how git's hooks and the server talk.

#include <chrono>
#include <filesystem>
#include <optional>
#include <string_view>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/file_descriptor.h"
#include "base/json.h"

namespace slipway::forge {

constexpr std::chrono::milliseconds kQuestionTime{10'000};  // to send or receive a question
constexpr std::chrono::milliseconds kAnswerTime{600'000};   // until what follows a push is done

// A path may be longer than a socket's address: the way by the open directory is short.
struct SocketAddress {
  explicit SocketAddress(const std::filesystem::path& path);
  const sockaddr* pointer() const { return reinterpret_cast<const sockaddr*>(&address); }

  base::FileDescriptor directory;
  sockaddr_un address{};
};

bool send_all(int descriptor, std::string_view bytes, std::chrono::milliseconds time);
// All that the other side sends up to its end; nothing where that is too long or no JSON.
std::optional<Json> receive_document(int descriptor, std::chrono::milliseconds time);
// The hook's side. Nothing where the server cannot be reached or does not answer in time.
std::optional<Json> ask_server(const std::filesystem::path& socket, const Json& question);

}  // namespace slipway::forge
