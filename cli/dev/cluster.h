// A coordinator and its nodes as children of this process, from their start to their end.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/dev/daemon_process.h"
#include "cli/dev/ready_line.h"
#include "core/clock.h"
#include "host/process/signal_queue.h"

namespace quell::cli {

struct ClusterOptions {
  std::string bin_dir;  // Where quell-coordinator and quell-node lie.
  std::string data;     // Absolute; DATA/coordinator, and DATA/NAME for each node.
  std::string http;
  std::string profile;
  std::vector<std::string> names;
};

// Where node `name` has its local API.
std::string SocketPath(const std::string& data, const std::string& name);

// One thread; `signals` has SIGCHLD, SIGINT, SIGTERM and SIGHUP.
class Cluster {
 public:
  struct Output {
    // The line for programs, once. False: it could not be written, and the cluster ends.
    std::function<bool(const std::string&)> ready;
    std::function<void(const std::string&)> say;  // A line for people.
  };

  Cluster(ClusterOptions options, const Clock& clock, process::SignalQueue& signals, Output output);

  // Starts all, serves until a signal asks for the end, stops all: the nodes first. No child is
  // left when it returns. Returns the exit code: kFailed if a daemon did not come up, or nobody
  // could be told, else kOk.
  int Run();

 private:
  struct Member {
    std::string name;
    bool is_node = false;
    std::optional<DaemonProcess> process = {};
    std::optional<DaemonReady> ready = {};
    bool joined = false;
    bool end_told = false;
  };

  std::vector<std::string> CoordinatorArgv() const;
  std::vector<std::string> NodeArgv(const Member& node) const;
  bool StartMember(Member& member, std::vector<std::string> argv);
  bool StartAll();  // False: it failed, or a signal came.
  bool WaitUntil(const std::function<bool()>& done);
  bool StartFailed();
  bool Announce();
  void ReportEnds();
  void Stop();
  void StopMembers(bool nodes);
  // Waits for something to happen, at most until `until`, and takes it in.
  void Pump(MonoTime until);
  void ReadOutput(Member& member);

  const ClusterOptions options_;
  const Clock& clock_;
  process::SignalQueue& signals_;
  const Output output_;
  std::vector<Member> members_;  // The coordinator first.
  int stop_signals_ = 0;
};

}  // namespace quell::cli
