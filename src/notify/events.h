#pragma once

// What happens in the other rooms, told on the topic "slipway-notices".

#include <string>

#include "base/clock.h"
#include "notify/service.h"
#include "store/database.h"
#include "store/outbox.h"

namespace slipway::notify {

// Publishes the event's notice, if it has one. Events come in order and may come twice; a notice
// is published once, because the place in the outbox is written in its transaction.
void take_event(store::Database& database, Service& service, const store::Event& event,
                const base::Clock& clock, const Details& details = nullptr);

}  // namespace slipway::notify
