#include "ship/step_container.h"

#include <fstream>

#include "base/error.h"
#include "base/ids.h"

namespace slipway::ship {
namespace {

// Reads a container's log as it grows and gives out whole lines.
class LogReader {
 public:
  explicit LogReader(const std::filesystem::path& path) : path_(path) {}

  void read(const std::function<void(std::string_view)>& on_line) {
    if (!file_.is_open()) {
      file_.open(path_, std::ios::binary);
      if (!file_.is_open()) return;
    }
    file_.clear();
    std::array<char, 65536> buffer{};
    while (file_.read(buffer.data(), buffer.size()), file_.gcount() > 0) {
      pending_.append(buffer.data(), static_cast<std::size_t>(file_.gcount()));
      give_lines(on_line);
    }
  }

 private:
  // "<epoch ms> <O|E> <text>"
  void give_lines(const std::function<void(std::string_view)>& on_line) {
    std::size_t begin = 0;
    for (std::size_t end; (end = pending_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
      std::string_view line(pending_.data() + begin, end - begin);
      for (int field = 0; field < 2; ++field) {
        const auto space = line.find(' ');
        line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
      }
      on_line(line);
    }
    pending_.erase(0, begin);
  }

  const std::filesystem::path path_;
  std::ifstream file_;
  std::string pending_;
};

// Removes the container however the step ends.
class Removal {
 public:
  Removal(containers::Engine& engine, std::string id) : engine_(engine), id_(std::move(id)) {}
  ~Removal() {
    try {
      engine_.remove(id_);
    } catch (const std::exception&) {
      // What is left is removed at the engine's next start.
    }
  }
  Removal(const Removal&) = delete;
  Removal& operator=(const Removal&) = delete;

 private:
  containers::Engine& engine_;
  const std::string id_;
};

}  // namespace

int run_step(containers::Engine& engine, const Step& step,
             const std::function<void(std::string_view)>& on_line) {
  containers::ContainerSpec spec;
  spec.id = "step-" + base::random_hex(12);
  spec.image = step.image;
  spec.arguments = step.arguments;
  spec.environment = step.environment;
  spec.working_directory = step.working_directory;
  spec.mounts = step.mounts;
  spec.network = step.network;
  const Removal removal(engine, spec.id);
  engine.start(spec);
  LogReader log(engine.log_path(spec.id));
  const auto deadline = std::chrono::steady_clock::now() + step.timeout;
  for (;;) {
    const auto ended = engine.wait(spec.id, std::chrono::milliseconds(100));
    log.read(on_line);
    if (ended) {
      if (!ended->reason.empty() && ended->code != 0) throw Error("ContainerFailed", ended->reason);
      return ended->code;
    }
    if (std::chrono::steady_clock::now() > deadline)
      throw Error("Timeout", "not done after " + std::to_string(step.timeout.count()) + " s");
  }
}

int ContainerSteps::run(
    const images::UnpackedImage& base, const std::vector<std::string>& arguments,
    const std::map<std::string, std::string>& environment,
    const std::vector<std::pair<std::filesystem::path, std::string>>& writable_mounts,
    std::function<void(std::string_view)> on_line) {
  Step step;
  step.image = base;
  step.arguments = arguments;
  step.environment = environment;
  for (const auto& [source, target] : writable_mounts)
    step.mounts.push_back({source, target, containers::Access::kReadWrite});
  step.network = containers::Network::kHost;
  return run_step(engine_, step, on_line);
}

}  // namespace slipway::ship
