#include "cli/dev_command.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <set>
#include <sys/un.h>
#include <unistd.h>

#include "cli/dev/cluster.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "core/limits.h"
#include "host/file.h"
#include "host/loopback.h"
#include "host/process/signal_queue.h"
#include "host/system_clock.h"

namespace quell::cli {
namespace {

namespace fs = std::filesystem;

constexpr int kNodesMax = 100;
constexpr std::size_t kSocketPathMax = sizeof(sockaddr_un::sun_path) - 1;

void Say(const std::string& text) {
  PrintError("quell dev: " + text + "\n");
}

int Refuse(const Error& error) {
  Say(error.message);
  return error.code == ErrorCode::kInvalidArgument ? kUsage : kFailed;
}

Error Invalid(std::string message) {
  return {ErrorCode::kInvalidArgument, std::move(message)};
}

// The cluster's directory; one that was made up here is removed with it.
class DataHome {
 public:
  static Result<DataHome> Open(const std::string& wanted, const std::string& temp_dir) {
    if (wanted.empty()) {
      std::string name = temp_dir + "/quell-dev-XXXXXX";
      if (::mkdtemp(name.data()) == nullptr) return ErrnoError(errno, "make", name);
      return DataHome(fs::absolute(name).string(), true);
    }
    std::error_code error;
    fs::create_directories(wanted, error);
    if (error) return ErrnoError(error.value(), "make the data directory", wanted);
    return DataHome(fs::canonical(wanted, error).string(), false);
  }
  DataHome(DataHome&& other) noexcept
      : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, false)) {}
  DataHome& operator=(DataHome&&) = delete;
  ~DataHome() {
    std::error_code ignored;
    if (temporary_) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  DataHome(std::string path, bool temporary) : path_(std::move(path)), temporary_(temporary) {}

  std::string path_;
  bool temporary_;
};

Result<std::string> OwnDirectory() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return ErrnoError(error.value(), "read", "/proc/self/exe");
  for (const char* daemon : {"quell-coordinator", "quell-node"}) {
    const fs::path path = self.parent_path() / daemon;
    if (::access(path.c_str(), X_OK) != 0) {
      return Error{ErrorCode::kNotFound, path.string() +
                                             " is not there: the daemons belong beside the quell "
                                             "command, build or install them"};
    }
  }
  return self.parent_path().string();
}

Status CheckName(const std::string& name) {
  const bool plain = std::none_of(name.begin(), name.end(), [](unsigned char c) {
    return c <= ' ' || c == 0x7F || c == '/' || c == ':' || c == ',' || c == '*';
  });
  if (name.empty() || !plain || name.front() == '-' || name.front() == '.' || name.front() == '_' ||
      name == "coordinator") {
    return Invalid("'" + name +
                   "' cannot name a node: it is also its directory, so it must not be empty or "
                   "'coordinator', begin with '-', '.' or '_', or hold blanks or / : , *");
  }
  if (name.size() > limits::kNodeNameMax) {
    return Invalid("the name '" + name + "' is longer than " +
                   std::to_string(limits::kNodeNameMax) + " bytes");
  }
  return {};
}

}  // namespace

Result<std::vector<std::string>> NodeNames(const DevArguments& arguments) {
  std::vector<std::string> names = arguments.names;
  if (names.empty()) {
    for (int i = 1; i <= (arguments.nodes == 0 ? 3 : arguments.nodes); ++i) {
      names.push_back("node" + std::to_string(i));
    }
  }
  if (arguments.nodes != 0 && names.size() != static_cast<std::size_t>(arguments.nodes)) {
    return Invalid("--nodes " + std::to_string(arguments.nodes) + " and " +
                   std::to_string(names.size()) + " names: give as many names as nodes");
  }
  if (names.size() > kNodesMax) {
    return Invalid("at most " + std::to_string(kNodesMax) + " nodes");
  }
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (const Status ok = CheckName(name); !ok) return ok.error();
    if (!seen.insert(name).second) return Invalid("the name '" + name + "' is given twice");
  }
  return names;
}

Status CheckSocketPaths(const std::string& data, const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    const std::string path = SocketPath(data, name);
    if (path.size() > kSocketPathMax) {
      return Invalid("the socket path " + path + " has " + std::to_string(path.size()) +
                     " bytes, and a socket path can have " + std::to_string(kSocketPathMax) +
                     ": choose a shorter --data directory");
    }
  }
  return {};
}

int DevCommand(const DevArguments& arguments, const Environment& environment) {
  const auto names = NodeNames(arguments);
  if (!names) return Refuse(names.error());
  if (const auto http = ParseHostPort(arguments.http); !http) {
    return Refuse(Invalid("--http: " + http.error().message));
  }
  if (!arguments.data.empty()) {
    // Before the directory is made: a mistake leaves nothing behind.
    const std::string absolute = fs::absolute(arguments.data).lexically_normal().string();
    if (const Status ok = CheckSocketPaths(absolute, *names); !ok) return Refuse(ok.error());
  }
  const auto bin_dir = OwnDirectory();
  if (!bin_dir) return Refuse(bin_dir.error());
  ::signal(SIGPIPE, SIG_IGN);
  const SystemClock clock;
  process::SignalQueue signals({SIGCHLD, SIGINT, SIGTERM, SIGHUP});
  const auto home = DataHome::Open(arguments.data, environment.temp_dir);
  if (!home) return Refuse(home.error());
  if (const Status ok = CheckSocketPaths(home->path(), *names); !ok) return Refuse(ok.error());
  // The ready line is for programs: 2 KB of JSON on a terminal help nobody.
  const bool wanted =
      arguments.output.empty() ? ::isatty(STDOUT_FILENO) != 1 : arguments.output == "json";
  const auto ready = [wanted](const std::string& line) {
    if (wanted) Print(line + "\n");
    return !OutputFailed();
  };
  Cluster cluster({*bin_dir, home->path(), arguments.http, arguments.profile, *names}, clock,
                  signals, {ready, Say});
  return cluster.Run();
}

}  // namespace quell::cli
