#include "app/app.h"

#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

#include "airflow/airflow.h"
#include "app/addresses.h"
#include "app/deploy_on_approval.h"
#include "app/job_environment.h"
#include "app/notice_details.h"
#include "app/router.h"
#include "app/served_models.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread_pool.h"
#include "ci/ci.h"
#include "containers/containers.h"
#include "containers/log_pump.h"
#include "endpoints/endpoints.h"
#include "forge/forge.h"
#include "functions/functions.h"
#include "gitlab/gitlab.h"
#include "iam/iam.h"
#include "images/images.h"
#include "jobs/jobs.h"
#include "models/models.h"
#include "net/certificates.h"
#include "net/server.h"
#include "net/tls_front.h"
#include "notify/notify.h"
#include "objects/objects.h"
#include "observe/logs.h"
#include "pipelines/pipelines.h"
#include "runner/runner.h"
#include "store/database.h"
#include "store/files.h"
#include "store/outbox.h"
#include "store/resources.h"
#include "wire/api.h"

namespace slipway::app {
namespace {

constexpr std::chrono::seconds kStopGrace{20};
constexpr std::chrono::seconds kTlsStopGrace{2};  // after the server has ended its connections
constexpr std::chrono::hours kUpkeepPause{1};

int loop_count(const AppOptions& options) {
  if (options.loops > 0) return options.loops;
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()) / 2);
}

std::filesystem::path prepared(const std::filesystem::path& data) {
  std::error_code error;
  std::filesystem::create_directories(data, error);
  // Secrets and other people's models lie here: the owner's alone, whatever the umask says.
  if (!error && ::chmod(data.c_str(), 0700) != 0)
    error = std::error_code(errno, std::generic_category());
  if (error)
    throw Error("DataDirectory", "Cannot use the data directory " + data.string() + ": " +
                                     error.message() + ". Choose another with --data.");
  return std::filesystem::canonical(data);
}

std::unique_ptr<store::Database> opened(const std::filesystem::path& data) {
  auto database = store::Database::open(data / "slipway.db");
  store::migrate_resources(*database);
  store::migrate_outbox(*database);
  return database;
}

net::CertificateFiles certificates(const std::filesystem::path& data, const AppOptions& app,
                                   const base::Clock& clock) {
  net::CertificateOptions options;
  options.directory = data / "tls";
  options.names = net::names_of_server(app.address);
  if (!app.external_url.empty()) options.names.push_back(host_of_url(app.external_url));
  options.system_bundles = net::usual_system_bundles();
  // Behind a proxy that opens TLS, the machine's owner has put its authority into one of these.
  std::vector<std::filesystem::path> own;
  for (const char* name :
       {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "PIP_CERT"}) {
    if (const char* file = std::getenv(name); file != nullptr && *file != '\0') own.push_back(file);
  }
  options.system_bundles.insert(options.system_bundles.begin(), own.begin(), own.end());
  return net::prepare_certificates(options, clock, store::system_disk());
}

