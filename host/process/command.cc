#include "host/process/command.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <new>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "host/process/signal_queue.h"

namespace quell::process {
namespace {

// As a shell reports a command that it could not start.
constexpr int kNotStarted = 125;  // The fault is on this side of it.
constexpr int kCannotExecute = 126;
constexpr int kNotFound = 127;

// What goes through the barrier: NAME=VALUE texts, each with its terminating zero, then one more
// zero. If the pipe ends before that, the wrapper has gone and nothing is executed.
bool ReadEnvironment(int barrier, std::vector<std::string>& entries) {
  std::string text;
  char byte = 0;
  for (;;) {
    const ssize_t got = ::read(barrier, &byte, 1);
    if (got < 0 && errno == EINTR) continue;
    if (got != 1) return false;
    if (byte != '\0') {
      text.push_back(byte);
      continue;
    }
    if (text.empty()) return true;
    entries.push_back(std::exchange(text, {}));
  }
}

std::vector<char*> Pointers(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (const std::string& text : texts)
    pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void EndUnexecuted(const char* program, int error) {
  SetSignalMask(EverySignalSet());  // A SIGPIPE must not take the place of the exit code.
  char line[PIPE_BUF];
  const int size = std::snprintf(line, sizeof line, "quell: %s: %s\n", program,
                                 std::strerror(error));  // NOLINT: one thread.
  (void)!::write(STDERR_FILENO, line, std::min<std::size_t>(size, sizeof line - 1));
  ::_exit(error == ENOENT ? kNotFound : kCannotExecute);
}

void Execute(char* const* argv, const Inherited& inherited, const std::vector<std::string>& added) {
  const auto all = CommandEnvironment(environ, added, inherited.owner(), ::getpid());
  const auto own = CommandEnvironment(environ, {}, inherited.owner(), ::getpid());
  const auto with_all = Pointers(all);
  const auto with_own = Pointers(own);
  SetSignalMask(inherited.mask());
  ::execvpe(argv[0], argv, with_all.data());
  // Without what Quell adds it may have room.
  if (errno == E2BIG) ::execvpe(argv[0], argv, with_own.data());
}

[[noreturn]] void RunChild(char* const* argv, const Inherited& inherited, int barrier) {
  inherited.Restore();
  try {
    std::vector<std::string> added;
    if (!ReadEnvironment(barrier, added)) ::_exit(kNotStarted);
    Execute(argv, inherited, added);
  } catch (const std::bad_alloc&) {  // It may need less memory than this.
    ExecuteInPlace(argv, inherited.mask());
  }
  EndUnexecuted(argv[0], errno);
}

}  // namespace

Result<Command> Command::Fork(const std::vector<std::string>& argv, const Inherited& inherited) {
  const auto pointers = Pointers(argv);
  int barrier[2];
  if (::pipe2(barrier, O_CLOEXEC) != 0) {
    return Error{ErrorCode::kResourceExhausted, std::string("pipe: ") + std::strerror(errno)};
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(barrier[1]);
    RunChild(pointers.data(), inherited, barrier[0]);
  }
  const int error = errno;
  ::close(barrier[0]);
  if (pid < 0) {
    ::close(barrier[1]);
    return Error{ErrorCode::kResourceExhausted, std::string("fork: ") + std::strerror(error)};
  }
  return Command(pid, barrier[1]);
}

Command::Command(Command&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)), barrier_(std::exchange(other.barrier_, -1)) {}

Command::~Command() {
  if (barrier_ >= 0) ::close(barrier_);
}

void Command::Release(const std::vector<std::string>& environment) {
  const auto send = [this](std::string_view text) {
    while (!text.empty()) {
      const ssize_t sent = ::write(barrier_, text.data(), text.size());
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) return;  // It was killed at the barrier.
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
  };
  constexpr std::string_view kEnd("\0", 1);
  for (const std::string& entry : environment) {
    send(entry);
    send(kEnd);
  }
  send(kEnd);
  ::close(std::exchange(barrier_, -1));
}

void ExecuteInPlace(char* const* argv, const sigset_t& mask) {
  SetSignalMask(mask);
  ::execvp(argv[0], argv);
  EndUnexecuted(argv[0], errno);
}

}  // namespace quell::process
