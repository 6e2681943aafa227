// quell-node: puts the parts together, and nothing else.
#include <algorithm>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>

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
#include "host/process/process.h"
#include "host/signals.h"
#include "host/system_clock.h"
#include "host/system_random.h"
#include "host/turn_log.h"
#include "node/journal/sqlite_journal.h"
#include "node/local_api/local_api_server.h"
#include "node/node.h"
#include "transport/grpc/cq_loop.h"
#include "transport/grpc/membership_client.h"
#include "transport/grpc/node_server.h"
#include "transport/grpc/server.h"
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
  kDuplicate = 78,
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

struct Options {
  std::string name;
  std::string data;
  std::string listen = "127.0.0.1:0";
  std::string coordinator;
  std::string socket;
  bool accept_damaged_data = false;
  std::vector<std::string> roles = {"cluster_manager", "data", "ingest", "remote_cluster_client"};
  std::vector<std::string> attributes;
  std::size_t open_files = 0;  // How many this process may have.
};

std::string HostName() {
  char name[limits::kNodeNameMax + 1] = {};
  return ::gethostname(name, sizeof(name) - 1) == 0 && name[0] != '\0' ? name : "node";
}

// So that the ready line means the same in every working directory.
std::string Absolute(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

void OnError(const Error& error) {
  LogWarning("a background operation failed and will be retried", {{"error", error}});
}

void Spared(const Intent& intent, const std::vector<TaskId>& tasks) {
  constexpr std::size_t kNamed = 20;
  std::string names;
  for (std::size_t i = 0; i < std::min(tasks.size(), kNamed); ++i)
    names += (i > 0 ? " " : "") + tasks[i].ToString();
  if (tasks.size() > kNamed) names += " and " + std::to_string(tasks.size() - kNamed) + " more";
  LogWarning(
      "a cancel has spared these tasks: nobody can tell whether they began before it; cancel them "
      "by their ids if they are to stop",
      {{"intent", intent.id}, {"by", intent.by}, {"tasks", names}});
}

class PidWatch final : public ProcessWatch {
 public:
  PidWatch(boost::asio::io_context& context, Executor& executor) : watch_(context, executor) {
    const Result<std::string> boot_id = BootId();  // Without one the daemon does not start.
    if (!boot_id) return;
    for (const char c : *boot_id) {
      boot_ ^= static_cast<unsigned char>(c);
      boot_ *= 0x100000001b3U;  // FNV-1a.
    }
  }
  Result<std::int32_t> Find(std::int32_t peer, std::int32_t pid) override {
    return FindNamed(peer, pid);
  }
  Result<std::shared_ptr<void>> Watch(std::int32_t pid, std::uint32_t uid,
                                      std::function<void()> exited) override {
    return watch_.Watch(pid, uid, std::move(exited));
  }
  std::uint64_t BirthOf(std::int32_t pid) override {
    const Result<ProcessStat> process = ReadProcess(pid);
    return process && !process->ended() ? boot_ + process->start_ticks : 0;
  }

 private:
  PidProcessWatch watch_;
  std::uint64_t boot_ = 0xcbf29ce484222325U;
};

// Everything that runs, in the order in which it is made. The main thread runs the local API, the
// loop's thread the node.
class Daemon {
 public:
  Daemon(Options options, DataDirectory data)
      : options_(std::move(options)), data_(std::move(data)) {}
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  Status Start(const HostPort& listen);
  // Until it is told to stop. Returns the exit code.
  int Run();

 private:
  std::string JournalPath() const { return data_.File("node.db"); }
  Result<NodeInfo> MakeInfo(const HostPort& listen);
  Status OpenLocalApi();
  void Joined();
  void Left();
  void Stop(int code);
  // On the node's thread; waits for it.
  void OnNode(const std::function<void()>& work);

  const Options options_;
  const DataDirectory data_;
  SystemClock clock_;
  const std::unique_ptr<TurnWatch> local_api_turns_ = LogLongTurns(clock_, "local API");
  const std::unique_ptr<TurnWatch> loop_turns_ = LogLongTurns(clock_, "executor");
  SystemRandom random_;
  HostLoadWatch load_;
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{
      context_.get_executor()};
  AsioExecutor main_{context_, clock_};
  CqLoop loop_{clock_};
  PidWatch processes_{context_, loop_};
  std::unique_ptr<SqliteJournal> journal_;
  GrpcNodeServer service_{loop_};
  std::unique_ptr<GrpcServer> grpc_;
  std::unique_ptr<GrpcMembershipClient> coordinator_;
  std::unique_ptr<Node> node_;
  std::unique_ptr<LocalApiServer> local_api_;
  http::Router router_;
  std::unique_ptr<http::Server> http_;
  std::unique_ptr<StopSignals> signals_;
  bool loop_runs_ = false;
  bool joined_ = false;    // On the node's thread.
  bool stopping_ = false;  // On the main thread.
  int exit_ = Exit::kOk;
};

void Daemon::OnNode(const std::function<void()>& work) {
  std::promise<void> done;
  loop_.Post([&] {
    work();
    done.set_value();
  });
  done.get_future().wait();
}

Result<NodeInfo> Daemon::MakeInfo(const HostPort& listen) {
  Result<std::string> boot_id = BootId();
  if (!boot_id) return boot_id.error();
  Result<std::vector<Header>> attributes = ParseAttributes(options_.attributes);
  if (!attributes) return attributes.error();
  NodeInfo info;
  info.id = data_.node_id();
  info.name = options_.name;
  info.address = grpc_->address();
  info.host = listen.host;
  info.roles = options_.roles;
  info.attributes = std::move(*attributes);
  info.version = Version();
  info.boot_id = std::move(*boot_id);
  return info;
}

std::string ReadyLine(const Options& options, const NodeInfo& info, const std::string& data) {
  std::error_code ignored;
  const std::string program = std::filesystem::read_symlink("/proc/self/exe", ignored);
  std::vector<std::string> words = {program,    "--name",     options.name, "--data",      data,
                                    "--listen", info.address, "--socket",   options.socket};
  if (!options.coordinator.empty())
    words.insert(words.end(), {"--coordinator", options.coordinator});
  std::string roles;
  for (const std::string& role : options.roles)
    roles += (roles.empty() ? "" : ",") + role;
  words.insert(words.end(), {"--roles", roles});
  for (const std::string& attribute : options.attributes)
    words.insert(words.end(), {"--attr", attribute});
  std::string line;
  http::JsonWriter json(line);
  json.BeginObject().Field("ready", true).Field("id", info.id.view()).Field("name", info.name);
  json.Field("pid", static_cast<std::int64_t>(::getpid())).Field("socket", options.socket);
  json.Field("grpc", info.address).Field("data", data).Key("argv").BeginArray();
  for (const std::string& word : words)
    json.String(word);
  json.EndArray().EndObject();
  return line;
}

Status Daemon::OpenLocalApi() {
  local_api_ = std::make_unique<LocalApiServer>(*node_, loop_);
  local_api_->AddRoutes(router_);
  http::ServerLimits server;
  server.body_max = limits::kLocalBodyMax;
  server.connections_max = ConnectionsWithin(options_.open_files, limits::kLocalConnectionsMax);
  server.descriptors_max = DescriptorsForClients(options_.open_files);
  server.no_descriptors = [log = NoDescriptorsLog(clock_)] { log->Met(); };
  http_ = std::make_unique<http::Server>(context_, router_, server);
  return http_->ListenUnix(options_.socket);
}

Status Daemon::Start(const HostPort& listen) {
  SqliteJournalOptions journal;
  journal.node = data_.node_id();
  journal.life = LifeId::Make(random_);
  journal.accept_damage = options_.accept_damaged_data;
  journal.damage = [](const std::string& text) {
    LogWarning("damaged data is accepted", {{"found", text}});
  };
  journal.behind_failed = [](const Error& error) {
    LogWarning("ended tasks and receipts are not kept yet", {{"error", error}});
  };
  Result<SqliteJournal::Opened> opened =
      SqliteJournal::Open(JournalPath(), loop_, std::move(journal));
  if (!opened) return opened.error();
  for (const SkippedRow& row : opened->state.skipped) {
    LogError("a row of the journal cannot be read, and is left out",
             {{"row", row.row}, {"why", row.why}, {"file", JournalPath()}});
  }
  if (opened->state.skipped_total > opened->state.skipped.size()) {
    LogError("more rows of the journal cannot be read, and are left out",
             {{"rows", opened->state.skipped_total}, {"file", JournalPath()}});
  }
  journal_ = std::move(opened->journal);
  Result<std::unique_ptr<GrpcServer>> grpc =
      GrpcServer::Listen(loop_, listen.ToString(), {&service_});
  if (!grpc) return grpc.error();
  grpc_ = std::move(*grpc);
  Result<NodeInfo> info = MakeInfo(listen);
  if (!info) return info.error();
  if (!options_.coordinator.empty()) {
    coordinator_ = std::make_unique<GrpcMembershipClient>(loop_, options_.coordinator);
  }
  loop_.Start();
  loop_.Post([this] { TurnWatch::WatchThisThread(loop_turns_.get()); });
  loop_runs_ = true;
  OnNode([&] {
    node_ = std::make_unique<Node>(
        NodeOptions{*info, OnError, Spared, [this] { return load_.Last(); }, [this] { Left(); }},
        NodeServices{loop_, random_, *journal_, processes_, coordinator_.get()},
        std::move(opened->state));
  });
  if (Status open = OpenLocalApi(); !open) return open;
  service_.Serve(*node_, info->id);
  signals_ = std::make_unique<StopSignals>(context_, main_, [this](int) { Stop(Exit::kOk); });
  LogInfo("ready", {{"socket", options_.socket}, {"grpc", info->address}, {"id", info->id}});
  if (Status told = WriteStdoutLine(ReadyLine(options_, *info, data_.path())); !told) return told;
  OnNode([&] {
    node_->Start([this] { Joined(); },
                 [this](const Error& error) {
                   main_.Post([this, error] {
                     LogError("the coordinator refuses this node", {{"error", error}});
                     Stop(Exit::kDuplicate);
                   });
                 });
  });
  return {};
}

void Daemon::Joined() {
  LogInfo("joined", {{"coordinator", node_->coordinator()}, {"address", options_.coordinator}});
  if (std::exchange(joined_, true)) return;
  std::string line;
  http::JsonWriter json(line);
  json.BeginObject().Field("joined", true);
  json.Field("coordinator", node_->coordinator().view()).EndObject();
  if (Status told = WriteStdoutLine(line); !told) {
    LogWarning("cannot write to standard output", {{"error", told.error()}});
  }
}

void Daemon::Left() {
  main_.Post([this] {
    LogInfo("left the fleet, as it was told to; started again, it joins again");
    Stop(Exit::kOk);
  });
}

int Daemon::Run() {
  TurnWatch::WatchThisThread(local_api_turns_.get());
  context_.run();
  TurnWatch::WatchThisThread(nullptr);
  return exit_;
}

// A second signal does not wait for the coordinator's goodbye.
void Daemon::Stop(int code) {
  if (std::exchange(stopping_, true)) return context_.stop();
  LogInfo("stopping");
  exit_ = code;
  main_.After(limits::kStopDeadline, [this] { context_.stop(); });
  loop_.Post([this] {
    node_->Stop([this] {
      main_.Post(
          [this] { http_->Stop(std::chrono::milliseconds(200), [this] { context_.stop(); }); });
    });
  });
}

// The main thread runs nothing any more. First nobody may call the node, then it goes, on its own
// thread; what the journal has been given is written before it goes.
Daemon::~Daemon() {
  signals_.reset();
  if (coordinator_) coordinator_->Close();
  if (loop_runs_) {
    OnNode([&] {
      service_.Close();
      if (local_api_) local_api_->Close();
      node_.reset();
    });
  }
  if (grpc_) grpc_->Shutdown();
  http_.reset();
  loop_.Stop();
}

int Serve(Options options) {
  const Result<HostPort> listen = ParseHostPort(options.listen);
  if (!listen) return Fail(listen.error());
  if (!options.coordinator.empty()) {
    if (const Result<HostPort> coordinator = ParseHostPort(options.coordinator); !coordinator) {
      return Fail(coordinator.error());
    }
  }
  if (options.name.empty()) options.name = HostName();
  if (Status name = CheckNodeName(options.name); !name) return Fail(name.error());
  std::sort(options.roles.begin(), options.roles.end());
  SystemRandom random;
  options.data = Absolute(options.data);
  const bool socket_inside =
      options.socket.empty() ||
      std::filesystem::path(Absolute(options.socket)).parent_path() == options.data;
  Result<DataDirectory> data = DataDirectory::Open(options.data, random, socket_inside);
  if (!data) return Fail(data.error());
  for (const std::string& text : data->closed())
    LogWarning("the data directory is for its owner only", {{"path", text}});
  options.socket = options.socket.empty() ? data->File("quell.sock") : Absolute(options.socket);
  Daemon daemon(std::move(options), std::move(*data));
  if (Status started = daemon.Start(*listen); !started) return Fail(started.error());
  return daemon.Run();
}

}  // namespace
}  // namespace quell

