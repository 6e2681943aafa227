// What a process keeps when it executes another program, and a child of it does not get: `quell
// run` hands it on, so that its command starts as if it had taken the place of `quell run`.
#pragma once

#include <array>
#include <csignal>
#include <string>
#include <sys/time.h>
#include <sys/types.h>
#include <vector>

namespace quell::process {

// What fork() hands on by itself (open files, limits, umask, directory, ...) is not in here.
class Inherited {
 public:
  // Takes them away from the calling process, and has it told how its children end. `mask`: the
  // signal mask with which it was started.
  explicit Inherited(const sigset_t& mask);

  // Gives them to the calling process: the child, or the one that had them. The signal mask, after
  // which the process may end by what waits for it, is left to the caller.
  void Restore() const;
  const sigset_t& mask() const { return mask_; }
  // The process that had them.
  pid_t owner() const { return owner_; }

 private:
  static constexpr std::array kTimers{ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF};

  sigset_t mask_;
  pid_t owner_;
  bool children_ignored_ = false;  // SIGCHLD is.
  int subreaper_ = 0;
  int killed_with_parent_ = 0;
  std::array<itimerval, kTimers.size()> timers_{};
};

// The environment of this process, of NAME=VALUE each, for `command`, a process that takes the
// place of `owner`: variables that tell a program whether they are meant for it, and name `owner`,
// name `command`. `changes` take the place of what has their names.
std::vector<std::string> CommandEnvironment(const char* const* environment,
                                            const std::vector<std::string>& changes, pid_t owner,
                                            pid_t command);

}  // namespace quell::process