// Members in the order in which they are built; they end in the reverse one.
class Slipway final : public App {
 public:
  explicit Slipway(AppOptions options)
      : options_(std::move(options)),
        data_(prepared(options_.data)),
        database_(opened(data_)),
        certificates_(certificates(data_, options_, clock_)),
        spool_(data_ / "spool"),
        events_(*database_),
        iam_(*database_, clock_, {options_.account, options_.region, data_ / "credentials"}),
        api_(iam_, clock_, options_.region),
        logs_(*database_, clock_),
        objects_(*database_, clock_, store::system_disk(), spool_,
                 {data_ / "objects", options_.region}),
        images_(*database_, clock_, store::system_disk(), spool_, {data_, options_.region}),
        registry_(images_, iam_),
        engine_(containers::Engine::open({data_ / "containers", options_.runtime, options_.self})),
        log_pump_(*engine_, logs_),
        jobs_(*database_, clock_, objects_, images_, *engine_, log_pump_, logs_, iam_,
              jobs_options()),
        models_(*database_, clock_, images_, objects_, options_.region),
        endpoints_(
            *database_, clock_, objects_, images_, *engine_, log_pump_, logs_, iam_,
            [this](const std::string& account, const std::string& model) {
              return models_.containers_of(account, model);
            },
            endpoints_options()),
        functions_(*database_, clock_, spool_, objects_, images_, *engine_, log_pump_, logs_, iam_,
                   functions_options()),
        pipelines_(*database_, clock_, events_, objects_, jobs_, models_, endpoints_, functions_,
                   pipelines_options()),
        airflow_(*database_, clock_, iam_, pipelines_, airflow_options()),
        notify_(*database_, clock_, events_, iam_, functions_, notify_options()),
        forge_(*database_, clock_, iam_, {data_}),
        git_(forge_),
        job_environment_(iam_, clock_, [this] { return external_url_; }),
        ci_(*database_, clock_, forge_, spool_, ci_options()),
        coordinator_(
            ci_, forge_, [this] { return external_url_; }, data_ / "spool"),
        executor_(ci_, forge_, images_, *engine_, *database_, clock_, executor_options()),
        gitlab_(forge_, ci_, *database_, clock_, events_,
                {.url = [this] { return external_url_; },
                 .spool = &spool_,
                 .account = options_.account}),
        router_({api_, registry_, coordinator_, gitlab_, git_, airflow_, notify_, functions_}),
        workers_({"worker", options_.workers, 1024}) {
    register_operations();
    deploy_on_approval(events_, pipelines_);
    models_.compare_with(
        [this](const std::string& account) { return served_models(endpoints_, account); });
    forge_.job_tokens_by([this](std::string_view token) { return ci_.identity_of(token); });
    forge_.on_push([this](const forge::Push& push) { return gitlab_.pushed(push); });
    jobs_.start();
    endpoints_.start();
    net::ServerOptions server_options;
    server_options.address = options_.address;
    server_options.port = options_.port;
    server_options.loops = loop_count(options_);
    server_ = net::Server::start(server_options, router_, workers_, spool_, &endpoints_.gateway());
    endpoint_ = local_url(options_.address, server_->port());
    external_url_ = options_.external_url.empty() ? endpoint_ : options_.external_url;
    // Repositories are named by the address, which is known only now.
    images::register_ecr_api(api_, images_, iam_, external_url_);
    start_tls();
    write_server_file();
    start_rooms();
    router_.open();
    upkeep_ = std::thread([this] { keep_up(); });
    log(Level::kInfo, "serving",
        {{"endpoint", endpoint_},
         {"external url", external_url_},
         {"data", data_.string()},
         {"runtime", engine_->runtime()}});
    if (is_wildcard(options_.address) && options_.external_url.empty())
      log(Level::kWarning,
          "listening on every address, but links in answers, pages and mails name this machine "
          "alone; give --external-url",
          {{"links", external_url_}});
  }

  ~Slipway() override { stop(); }

  const std::string& endpoint() const override { return endpoint_; }

  void stop() override {
    if (std::exchange(stopped_, true)) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    changed_.notify_all();
    if (upkeep_.joinable()) upkeep_.join();
    // First: a call of a function may hold a worker for minutes, and the server waits for its
    // workers.
    functions_.stop();
    coordinator_.stop();
    if (server_) server_->stop(kStopGrace);
    if (tls_) tls_->stop(kTlsStopGrace);
    workers_.stop();
    // Before the rooms: an event that came later would start their work again.
    events_.stop();
    gitlab_.stop();
    executor_.stop();
    ci_.stop();
    forge_.stop();
    notify_.stop();
    pipelines_.stop();
    endpoints_.stop();
    jobs_.stop();
    log(Level::kInfo, "stopped");
  }

 private:
  jobs::JobsOptions jobs_options() {
    jobs::JobsOptions options;
    options.directory = data_ / "jobs";
    options.region = options_.region;
    options.max_running = options_.running_jobs;
    options.events_written = [this] { events_.wake(); };
    return options;
  }

  endpoints::EndpointsOptions endpoints_options() {
    endpoints::EndpointsOptions options;
    options.directory = data_ / "endpoints";
    options.region = options_.region;
    options.events_written = [this] { events_.wake(); };
    return options;
  }

  functions::FunctionsOptions functions_options() {
    functions::FunctionsOptions options;
    options.directory = data_ / "functions";
    options.region = options_.region;
    options.url = [this] { return endpoint_; };
    options.ca_bundle = certificates_.bundle;
    return options;
  }

  pipelines::PipelinesOptions pipelines_options() const {
    pipelines::PipelinesOptions options;
    options.region = options_.region;
    return options;
  }

  airflow::AirflowOptions airflow_options() {
    airflow::AirflowOptions options;
    options.region = options_.region;
    // Clients of MWAA speak TLS to it.
    options.web_server = [this] {
      const std::string external = tls_host_of(external_url_);
      return external.empty() ? tls_host_ : external;
    };
    return options;
  }

  notify::NotifyOptions notify_options() {
    notify::NotifyOptions options;
    options.region = options_.region;
    options.smtp = options_.smtp;
    options.url = [this] { return external_url_; };
    options.details = [this](const store::Event& event) {
      return details_of(event, {logs_, models_, endpoints_, pipelines_, ci_});
    };
    return options;
  }

  ci::CiOptions ci_options() {
    ci::CiOptions options;
    options.directory = data_ / "ci";
    options.account = options_.account;
    options.url = [this] { return external_url_; };
    options.job_variables = [this](const ci::Job& job) { return job_environment_(job); };
    return options;
  }