int main(int argc, char** argv) {
  quell::HoldStandardDescriptors();
  quell::IgnoreWriteSignals();
  quell::GiveLargeBlocksBack();
  quell::SetLogName("quell-node");
  quell::Options options;
  options.open_files = quell::RaiseOpenFileLimit();
  CLI::App app("Knows the tasks of this host, and carries out what a coordinator asks.",
               "quell-node");
  app.add_option("--name", options.name, "This node's name, for people; default: the host's");
  app.add_option("--data", options.data, "Data directory (required)")->required();
  app.add_option("--listen", options.listen,
                 "HOST:PORT for the coordinator (gRPC); port 0 picks one")
      ->capture_default_str();
  app.add_option("--coordinator", options.coordinator,
                 "HOST:PORT of the coordinator to join; none: serve alone");
  app.add_option("--socket", options.socket,
                 "Path of the local API; default: quell.sock in the data directory");
  app.add_flag("--accept-damaged-data", options.accept_damaged_data,
               "Go on with what can be read of damaged data; say so once, not in each start");
  app.add_option("--roles", options.roles, "Roles as OpenSearch names them")
      ->delimiter(',')
      ->capture_default_str();
  app.add_option("--attr", options.attributes, "NAME=VALUE, once for each attribute");
  app.set_version_flag("--version", std::string(quell::Version()));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? quell::Exit::kOk : quell::Exit::kUsage;
  }
  return quell::Serve(std::move(options));
}
