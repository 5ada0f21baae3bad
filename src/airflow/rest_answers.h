#pragma once

// The forms of the REST API's refusals.

#include <string>

#include "airflow/rest.h"

namespace slipway::airflow {

// As the version says it: Airflow 2.x has a problem document, 3.x FastAPI's detail.
RestAnswer failure(ApiVersion version, int status, const std::string& detail);

}  // namespace slipway::airflow
