// quell-coordinator: puts the parts together, and nothing else.
#include <filesystem>
#include <memory>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>

#include "coordinator/api/native/native_api.h"
#include "coordinator/api/opensearch/opensearch_api.h"
#include "coordinator/coordinator.h"
#include "coordinator/store/sqlite_store.h"
#include "core/limits.h"
#include "core/validity.h"
#include "core/version.h"
#include "host/asio_executor.h"
#include "host/boot_id.h"
#include "host/data_directory.h"
#include "host/descriptors.h"
#include "host/file.h"
#include "host/host_load.h"
#include "host/log.h"
#include "host/loopback.h"
#include "host/memory.h"
#include "host/signals.h"
#include "host/system_clock.h"
#include "host/system_random.h"
#include "host/turn_log.h"
#include "host/worker_thread.h"
#include "transport/grpc/cq_loop.h"
#include "transport/grpc/membership_server.h"
#include "transport/grpc/node_client.h"
#include "transport/grpc/server.h"
#include "transport/http/byte_budget.h"
#include "transport/http/json_writer.h"
#include "transport/http/server.h"

namespace quell {
namespace {

enum Exit : int {
  kOk = 0,
  kUsage = 64,
  kInternalError = 70,
  kCannotCreate = 73,
  kIoError = 74,
  kNoPermission = 77,
};

int ExitFor(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return kUsage;
    case ErrorCode::kAlreadyExists:
    case ErrorCode::kNotFound:
      return kCannotCreate;
    case ErrorCode::kPermissionDenied:
      return kNoPermission;
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kFailedPrecondition:
      return kIoError;
    default:
      return kInternalError;
  }
}

int Fail(const Error& error) {
  LogError("cannot start", {{"error", error}});
  return ExitFor(error);
}

void Restored(const NodeInfo& node) {
  LogWarning(
      "a node's data directory was restored from an older copy: it gives out new task ids; cancels "
      "that were asked for before hit no task that may have got its id twice",
      {{"node", node.name}, {"id", node.id}});
}

void Spared(const NodeId& node, const IntentAck& ack) {
  LogWarning("a cancel has spared tasks of a node: nobody can tell whether they began before it",
             {{"node", node},
              {"intent", ack.intent},
              {"tasks", std::uint64_t{ack.doubtful.size()}},
              {"first", ack.doubtful.front().ToString()}});
}

struct Options {
  std::string data;
  std::string http = "127.0.0.1:9480";
  std::string listen = "127.0.0.1:9400";
  std::string profile = "documented";
  std::string name = "coordinator";
  std::vector<std::string> roles;
  std::vector<std::string> attributes;
  bool accept_damaged_data = false;
  opensearch::Identity identity;
  std::size_t open_files = 0;  // How many this process may have.
};

std::string ReadyLine(const Options& options, const NodeInfo& self, const std::string& http,
                      const std::string& data) {
  std::error_code ignored;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  std::string line;
  http::JsonWriter json(line);
  json.BeginObject().Field("ready", true).Field("id", self.id.view()).Field("name", self.name);
  json.Field("pid", static_cast<std::int64_t>(::getpid()));
  json.Field("http", "http://" + http).Field("grpc", self.address).Field("data", data);
  json.Key("argv").BeginArray();
  for (const std::string& word : std::vector<std::string>{
           program, "--data", data, "--http", http, "--listen", self.address,
           "--opensearch-profile", options.profile, "--name", options.name, "--cluster-name",
           options.identity.cluster_name, "--opensearch-distribution",
           options.identity.distribution, "--opensearch-version", options.identity.version,
           "--opensearch-tagline", options.identity.tagline}) {
    json.String(word);
  }
  for (const std::string& role : options.roles)
    json.String("--roles").String(role);
  for (const std::string& attribute : options.attributes)
    json.String("--attr").String(attribute);
  json.EndArray().EndObject();
  return line;
}

// Everything that runs, in the order in which it is made.
class Daemon {
 public:
  Daemon(Options options, DataDirectory data)
      : options_(std::move(options)), data_(std::move(data)) {}
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Status Start(const HostPort& http, const HostPort& listen);
  // Until it is told to stop.
  void Run() {
    TurnWatch::WatchThisThread(main_turns_.get());
    context_.run();
    TurnWatch::WatchThisThread(nullptr);
  }

 private:
  Status MakeSelf(const HostPort& listen);
  Status ServeHttp(const HostPort& http);
  void Stop();

