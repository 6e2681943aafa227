// The wrapped command as a process: forked first, so that it can be registered by its pid, and held
// at a barrier until it may execute.
#pragma once

#include <string>
#include <sys/types.h>
#include <vector>

#include "core/result.h"
#include "host/process/inherited.h"

namespace quell::process {

// Not thread-safe. The caller waits for the process.
class Command {
 public:
  // Forks; the child waits. Call it before any thread is made, with all signals blocked. The child
  // is in the caller's process group and session, with all its open files, and gets `inherited`. If
  // it cannot execute the command it says so on standard error. Errors: kResourceExhausted.
  static Result<Command> Fork(const std::vector<std::string>& argv, const Inherited& inherited);
  Command(Command&& other) noexcept;
  Command& operator=(Command&&) = delete;
  ~Command();

  pid_t pid() const { return pid_; }
  // Lets it execute, with these of NAME=VALUE added to its environment, unless it has no room for
  // them. Without Release() it ends when this object does, without having executed anything.
  void Release(const std::vector<std::string>& environment);

 private:
  Command(pid_t pid, int barrier) : pid_(pid), barrier_(barrier) {}

  pid_t pid_;
  int barrier_;
};

// Executes the command in place of this process, as if nothing had been between its caller and it;
// with a message on standard error ends with 126 or 127 if it cannot. Allocates nothing.
[[noreturn]] void ExecuteInPlace(char* const* argv, const sigset_t& mask);

}  // namespace quell::process
