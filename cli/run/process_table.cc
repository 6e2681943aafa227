#include "cli/run/process_table.h"

#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace quell::cli {

std::vector<Process> ReadOwnTree() {
  std::vector<Process> tree;
  const auto all = ReadProcesses();
  if (!all) return tree;
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
  // The pidfd first, then the look at the start time: what the pidfd holds cannot change any more.
  const auto pidfd = OpenPidfd(process.stat.pid);
  if (!pidfd) return pidfd.error();
  const auto now = ReadProcess(process.stat.pid);
  if (!now || now->start_ticks != process.stat.start_ticks) {
    return Error{ErrorCode::kNotFound, "pid " + std::to_string(process.stat.pid) + " has ended"};
  }
  return quell::SendSignal(*pidfd, signal);
}

}  // namespace quell::cli
