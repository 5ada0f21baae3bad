#pragma once

// The tables of uploads in parts.
//
// An upload is open until it is completed or aborted. A completed one is kept for a day
// with its answer, so that a client that lost the answer and asks again gets it again.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "objects/listing.h"
#include "objects/types.h"
#include "store/database.h"

namespace slipway::objects {

inline constexpr base::Millis kKeepCompleted = 24 * 3600 * 1000;

// Also forgets completed uploads that are older than a day.
void insert_upload(store::Transaction& transaction, const Upload& upload);
std::optional<Upload> find_upload(store::Reader& reader, const std::string& id);
// Marks it completed with `result`; its parts' contents are returned.
std::vector<Content> complete_upload(store::Transaction& transaction, const std::string& id,
                                     base::Millis now, const Json& result);
std::vector<Content> remove_upload(store::Transaction& transaction, const std::string& id);
std::vector<Content> remove_uploads_of_bucket(store::Transaction& transaction,
                                              const std::string& bucket);
// Open ones; the rows of a key by their id.
Listing<Upload> list_uploads(store::Reader& reader, const std::string& bucket,
                             const ListQuery& query);

// Replaces a part of the same number, whose content is returned.
std::vector<Content> put_part(store::Transaction& transaction, const std::string& upload,
                              const Part& part);
// Those numbered above `after`, by number.
std::vector<Part> parts_of(store::Reader& reader, const std::string& upload, int after, int limit);

}  // namespace slipway::objects
