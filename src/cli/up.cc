// slipway up: the server.

#include <algorithm>
#include <cstdio>
#include <iostream>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/addresses.h"
#include "app/app.h"
#include "base/error.h"
#include "base/file_descriptor.h"
#include "base/log.h"
#include "base/strings.h"
#include "cli/command.h"
#include "store/files.h"

namespace slipway::cli {
namespace {

struct UpOptions {
  app::AppOptions app;
  bool detach = false;
  std::string log_format = "text";
  std::string smtp_password_file;
};

// Blocks the signals in every thread that is made later; this one takes them by sigwait.
sigset_t block_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);
  return signals;
}

int serve(const UpOptions& options, const std::function<void(const std::string&)>& ready) {
  const sigset_t signals = block_signals();
  base::set_log(base::Level::kInfo,
                options.log_format == "json" ? base::LogFormat::kJson : base::LogFormat::kText);
  const auto app = app::App::start(options.app);
  ready(app->endpoint());
  int received = 0;
  sigwait(&signals, &received);
  app->stop();
  return 0;
}

// The child serves with its log in a file; the parent waits until it answers or failed.
int serve_detached(const UpOptions& options) {
  std::filesystem::create_directories(options.app.data);
  const std::filesystem::path log = options.app.data / "server.log";
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) base::throw_errno("making a pipe");
  base::FileDescriptor from(ends[0]), to(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) base::throw_errno("starting the server");
  if (child == 0) {
    from.reset();
    ::setsid();
    const base::FileDescriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    const base::FileDescriptor file(
        ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    ::dup2(null.get(), STDIN_FILENO);
    ::dup2(file.get(), STDOUT_FILENO);
    ::dup2(file.get(), STDERR_FILENO);
    const auto tell = [&to](const std::string& text) {
      [[maybe_unused]] const auto written = ::write(to.get(), text.data(), text.size());
      to.reset();
    };
    int status = 1;
    try {
      status = serve(options, [&](const std::string& endpoint) { tell("=" + endpoint); });
    } catch (const std::exception& error) {
      tell(std::string("!") + error.what());
    }
    std::_Exit(status);
  }
  to.reset();
  std::string answer;
  std::array<char, 4096> buffer{};
  for (ssize_t count; (count = ::read(from.get(), buffer.data(), buffer.size())) > 0;)
    answer.append(buffer.data(), static_cast<std::size_t>(count));
  if (answer.starts_with("!")) throw Error("StartFailed", answer.substr(1));
  if (answer.empty())
    throw Error("StartFailed", "the server ended while it started; see " + log.string());
  std::cout << "slipway serves at " << answer.substr(1) << " (process " << child << ", log "
            << log.string() << ")\n";
  return 0;
}

}  // namespace

void add_up(CLI::App& parser, const Globals& globals, Run& run) {
  auto options = std::make_shared<UpOptions>();
  auto* command = parser.add_subcommand("up", "Run the server");
  command->add_option("--address", options->app.address, "Address to listen on")
      ->capture_default_str();
  command->add_option("--port", options->app.port, "Port to listen on; 0 takes a free one")
      ->capture_default_str();
  command
      ->add_option("--tls-port", options->app.tls_port,
                   "Port that serves the same by TLS; 0 takes a free one")
      ->capture_default_str();
  command->add_option("--external-url", options->app.external_url,
                      "What people and other machines call this server, in links and for jobs: "
                      "https://ml.example.org; the address listened on if not given");
  command->add_option("--account", options->app.account, "Account number, twelve digits")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const bool fits =
            text.size() == 12 && text.find_first_not_of("0123456789") == std::string::npos;
        return fits ? std::string() : "an account number has twelve digits";
      });
  command->add_option("--region", options->app.region, "Region that the server calls its own")
      ->capture_default_str();
  command->add_option("--runtime", options->app.runtime,
                      "crun or runc; the first that works if not given");
  command->add_option("--running-jobs", options->app.running_jobs,
                      "Jobs that run at once; one for each core if not given");
  command->add_option("--ci-jobs", options->app.ci_jobs,
                      "Jobs of CI pipelines that run at once; one for each core if not given");
  command->add_option("--smtp-host", options->app.smtp.host,
                      "Mail server for notices; without it mails wait");
  command->add_option("--smtp-port", options->app.smtp.port, "Its port")
      ->capture_default_str()
      ->check(CLI::Range(1, 65535));
  command->add_option("--smtp-user", options->app.smtp.user, "User name there");
  command->add_option("--smtp-password-file", options->smtp_password_file,
                      "File that holds the password");
  command->add_option("--smtp-from", options->app.smtp.from, "Sender of notices")
      ->capture_default_str()
      ->check([](const std::string& text) {
        const bool fits = std::count(text.begin(), text.end(), '@') == 1 && text.front() != '@' &&
                          text.back() != '@' &&
                          text.find_first_of("<>()[],;:\\\" \t\r\n") == std::string::npos;
        return fits ? std::string() : "the sender is an address alone, such as slipway@example.org";
      });
  command->add_flag("!--smtp-plain", options->app.smtp.require_tls,
                    "Send mail without TLS where the server has none");
  command->add_flag("--detach,-d", options->detach, "Return when the server answers; it goes on");
  command->add_option("--log-format", options->log_format, "text or json")
      ->check(CLI::IsMember({"text", "json"}));
  command->callback([&globals, &run, options] {
    run = [&globals, options] {
      options->app.data = globals.data;
      options->app.self = globals.self;
      if (!options->app.external_url.empty())
        options->app.external_url = app::external_url(options->app.external_url);
      if (!options->smtp_password_file.empty())
        options->app.smtp.password =
            std::string(base::trim(store::read_file(options->smtp_password_file, 4096)));
      if (options->detach) return serve_detached(*options);
      return serve(*options, [](const std::string& endpoint) {
        std::cout << "slipway serves at " << endpoint << std::endl;
      });
    };
  });
}

}  // namespace slipway::cli
