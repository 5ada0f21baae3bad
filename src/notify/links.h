#pragma once

// What people and programs open without a signature: confirmation, unsubscription, certificate.

#include "net/http.h"
#include "notify/service.h"
#include "notify/signer.h"

namespace slipway::notify {

bool is_link(const net::RequestHead& head);
net::Response answer_link(const net::Request& request, Service& service, const Signer& signer);

}  // namespace slipway::notify
