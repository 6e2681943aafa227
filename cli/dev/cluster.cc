#include "cli/dev/cluster.h"

#include <algorithm>
#include <csignal>
#include <poll.h>
#include <utility>

#include "cli/exit_code.h"
#include "cli/shell_quote.h"
#include "core/limits.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// A daemon that has not come up by then is not going to.
constexpr seconds kStartLimit{60};
// Longer than a daemon's own deadline, which it keeps unless it hangs.
constexpr auto kStopLimit = limits::kStopDeadline + seconds(1);

}  // namespace

std::string SocketPath(const std::string& data, const std::string& name) {
  return data + "/" + name + "/quell.sock";
}

Cluster::Cluster(ClusterOptions options, const Clock& clock, process::SignalQueue& signals,
                 Output output)
    : options_(std::move(options)), clock_(clock), signals_(signals), output_(std::move(output)) {
  members_.push_back({.name = "coordinator"});
  for (const std::string& name : options_.names) {
    members_.push_back({.name = name, .is_node = true});
  }
}

int Cluster::Run() {
  const bool up = StartAll();
  bool failed = !up && stop_signals_ == 0;
  if (up && !Announce()) {
    failed = true;
  } else if (up) {
    while (stop_signals_ == 0) {
      Pump(clock_.Now() + seconds(60));
      ReportEnds();
    }
  }
  Stop();
  return failed ? kFailed : kOk;
}

std::vector<std::string> Cluster::CoordinatorArgv() const {
  return {options_.bin_dir + "/quell-coordinator",
          "--data",
          options_.data + "/coordinator",
          "--http",
          options_.http,
          "--listen",
          "127.0.0.1:0",
          "--opensearch-profile",
          options_.profile};
}

std::vector<std::string> Cluster::NodeArgv(const Member& node) const {
  return {options_.bin_dir + "/quell-node",
          "--name",
          node.name,
          "--data",
          options_.data + "/" + node.name,
          "--listen",
          "127.0.0.1:0",
          "--coordinator",
          members_.front().ready->grpc,
          "--socket",
          SocketPath(options_.data, node.name)};
}

bool Cluster::StartMember(Member& member, std::vector<std::string> argv) {
  auto process = DaemonProcess::Start(std::move(argv), signals_.old_mask());
  if (!process) {
    output_.say("cannot start " + member.name + ": " + process.error().message);
    return false;
  }
  member.process.emplace(std::move(*process));
  return true;
}

bool Cluster::StartAll() {
  Member& coordinator = members_.front();
  if (!StartMember(coordinator, CoordinatorArgv())) return false;
  if (!WaitUntil([&] { return coordinator.ready.has_value(); })) return false;
  for (Member& member : members_) {
    if (member.is_node && !StartMember(member, NodeArgv(member))) return false;
  }
  return WaitUntil([this] {
    return std::all_of(members_.begin(), members_.end(), [](const Member& member) {
      return !member.is_node || (member.ready && member.joined);
    });
  });
}

bool Cluster::WaitUntil(const std::function<bool()>& done) {
  const MonoTime limit = clock_.Now() + kStartLimit;
  while (!done()) {
    if (stop_signals_ > 0 || StartFailed()) return false;
    if (clock_.Now() >= limit) {
      for (const Member& member : members_) {
        if (!member.process || (member.ready && (member.joined || !member.is_node))) continue;
        output_.say(member.name + " is not " + (member.ready ? "joined" : "ready") + " after " +
                    std::to_string(kStartLimit.count()) + " s, giving up");
      }
      return false;
    }
    Pump(limit);
  }
  return true;
}

bool Cluster::StartFailed() {
  for (Member& member : members_) {
    if (!member.process || !member.process->Poll()) continue;
    ReadOutput(member);  // Its own message comes before ours.
    member.end_told = true;
    output_.say(member.name + " did not come up (" + DescribeStatus(*member.process->status()) +
                "); it was started as: " + ShellJoin(member.process->argv()));
    return true;
  }
  return false;
}