  runner::ExecutorOptions executor_options() const {
    runner::ExecutorOptions options;
    options.directory = data_ / "runner";
    options.self = options_.self;
    options.account = options_.account;
    options.concurrent = options_.ci_jobs;
    options.ca_bundle = certificates_.bundle;
    return options;
  }

  void start_tls() {
    net::TlsFrontOptions options;
    options.address = options_.address;
    options.port = options_.tls_port;
    options.plain_address = options_.address;
    options.plain_port = server_->port();
    options.certificate = certificates_.server;
    options.key = certificates_.server_key;
    tls_ = net::TlsFront::start(options);
    tls_host_ = host_and_port(local_address(options_.address), tls_->port());
  }

  // What needs the address that the server listens on, from the ground up.
  void start_rooms() {
    functions_.start();
    pipelines_.start();
    notify_.start();
    ci_.start();
    forge_.start();
    executor_.start();
    gitlab_.start();
    events_.start();
  }

  void register_operations() {
    api_.spool_into(spool_);
    iam::register_iam_api(api_, iam_);
    observe::register_logs_api(api_, logs_);
    objects::register_s3_api(api_, objects_);
    jobs::register_jobs_api(api_, jobs_);
    models::register_models_api(api_, models_);
    endpoints::register_endpoints_api(api_, endpoints_);
    functions::register_lambda_api(api_, functions_);
    pipelines::register_pipelines_api(api_, pipelines_);
    airflow::register_mwaa_api(api_, airflow_);
    notify::register_sns_api(api_, notify_);
  }

  // What nobody waits for: expired log lines, abandoned uploads, blobs that nothing names.
  void keep_up() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kUpkeepPause, [this] { return stopping_; })) {
      lock.unlock();
      try {
        images_.maintain();
        logs_.expire();
      } catch (const std::exception& error) {
        log(Level::kWarning, "upkeep failed", {{"reason", error.what()}});
      }
      lock.lock();
    }
  }

  void write_server_file() const {
    store::write_atomically(store::system_disk(), data_ / "server.json",
                            base::dump_json({{"endpoint", endpoint_},
                                             {"tlsEndpoint", "https://" + tls_host_},
                                             {"caBundle", certificates_.bundle.string()},
                                             {"region", options_.region},
                                             {"account", options_.account},
                                             {"process", ::getpid()}}));
  }

  const AppOptions options_;
  const std::filesystem::path data_;
  base::SystemClock clock_;
  std::unique_ptr<store::Database> database_;
  const net::CertificateFiles certificates_;
  store::Spool spool_;
  store::EventPump events_;
  iam::Iam iam_;
  wire::Api api_;
  observe::Logs logs_;
  objects::Objects objects_;
  images::Images images_;
  images::Registry registry_;
  std::unique_ptr<containers::Engine> engine_;
  containers::LogPump log_pump_;
  jobs::Jobs jobs_;
  models::Models models_;
  endpoints::Endpoints endpoints_;
  functions::Functions functions_;
  pipelines::Pipelines pipelines_;
  airflow::Airflow airflow_;
  notify::Notify notify_;
  forge::Forge forge_;
  forge::GitHttp git_;
  JobEnvironment job_environment_;
  ci::Ci ci_;
  runner::Coordinator coordinator_;
  runner::Executor executor_;
  gitlab::Gitlab gitlab_;
  Router router_;
  base::ThreadPool workers_;
  std::unique_ptr<net::Server> server_;
  std::unique_ptr<net::TlsFront> tls_;
  std::string endpoint_;  // constant once the rooms are started, as are:
  std::string external_url_;
  std::string tls_host_;  // host and port
  bool stopped_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread upkeep_;
};

}  // namespace

std::unique_ptr<App> App::start(AppOptions options) {
  return std::make_unique<Slipway>(std::move(options));
}

ServerFile read_server_file(const std::filesystem::path& data) {
  const std::filesystem::path path = data / "server.json";
  if (!std::filesystem::is_regular_file(path))
    throw Error("NoServer", "no server has run on " + data.string() +
                                "; start one: slipway up --detach (or name its data directory with "
                                "--data, or set AWS_ENDPOINT_URL)");
  const Json file = base::parse_json(store::read_file(path, 1u << 20), path.string());
  ServerFile server;
  server.endpoint = base::text_or(file, "endpoint");
  server.tls_endpoint = base::text_or(file, "tlsEndpoint");
  server.ca_bundle = base::text_or(file, "caBundle");
  server.region = base::text_or(file, "region", "us-east-1");
  server.account = base::text_or(file, "account");
  server.process = static_cast<int>(base::integer_or(file, "process", 0));
  return server;
}

}  // namespace slipway::app
