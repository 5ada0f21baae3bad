#include "images/tar_writer.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

namespace slipway::images {
namespace {

constexpr std::size_t kBlock = 512;
constexpr std::uint64_t kOctalLimit = 1ull << 33;  // eleven octal digits

void put_text(char* field, std::size_t width, std::string_view text) {
  std::copy_n(text.begin(), std::min(width, text.size()), field);
}

void put_octal(char* field, std::size_t width, std::uint64_t value) {
  for (std::size_t i = width - 1; i-- > 0; value >>= 3) {
    field[i] = static_cast<char>('0' + (value & 7));
  }
}

// Where a long path may be cut so that both parts fit their fields.
std::optional<std::pair<std::string_view, std::string_view>> split_path(std::string_view path) {
  if (path.size() <= 100) return std::pair{std::string_view(), path};
  if (path.size() > 256) return std::nullopt;
  for (std::size_t at = std::min<std::size_t>(155, path.size() - 2); at > 0; --at) {
    if (path[at] != '/') continue;
    if (path.size() - at - 1 > 100) return std::nullopt;
    return std::pair{path.substr(0, at), path.substr(at + 1)};
  }
  return std::nullopt;
}

// "<length> <key>=<value>\n", where the length counts its own digits.
std::string pax_record(std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (std::to_string(length).size() + rest != length) {
    length = std::to_string(length).size() + rest;
  }
  return std::to_string(length) + " " + std::string(key) + "=" + std::string(value) + "\n";
}

}  // namespace

void TarWriter::header(const TarEntry& entry, char type, std::string_view name,
                       std::string_view prefix) {
  std::array<char, kBlock> block{};
  char* const at = block.data();
  put_text(at, 100, name);
  put_octal(at + 100, 8, entry.mode);
  put_octal(at + 108, 8, 0);
  put_octal(at + 116, 8, 0);
  put_octal(at + 124, 12, entry.size < kOctalLimit ? entry.size : 0);
  put_octal(at + 136, 12, static_cast<std::uint64_t>(std::max<std::int64_t>(0, entry.time)));
  std::memset(at + 148, ' ', 8);
  at[156] = type;
  put_text(at + 157, 100, entry.link);
  std::memcpy(at + 257, "ustar\00000", 8);
  put_octal(at + 329, 8, 0);
  put_octal(at + 337, 8, 0);
  put_text(at + 345, 155, prefix);
  unsigned sum = 0;
  for (const char byte : block) sum += static_cast<unsigned char>(byte);
  put_octal(at + 148, 7, sum);  // six digits, NUL, and the blank that is there
  at[154] = '\0';
  sink_({block.data(), block.size()});
  size_ = entry.size;
  written_ = 0;
}

void TarWriter::begin(const TarEntry& entry) {
  const auto parts = split_path(entry.path);
  std::string records;
  if (!parts) records += pax_record("path", entry.path);
  if (entry.link.size() > 100) records += pax_record("linkpath", entry.link);
  if (entry.size >= kOctalLimit) records += pax_record("size", std::to_string(entry.size));
  if (!records.empty()) {
    TarEntry extended;
    extended.size = records.size();
    header(extended, 'x', "././@PaxHeader", "");
    data(records);
  }
  const auto [prefix, name] =
      parts.value_or(std::pair{std::string_view(), std::string_view(entry.path).substr(0, 100)});
  header(entry, static_cast<char>(entry.type), name, prefix);
}

void TarWriter::data(std::string_view bytes) {
  sink_(bytes);
  written_ += bytes.size();
  const std::size_t over = written_ % kBlock;
  if (written_ == size_ && over != 0) sink_(std::string(kBlock - over, '\0'));
}

void TarWriter::finish() { sink_(std::string(2 * kBlock, '\0')); }

}  // namespace slipway::images
