#include "objects/digests.h"

#include <utility>

#include "base/digest.h"
#include "base/strings.h"
#include "objects/checksums.h"
#include "objects/errors.h"

namespace slipway::objects {

Digests compute_digests(const Pieces& pieces, const std::vector<std::string>& algorithms) {
  base::Digest md5(base::Algorithm::kMd5);
  std::vector<std::pair<std::string, base::Digest>> running;
  for (const std::string& name : algorithms) {
    auto algorithm = checksum_algorithm(name);
    if (!algorithm) {
      throw invalid_request(
          "Checksum algorithm provided is unsupported. Please try again with any "
          "of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]");
    }
    running.emplace_back(name, base::Digest(*algorithm));
  }
  pieces([&](std::string_view piece) {
    md5.update(piece);
    for (auto& [name, digest] : running) digest.update(piece);
  });
  Digests digests;
  digests.md5 = md5.finish();
  for (auto& [name, digest] : running) digests.checksums[name] = base::base64(digest.finish());
  return digests;
}

}  // namespace slipway::objects
