#pragma once

// The programs, in Python, that run inside the containers of zip functions.

#include <string_view>

namespace slipway::functions {

// The runtime of Python functions: takes invocations from the runtime API, calls the handler.
std::string_view python_bootstrap() noexcept;
// For a `bootstrap` without network: serves 127.0.0.1:9001, carries it to the mounted socket, and
// runs the program that it is given.
std::string_view python_relay() noexcept;

}  // namespace slipway::functions
