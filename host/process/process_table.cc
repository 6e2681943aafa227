#include "host/process/process_table.h"

#include <cerrno>
#include <csignal>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

namespace quell::process {

namespace {

constexpr pid_t kPidMax = 4'194'304;  // The kernel's own limit, PID_MAX_LIMIT.

// nullopt: it is no child of the caller, or was waited for.
std::optional<Process> LookAtChild(pid_t pid) {
  siginfo_t info{};
  const auto id = static_cast<id_t>(pid);
  if (::waitid(P_PID, id, &info, WEXITED | WNOHANG | WNOWAIT) != 0) return std::nullopt;
  Process process = OwnChild(pid);
  if (info.si_pid == pid) process.stat.state = 'Z';
  return process;
}

Status Kill(pid_t pid, int signal) {
  if (::kill(pid, signal) == 0) return {};
  return ErrnoError(errno, "signal", "the process");
}

}  // namespace

Process OwnChild(pid_t pid) {
  Process process;
  process.stat.pid = pid;
  process.stat.parent = ::getpid();
  return process;
}

std::vector<Process> FindOwnChildren() {
  std::vector<Process> children;
  for (pid_t pid = 1; pid < kPidMax; ++pid) {
    if (auto child = LookAtChild(pid)) children.push_back(std::move(*child));
  }
  return children;
}

Result<std::vector<Process>> ReadOwnTree() {
  std::vector<Process> tree;
  if (!ProcIsOwn()) return Error{ErrorCode::kNotFound, "/proc does not show our processes"};
  const auto all = ReadProcesses();
  if (!all) return all.error();
  for (ProcessStat& stat : DescendantsOf(::getpid(), *all)) {
    const bool is_wrapper = IsWrapper(stat.pid);
    tree.push_back({std::move(stat), is_wrapper});
  }
  return tree;
}

bool IsWrapper(pid_t pid) {
  struct stat own {};
  struct stat other {};
  if (::stat("/proc/self/exe", &own) != 0) return false;
  if (::stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &other) != 0) return false;
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

Status SendSignal(const Process& process, int signal) {
  const pid_t pid = process.stat.pid;
  const Error ended{ErrorCode::kNotFound, "pid " + std::to_string(pid) + " has ended"};
  if (process.stat.start_ticks == 0) {  // An OwnChild(): until it is waited for it keeps its pid.
    if (!LookAtChild(pid)) return ended;
    return Kill(pid, signal);
  }
  // The pidfd first, then the look at the start time: what the pidfd holds cannot change any more.
  const auto pidfd = OpenPidfd(pid);
  if (!pidfd && pidfd.error().code == ErrorCode::kNotFound) return pidfd.error();
  const auto now = ReadProcess(pid);
  if (!now || now->start_ticks != process.stat.start_ticks) return ended;
  // A sandbox, or the limit of open files, may refuse a pidfd.
  return pidfd ? quell::SendSignal(*pidfd, signal) : Kill(pid, signal);
}

}  // namespace quell::process