  const Options options_;
  const DataDirectory data_;
  SystemClock clock_;
  const std::unique_ptr<TurnWatch> main_turns_ = LogLongTurns(clock_, "executor");
  const std::unique_ptr<TurnWatch> loop_turns_ = LogLongTurns(clock_, "grpc");
  SystemRandom random_;
  HostLoadWatch load_;
  boost::asio::io_context context_{1};
  AsioExecutor executor_{context_, clock_};
  std::unique_ptr<SqliteStore> store_;
  CqLoop loop_{clock_};
  GrpcNodeClient nodes_{loop_};
  GrpcMembershipServer membership_{loop_, executor_};
  std::unique_ptr<GrpcServer> grpc_;
  NodeInfo self_;
  std::unique_ptr<Coordinator> coordinator_;
  std::unique_ptr<opensearch::OpenSearchApi> opensearch_;
  std::unique_ptr<native::NativeApi> native_;
  const std::shared_ptr<http::ByteBudget> held_ =
      std::make_shared<http::ByteBudget>(limits::kHeldMax);
  http::Router router_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<WorkerThread> renderer_ = std::make_unique<WorkerThread>(executor_);
  std::string http_address_;
  std::unique_ptr<StopSignals> signals_;
  bool stopping_ = false;
};

Status Daemon::Start(const HostPort& http, const HostPort& listen) {
  SqliteStoreOptions store;
  store.accept_damage = options_.accept_damaged_data;
  store.damage = [](const std::string& text) {
    LogWarning("damaged data is accepted", {{"found", text}});
  };
  store.behind_failed = [](const Error& error) {
    LogWarning("acknowledgements are not stored yet, nodes may be told again", {{"error", error}});
  };
  Result<SqliteStore::Opened> opened =
      SqliteStore::Open(data_.File("coordinator.db"), executor_, std::move(store));
  if (!opened) return opened.error();
  store_ = std::move(opened->store);

  Result<std::unique_ptr<GrpcServer>> grpc =
      GrpcServer::Listen(loop_, listen.ToString(), {&membership_});
  if (!grpc) return grpc.error();
  grpc_ = std::move(*grpc);
  if (Status self = MakeSelf(listen); !self) return self;
  coordinator_ = std::make_unique<Coordinator>(
      CoordinatorOptions{self_, [this] { return load_.Last(); }, Restored, Spared},
      CoordinatorServices{executor_, random_, *store_, nodes_}, std::move(opened->state));
  if (Status served = ServeHttp(http); !served) return served;

  membership_.Serve(*coordinator_);
  loop_.Start();
  loop_.Post([this] { TurnWatch::WatchThisThread(loop_turns_.get()); });
  signals_ = std::make_unique<StopSignals>(context_, executor_, [this](int) { Stop(); });
  LogInfo("ready",
          {{"http", "http://" + http_address_}, {"grpc", self_.address}, {"id", self_.id}});
  return WriteStdoutLine(ReadyLine(options_, self_, http_address_, data_.path()));
}

Status Daemon::MakeSelf(const HostPort& listen) {
  Result<std::string> boot_id = BootId();
  if (!boot_id) return boot_id.error();
  Result<std::vector<Header>> attributes = ParseAttributes(options_.attributes);
  if (!attributes) return attributes.error();
  self_.id = data_.node_id();
  self_.incarnation = Incarnation{1};  // Nobody asks for a coordinator's: it joins nothing.
  self_.name = options_.name;
  self_.address = grpc_->address();
  self_.host = listen.host;
  self_.roles = options_.roles;
  self_.attributes = std::move(*attributes);
  self_.version = Version();
  self_.boot_id = std::move(*boot_id);
  return {};
}

Status Daemon::ServeHttp(const HostPort& http) {
  opensearch::OpenSearchOptions options;
  options.profile = *opensearch::ProfileFromString(options_.profile);
  options.identity = options_.identity;
  options.rendering = {held_, [this](std::function<void()> work, std::function<void()> then) {
                         renderer_->Run(std::move(work), std::move(then));
                       }};
  opensearch_ = std::make_unique<opensearch::OpenSearchApi>(*coordinator_, options);
  native_ = std::make_unique<native::NativeApi>(
      *coordinator_, [this] { return !stopping_; }, options.rendering);
  opensearch_->AddRoutes(router_);
  native_->AddRoutes(router_);
  http::ServerLimits server;
  server.connections_max = ConnectionsWithin(options_.open_files, server.connections_max);
  server.budget = held_;
  server.descriptors_max = DescriptorsForClients(options_.open_files);
  server.no_descriptors = [log = NoDescriptorsLog(clock_)] { log->Met(); };
  http_ = std::make_unique<http::Server>(context_, router_, std::move(server));
  Result<std::uint16_t> port = http_->ListenTcp(http.host, http.port);
  if (!port) return port.error();
  http_address_ = HostPort{http.host, *port}.ToString();
  opensearch_->PublishHttp(http_address_);
  return {};
}

// Requests that are open may end; a second signal does not wait for them.
void Daemon::Stop() {
  if (std::exchange(stopping_, true)) return context_.stop();
  LogInfo("stopping");
  http_->Stop(limits::kStopDeadline / 2, [this] { context_.stop(); });
}

// The executor stands still by now. Nobody may call into the coordinator once it is gone; what the
// store has been given is written before it goes.
Daemon::~Daemon() {
  signals_.reset();
  membership_.Close();
  nodes_.Close();
  if (grpc_) grpc_->Shutdown();
  loop_.Stop();
  renderer_.reset();
  http_.reset();
  coordinator_.reset();
}

int Serve(Options options) {
  Result<HostPort> http = ParseHostPort(options.http);
  Result<HostPort> listen = ParseHostPort(options.listen);
  for (const Result<HostPort>* one : {&http, &listen}) {
    if (!*one) return Fail(one->error());
  }
  if (Status name = CheckNodeName(options.name); !name) return Fail(name.error());
  SystemRandom random;
  // So that the ready line's argv works from anywhere.
  std::error_code ignored;
  const std::filesystem::path absolute = std::filesystem::absolute(options.data, ignored);
  if (!ignored) options.data = absolute.string();
  Result<DataDirectory> data = DataDirectory::Open(options.data, random);
  if (!data) return Fail(data.error());
  for (const std::string& text : data->closed())
    LogWarning("the data directory is for its owner only", {{"path", text}});
  Daemon daemon(std::move(options), std::move(*data));
  if (Status started = daemon.Start(*http, *listen); !started) return Fail(started.error());
  daemon.Run();
  return Exit::kOk;
}

}  // namespace
}  // namespace quell

