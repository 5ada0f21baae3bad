#pragma once

// FailureReason: why a job failed, in SageMaker's words. The prefix tells who must act:
// AlgorithmError the container's author, ClientError the caller, InternalServerError the operator.

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "containers/containers.h"
#include "jobs/decide.h"

namespace slipway::jobs {

// `message`: what the container left in its failure or message file. Without one the last
// lines of its output stand for it. At most 1024 bytes of UTF-8.
std::string algorithm_error(const containers::Exit& exit, const std::optional<std::string>& message,
                            const std::vector<std::string>& last_lines);

// Puts an engine's account of an exit into the state machine's terms.
ContainerEnd describe_end(const containers::Exit& exit, const std::optional<std::string>& message,
                          const std::vector<std::string>& last_lines);

// Why input data could not be had; `uri` is the S3Uri.
std::string download_failure(std::string_view uri, std::string_view why);
std::string no_objects_failure(std::string_view uri);
std::string upload_failure(std::string_view uri, std::string_view why);

// The last lines that a container wrote to standard error or, where it wrote none there, to
// standard output: at most 5, 600 bytes together. Reads at most the last 64 KiB of the log,
// whose lines are "<epoch ms> <O|E> <text>".
std::vector<std::string> last_lines_of(const std::filesystem::path& log);

}  // namespace slipway::jobs
