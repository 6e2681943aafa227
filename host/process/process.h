// Processes of this host, read from /proc and held by pidfd.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "core/executor.h"
#include "core/result.h"
#include "host/file.h"

namespace boost::asio {
class io_context;
}

namespace quell {

// One line of /proc/PID/stat. A pid with its start time names one process for ever; a pid alone is
// reused.
struct ProcessStat {
  pid_t pid = 0;
  pid_t parent = 0;
  pid_t group = 0;
  pid_t session = 0;
  char state = '?';  // 'R', 'S', 'D', 'T' (stopped), 'Z' (ended, not yet waited for), ...
  std::uint64_t start_ticks = 0;  // Since boot.
  std::string command;            // The program's own name, at most 15 bytes; can be anything.
  std::uint32_t threads = 1;      // Those that have not ended, and the first one.

  // All of its threads have. The state is that of the first thread alone, which may end before the
  // others: the process runs on then.
  bool ended() const { return (state == 'Z' || state == 'X') && threads <= 1; }
  // It is stopped, or may be: where the first thread has ended, the state does not tell.
  bool may_be_stopped() const { return state == 'T' || (state == 'Z' && !ended()); }
  friend bool operator==(const ProcessStat&, const ProcessStat&) = default;
};

// The content of a stat file. Errors: kInvalidArgument.
Result<ProcessStat> ParseProcessStat(std::string_view line);
// Whether /proc is there and shows the pids of this process's own pid namespace. Where it is not
// mounted, or is that of another namespace, nothing below tells the truth about a pid.
bool ProcIsOwn();
// The pid by which this process knows the one that the process `peer` calls `pid`: the same, unless
// `peer` is in a pid namespace of its own. Errors: kNotFound: `peer` cannot be seen, or the process
// is neither `peer` nor a child of it.
Result<pid_t> FindNamed(pid_t peer, pid_t pid);
// Errors: kNotFound (no such process), kInternal (no /proc).
Result<ProcessStat> ReadProcess(pid_t pid);
// All that can be seen, by pid. Not one moment's picture: processes come and go while it is taken.
Result<std::vector<ProcessStat>> ReadProcesses();
// Those of `all` that descend from `root`, without it: parents before their children.
std::vector<ProcessStat> DescendantsOf(pid_t root, const std::vector<ProcessStat>& all);

// What one process uses.
struct ProcessUse {
  // User and system: its own, and that of the children it has waited for. In steps of the kernel's
  // clock, most often 10 ms.
  std::chrono::nanoseconds cpu{0};
  std::uint64_t resident = 0;  // Bytes of memory; 0 of one that has ended.

  friend bool operator==(const ProcessUse&, const ProcessUse&) = default;
};

// The content of a stat file. Errors: kInvalidArgument.
Result<ProcessUse> ParseProcessUse(std::string_view line);
// Errors: kNotFound (no such process), kInternal (no /proc).
Result<ProcessUse> ReadProcessUse(pid_t pid);
// Its children, without a look at every process of the host. One that is born or handed over
// meanwhile can be missing. Errors: kNotFound (no such process, or a kernel that does not tell).
Result<std::vector<pid_t>> ReadChildren(pid_t pid);

// The real user id. Errors: kNotFound, kInternal.
Result<std::uint32_t> ProcessUid(pid_t pid);

// Refers to this very process even when its pid is reused; becomes readable when it ends. Errors:
// kNotFound (no such process, or not a thread group's leader), kResourceExhausted (open files).
Result<FileDescriptor> OpenPidfd(pid_t pid);
// Whether it has ended, waited for or not.
bool HasEnded(const FileDescriptor& pidfd);
// Errors: kNotFound (it is gone), kPermissionDenied.
Status SendSignal(const FileDescriptor& pidfd, int signal);

// Tells when processes end.
class PidProcessWatch {
 public:
  // Some thread must run the context; it and the executor must outlive this object and the
  // handles.
  PidProcessWatch(boost::asio::io_context& context, Executor& executor)
      : context_(context), executor_(executor) {}

  // Runs `exited` once on the executor when the process ends, unless the handle is dropped before.
  // To be called, and the handle to be dropped, on the executor's thread. Errors: kNotFound (no
  // such process, or it has ended), kPermissionDenied (its real user is not `uid`, and `uid` is
  // not 0), kResourceExhausted (open files: each watch holds one).
  Result<std::shared_ptr<void>> Watch(std::int32_t pid, std::uint32_t uid,
                                      std::function<void()> exited);

 private:
  boost::asio::io_context& context_;
  Executor& executor_;
};

}  // namespace quell