int main(int argc, char** argv) {
  quell::HoldStandardDescriptors();
  quell::IgnoreWriteSignals();
  quell::GiveLargeBlocksBack();
  quell::SetLogName("quell-coordinator");
  quell::Options options;
  options.open_files = quell::RaiseOpenFileLimit();
  options.identity.version = quell::Version();
  CLI::App app("Keeps the list of nodes, fans list and cancel out to them, and serves HTTP.",
               "quell-coordinator");
  app.add_option("--data", options.data, "Data directory (required)")->required();
  app.add_flag("--accept-damaged-data", options.accept_damaged_data,
               "Go on with what can be read of damaged data; say so once, not in each start");
  app.add_option("--http", options.http, "HOST:PORT for HTTP; port 0 picks one")
      ->capture_default_str();
  app.add_option("--listen", options.listen, "HOST:PORT for nodes (gRPC); port 0 picks one")
      ->capture_default_str();
  app.add_option("--opensearch-profile", options.profile,
                 "documented, or strict as a real OpenSearch answers")
      ->check(CLI::IsMember({"documented", "strict"}))
      ->capture_default_str();
  app.add_option("--name", options.name, "This coordinator's name as a member")
      ->capture_default_str();
  app.add_option("--roles", options.roles, "Its roles as OpenSearch names them; none unless told")
      ->delimiter(',');
  app.add_option("--attr", options.attributes, "NAME=VALUE, once for each attribute of it");
  app.add_option("--cluster-name", options.identity.cluster_name, "The cluster's name for clients")
      ->capture_default_str();
  app.add_option("--opensearch-distribution", options.identity.distribution,
                 "version.distribution of GET /, for clients that insist on one")
      ->capture_default_str();
  app.add_option("--opensearch-version", options.identity.version,
                 "version.number of GET /, for clients that insist on one")
      ->capture_default_str();
  app.add_option("--opensearch-tagline", options.identity.tagline, "The tagline of GET /")
      ->capture_default_str();
  app.set_version_flag("--version", std::string(quell::Version()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? quell::Exit::kOk : quell::Exit::kUsage;
  }
  return quell::Serve(std::move(options));
}
