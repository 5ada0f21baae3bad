#pragma once

// The source of CopyObject and UploadPartCopy.

#include "objects/service.h"
#include "wire/api.h"

namespace slipway::objects {

// Opens what x-amz-copy-source names. Throws the errors of reading it, and
// PreconditionFailed by the headers x-amz-copy-source-if-….
OpenedObject open_copy_source(Objects::State& state, const wire::Call& call);

}  // namespace slipway::objects
