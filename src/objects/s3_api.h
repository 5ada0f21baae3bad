#pragma once

// What the files of the S3 API share: reading members of requests, writing those of
// answers. The operations of each file are registered by one function.

#include <optional>
#include <string>
#include <vector>

#include "objects/service.h"
#include "wire/api.h"

namespace slipway::objects {

void register_bucket_operations(wire::Api& api, Objects::State& state);
void register_setting_operations(wire::Api& api, Objects::State& state);
void register_acl_operations(wire::Api& api, Objects::State& state);
void register_read_operations(wire::Api& api, Objects::State& state);
void register_write_operations(wire::Api& api, Objects::State& state);
void register_copy_operations(wire::Api& api, Objects::State& state);
void register_tagging_operations(wire::Api& api, Objects::State& state);
void register_list_operations(wire::Api& api, Objects::State& state);
void register_version_list_operations(wire::Api& api, Objects::State& state);
void register_multipart_operations(wire::Api& api, Objects::State& state);
void register_completion_operations(wire::Api& api, Objects::State& state);

// The caller's account and the header x-amz-expected-bucket-owner.
Access access_of(const wire::Call& call);
std::string bucket_of(const wire::Call& call);
// Checked. Throws KeyTooLongError, InvalidURI.
std::string key_of(const wire::Call& call);
std::optional<base::Millis> time_of(const wire::Call& call, std::string_view member);
Json owner_json(const std::string& account);
// What the request says of the object to be: content headers, metadata, tags, class.
// Throws for what this server does not do: keys of the customer, object locks, ACLs for others.
Properties properties_of(const wire::Call& call);
WriteConditions write_conditions_of(const wire::Call& call);
// Whether the ACL headers grant anything to somebody other than the owner.
bool grants_to_others(const wire::Call& call);
// Throws AccessControlListNotSupported where the bucket's ownership setting forbids ACLs.
void check_acl_allowed(store::Reader& reader, const std::string& bucket);

// The checksums to compute for a payload: the algorithm that the request names, unless
// the client sent the value itself.
std::vector<std::string> algorithms_to_compute(const wire::Call& call,
                                               const std::map<std::string, std::string>& sent);
// All that is known of a draft's checksums: sent (and verified) and computed. Sets the
// version's algorithm, type and values.
void set_checksums(Version& version, const std::map<std::string, std::string>& sent,
                   const Draft& draft);

// ETag, checksums, version id and encryption, as every write answers them.
void add_write_members(Json& output, const Stored& stored);
void add_version_member(Json& output, const Bucket& bucket, const Version& version);

// Percent-encodes names in lists where the client asked for encoding-type=url.
std::string encode_name(const std::string& name, bool encode);
bool wants_encoding(const wire::Call& call);
// 0 … 1,000. Throws InvalidArgument for a negative one.
int limit_of(const wire::Call& call, std::string_view member);

}  // namespace slipway::objects
