#pragma once

// The pages behind the links in a push's lines: a project's pipelines, one pipeline, one job, one
// merge request; and the project's environments.
//
// Server-rendered, without scripts, read-only. Asks for a login (a token by ?private_token= or
// PRIVATE-TOKEN, or the browser's prompt: any user name with a token, or an access key with its
// secret) even where the project is public.

#include <string_view>

#include "gitlab/call.h"
#include "net/http.h"

namespace slipway::gitlab {

// …/-/pipelines, …/-/pipelines/<id>, …/-/environments, …/-/merge_requests/<iid>, …/-/jobs/<id>,
// …/-/jobs/<id>/raw, …/-/jobs/<id>/artifacts/download
bool is_page(std::string_view path);
// Never throws: what goes wrong is a page, too.
net::Response page_response(Services& services, const net::RequestHead& head);

}  // namespace slipway::gitlab
