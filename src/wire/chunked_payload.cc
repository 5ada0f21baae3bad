#include "wire/chunked_payload.h"

#include "base/digest.h"
#include "base/error.h"
#include "base/strings.h"
#include "wire/sigv4_keys.h"

namespace slipway::wire {
namespace {

constexpr std::size_t kLongestLine = 4096;      // bytes, of a chunk's head or a trailer
constexpr std::size_t kLongestTrailer = 16384;  // bytes, all of them
constexpr std::string_view kEmptySha256 =
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

[[noreturn]] void refuse(const std::string& why) {
  throw Error("InvalidRequest", "The aws-chunked body is malformed: " + why);
}

// Where the decoded bytes go.
class Sink {
 public:
  explicit Sink(store::Spool* spool) : digest_(base::Algorithm::kSha256) {
    if (spool) file_ = std::make_shared<store::Spool::File>(spool->create());
  }

  void append(std::string_view bytes) {
    size_ += bytes.size();
    if (!file_) {
      memory_.append(bytes);
      return;
    }
    digest_.update(bytes);
    file_->append(bytes);
  }

  std::uint64_t size() const { return size_; }

  net::Body finish() {
    if (!file_) return net::Body(std::move(memory_));
    return net::Body(std::move(file_), size_, base::hex(digest_.finish()));
  }

 private:
  std::string memory_;
  std::shared_ptr<store::Spool::File> file_;
  base::Digest digest_;
  std::uint64_t size_ = 0;
};

// Takes the body in pieces of any size and gives the bytes of its chunks to the sink.
class ChunkReader {
 public:
  ChunkReader(const ChunkPromise& promise, Sink& sink)
      : promise_(promise), sink_(sink), mac_(promise.signing_key), previous_(promise.signature) {}

  void feed(std::string_view bytes) {
    while (!bytes.empty()) {
      if (state_ == State::kData) {
        const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size()));
        const std::string_view data = bytes.substr(0, count);
        if (promise_.is_signed) hash_.update(data);
        sink_.append(data);
        bytes.remove_prefix(count);
        left_ -= count;
        if (left_ == 0) state_ = State::kDataEnd;
        continue;
      }
      if (state_ == State::kDone) refuse("it goes on after its end");
      const std::size_t end = bytes.find('\n');
      line_.append(bytes.substr(0, end));
      if (line_.size() > kLongestLine) refuse("a line is too long");
      if (end == std::string_view::npos) return;
      bytes.remove_prefix(end + 1);
      if (line_.ends_with('\r')) line_.pop_back();
      std::string line;
      line.swap(line_);
      take(line);
    }
  }

  net::Headers finish() {
    // The last empty line is left out by some clients.
    if (state_ != State::kDone && !(state_ == State::kTrailer && line_.empty()))
      throw Error("IncompleteBody",
                  "The request body terminated unexpectedly: its last chunk is missing");
    if (promise_.is_signed && promise_.has_trailer) check_trailer();
    return std::move(trailers_);
  }

 private:
  enum class State { kHead, kData, kDataEnd, kTrailer, kDone };

  void take(const std::string& line) {
    switch (state_) {
      case State::kHead:
        return take_head(line);
      case State::kDataEnd:
        if (!line.empty()) refuse("a chunk is longer than it says");
        check_chunk();
        state_ = State::kHead;
        return;
      case State::kTrailer:
        return take_trailer(line);
      default:
        return;
    }
  }

  void take_head(const std::string& line) {
    const std::size_t digits = line.find_first_not_of("0123456789abcdefABCDEF");
    const std::string size = line.substr(0, digits);
    if (size.empty() || size.size() > 15) refuse("a chunk's size is no number");
    left_ = std::stoull(size, nullptr, 16);
    constexpr std::string_view kName = ";chunk-signature=";
    const std::size_t at = line.find(kName);
    signature_ = at == std::string::npos ? "" : line.substr(at + kName.size(), 64);
    if (promise_.is_signed && signature_.empty()) refuse("a chunk has no signature");
    if (left_ != 0) {
      state_ = State::kData;
      return;
    }
    check_chunk();
    state_ = State::kTrailer;
  }