bool Cluster::Announce() {
  std::vector<DaemonReady> nodes;
  for (const Member& member : members_) {
    if (member.is_node) nodes.push_back(*member.ready);
  }
  const DaemonReady& coordinator = *members_.front().ready;
  output_.say(std::to_string(nodes.size()) + (nodes.size() == 1 ? " node is" : " nodes are") +
              " up; data in " + options_.data);
  output_.say("  coordinator " + coordinator.http);
  for (const DaemonReady& node : nodes) {
    output_.say("  " + node.name + " " + node.socket + " (pid " + std::to_string(node.pid) + ")");
  }
  output_.say("Try next, in another terminal:");
  output_.say("  export QUELL_HTTP=" + coordinator.http +
              " QUELL_SOCKET=" + ShellQuote(nodes.front().socket));
  output_.say("  quell run -- sleep 300 &");
  output_.say("  quell ps");
  output_.say("  quell cancel --nodes " + ShellQuote(nodes.front().name));
  output_.say(
      "Ctrl-C stops the coordinator and the nodes; commands under `quell run` keep running.");
  return output_.ready(RenderClusterReady(coordinator, nodes));
}

void Cluster::ReportEnds() {
  for (Member& member : members_) {
    if (!member.process || member.end_told || !member.process->Poll()) continue;
    member.end_told = true;
    output_.say(member.name + " (pid " + std::to_string(member.process->pid()) + ") has ended by " +
                DescribeStatus(*member.process->status()) + "; to start it again:");
    output_.say("  " + ShellJoin(member.ready ? member.ready->argv : member.process->argv()));
  }
}

void Cluster::Stop() {
  stop_signals_ = std::min(stop_signals_, 1);  // One more from here on means: at once.
  StopMembers(true);
  StopMembers(false);
}

void Cluster::StopMembers(bool nodes) {
  const MonoTime limit = clock_.Now() + kStopLimit;
  bool forced = false;
  const auto each_running = [&](const std::function<void(Member&)>& act) {
    bool any = false;
    for (Member& member : members_) {
      if (member.is_node != nodes || !member.process || member.process->Poll()) continue;
      any = true;
      act(member);
    }
    return any;
  };
  each_running([](Member& member) {
    member.process->Signal(SIGTERM);
    member.process->Signal(SIGCONT);  // One that is stopped could not obey.
  });
  while (each_running([](Member&) {})) {
    const bool late = clock_.Now() >= limit;
    if (!forced && (late || stop_signals_ > 1)) {
      forced = true;
      each_running([&](Member& member) {
        if (late) output_.say(member.name + " does not stop, killing it");
        member.process->Signal(SIGKILL);
      });
    }
    Pump(forced ? clock_.Now() + seconds(1) : limit);
  }
  for (Member& member : members_) {
    if (member.is_node == nodes && member.process) ReadOutput(member);
  }
}

void Cluster::Pump(MonoTime until) {
  std::vector<pollfd> files{{signals_.fd(), POLLIN, 0}};
  for (const Member& member : members_) {
    if (!member.process) continue;
    files.push_back({member.process->out(), POLLIN, 0});
    files.push_back({member.process->err(), POLLIN, 0});
  }
  const auto left = std::chrono::ceil<milliseconds>(until - clock_.Now()).count();
  ::poll(files.data(), files.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000)));
  while (const auto info = signals_.Take()) {
    if (static_cast<int>(info->ssi_signo) != SIGCHLD) ++stop_signals_;
  }
  for (Member& member : members_)
    ReadOutput(member);
}

void Cluster::ReadOutput(Member& member) {
  if (!member.process) return;
  const auto relay = [&](const std::string& line) { output_.say("[" + member.name + "] " + line); };
  member.process->ReadErr(relay);
  member.process->ReadOut([&](const std::string& line) {
    const auto parsed = ParseDaemonLine(line);
    if (!parsed) {
      relay(line);
    } else if (const auto* ready = std::get_if<DaemonReady>(&*parsed)) {
      member.ready = *ready;
    } else {
      member.joined = true;
    }
  });
}

}  // namespace quell::cli
