#pragma once

// Handing a mail to the SMTP server.

#include <functional>
#include <string>

#include "notify/notify.h"
#include "notify/types.h"

namespace slipway::notify {

// Sends `mime` (see mime.h) to one mailbox. TLS as the options say, the certificate verified
// against the system's authorities or the file in SSL_CERT_FILE. Ends early where `stopping` turns
// true. Thread-safe.
Outcome send_mail(const SmtpOptions& options, const std::string& to, const std::string& mime,
                  const std::function<bool()>& stopping);

}  // namespace slipway::notify
