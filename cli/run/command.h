// The wrapped command as a process: forked first, so that it can be registered by its pid, and held
// at a barrier until it may execute.
#pragma once

#include <csignal>
#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

#include "core/result.h"

namespace quell::cli {

// Not thread-safe. The caller waits for the process.
class Command {
 public:
  // Forks; the child waits. Call it before any thread is made. The child is in the caller's process
  // group and session, with its signal mask set to `mask` and all its open files. Errors:
  // kResourceExhausted.
  static Result<Command> Fork(std::vector<std::string> argv, const sigset_t& mask);
  Command(Command&& other) noexcept;
  Command& operator=(Command&&) = delete;
  ~Command();

  pid_t pid() const { return pid_; }
  // Lets it execute, with these added to its environment. Without Release() it ends when this
  // object does, without having executed anything.
  void Release(const std::map<std::string, std::string>& environment);
  // Why it could not be executed, an errno; 0 if it could. Only once it has ended.
  int ExecError() const;

 private:
  Command(pid_t pid, int barrier, int failure) : pid_(pid), barrier_(barrier), failure_(failure) {}

  pid_t pid_;
  int barrier_;
  int failure_;
};

}  // namespace quell::cli
