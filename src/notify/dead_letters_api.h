#pragma once

// Dead letters for operators: SNS names no operation for them without a queue service, so Slipway
// adds two. Basic authentication with an access key.
//
//   GET  /notify/dead-letters              {"DeadLetters": [{"Id", "TopicArn", "Error", …}]}
//   POST /notify/dead-letters/<id>/redrive sends one again

#include "iam/iam.h"
#include "net/http.h"
#include "notify/notify.h"

namespace slipway::notify {

bool is_dead_letters(const net::RequestHead& head);
net::Response answer_dead_letters(const net::Request& request, const iam::Iam& iam, Notify& notify);

}  // namespace slipway::notify