  void take_trailer(const std::string& line) {
    if (line.empty()) {
      // One client's library ends a trailer by "\n\r\n", which looks like the end.
      const bool complete =
          !promise_.has_trailer ||
          (trailers_.size() != 0 && (!promise_.is_signed || !trailer_signature_.empty()));
      if (complete) state_ = State::kDone;
      return;
    }
    trailer_bytes_ += line.size();
    const std::size_t colon = line.find(':');
    if (!promise_.has_trailer || colon == std::string::npos || trailer_bytes_ > kLongestTrailer)
      refuse("it has a trailer that it did not announce");
    const std::string name = base::lower(base::trim(std::string_view(line).substr(0, colon)));
    const std::string value(base::trim(std::string_view(line).substr(colon + 1)));
    if (name == "x-amz-trailer-signature") {
      trailer_signature_ = value;
    } else {
      signed_trailer_ += name + ":" + value + "\n";
      trailers_.add(name, value);
    }
  }

  void check_chunk() {
    if (!promise_.is_signed) return;
    std::string text = "AWS4-HMAC-SHA256-PAYLOAD\n" + promise_.time + "\n" + promise_.scope + "\n" +
                       previous_ + "\n" + std::string(kEmptySha256) + "\n";
    const auto digest = as_hex(hash_.finish());
    text.append(digest.data(), digest.size());
    check(text, signature_);
    previous_ = signature_;
    hash_ = Sha256();
  }

  void check_trailer() {
    check("AWS4-HMAC-SHA256-TRAILER\n" + promise_.time + "\n" + promise_.scope + "\n" + previous_ +
              "\n" + sha256_hex_quickly(signed_trailer_),
          trailer_signature_);
  }

  void check(std::string_view text, std::string_view signature) const {
    const auto expected = as_hex(mac_.of(text));
    if (!base::equals_in_constant_time({expected.data(), expected.size()}, signature))
      throw Error("SignatureDoesNotMatch", std::string(message_of(Refusal::kWrongSignature)), 403);
  }

  const ChunkPromise& promise_;
  Sink& sink_;
  const HmacSha256 mac_;
  std::string previous_;
  State state_ = State::kHead;
  std::string line_;
  std::uint64_t left_ = 0;
  Sha256 hash_;
  std::string signature_, trailer_signature_, signed_trailer_;
  std::size_t trailer_bytes_ = 0;
  net::Headers trailers_;
};

}  // namespace

std::optional<ChunkPromise> chunk_promise(const Verified& verified, const net::Headers& headers) {
  const std::string& payload = verified.claim.payload_sha256;
  if (!payload.starts_with("STREAMING-")) return std::nullopt;
  ChunkPromise promise;
  if (payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD") {
    promise.is_signed = true;
  } else if (payload == "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER") {
    promise.is_signed = promise.has_trailer = true;
  } else if (payload == "STREAMING-UNSIGNED-PAYLOAD-TRAILER") {
    promise.has_trailer = true;
  } else {
    throw Error("NotImplemented", "The payload kind " + payload + " is not implemented", 501);
  }
  // Announced trailers are what make the framing one with trailers.
  if (!headers.has("x-amz-trailer")) promise.has_trailer = false;
  const Claim& claim = verified.claim;
  promise.signing_key = verified.signing_key;
  promise.signature = claim.signature;
  promise.time = claim.time;
  promise.scope = claim.date + "/" + claim.region + "/" + claim.service + "/aws4_request";
  if (const auto length = headers.find("x-amz-decoded-content-length")) {
    const auto number = base::parse_integer(*length);
    if (!number || *number < 0)
      throw Error("InvalidArgument", "The value of x-amz-decoded-content-length is no length");
    promise.decoded_length = static_cast<std::uint64_t>(*number);
  }
  return promise;
}

ChunkedPayload decode_chunks(const net::Body& framed, const ChunkPromise& promise,
                             store::Spool* spool) {
  if (!framed.in_memory() && !spool)
    base::throw_internal("a chunked body needs a spool, and none was given");
  Sink sink(framed.in_memory() ? nullptr : spool);
  ChunkReader reader(promise, sink);
  framed.for_each_piece([&](std::string_view piece) { reader.feed(piece); });
  net::Headers trailers = reader.finish();
  if (promise.decoded_length && *promise.decoded_length != sink.size())
    throw Error("IncompleteBody",
                "You did not provide the number of bytes specified by the "
                "x-amz-decoded-content-length HTTP header");
  return {sink.finish(), std::move(trailers)};
}

}  // namespace slipway::wire
