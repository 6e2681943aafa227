#include "cli/run/command.h"

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <string_view>
#include <unistd.h>
#include <utility>

#include "cli/exit_code.h"

namespace quell::cli {
namespace {

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

[[noreturn]] void RunChild(const std::vector<std::string>& argv, const sigset_t& mask, int barrier,
                           int failure) {
  std::vector<std::string> entries;
  if (!ReadEnvironment(barrier, entries)) ::_exit(kRunFailed);
  for (const std::string& entry : entries) {
    const std::size_t equals = entry.find('=');
    ::setenv(entry.substr(0, equals).c_str(), entry.substr(equals + 1).c_str(), 1);
  }
  std::vector<char*> pointers;
  for (const std::string& argument : argv)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  ::execvp(pointers.front(), pointers.data());
  const int error = errno;
  (void)!::write(failure, &error, sizeof error);
  ::_exit(error == ENOENT ? kNotFound : kCannotExecute);
}

}  // namespace

Result<Command> Command::Fork(std::vector<std::string> argv, const sigset_t& mask) {
  int barrier[2];
  int failure[2];
  if (::pipe2(barrier, O_CLOEXEC) != 0) {
    return Error{ErrorCode::kResourceExhausted, std::string("pipe: ") + std::strerror(errno)};
  }
  if (::pipe2(failure, O_CLOEXEC | O_NONBLOCK) != 0) {
    const int error = errno;
    ::close(barrier[0]);
    ::close(barrier[1]);
    return Error{ErrorCode::kResourceExhausted, std::string("pipe: ") + std::strerror(error)};
  }
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::close(barrier[1]);
    ::close(failure[0]);
    RunChild(argv, mask, barrier[0], failure[1]);
  }
  const int error = errno;
  ::close(barrier[0]);
  ::close(failure[1]);
  if (pid < 0) {
    ::close(barrier[1]);
    ::close(failure[0]);
    return Error{ErrorCode::kResourceExhausted, std::string("fork: ") + std::strerror(error)};
  }
  return Command(pid, barrier[1], failure[0]);
}

Command::Command(Command&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      barrier_(std::exchange(other.barrier_, -1)),
      failure_(std::exchange(other.failure_, -1)) {}

Command::~Command() {
  if (barrier_ >= 0) ::close(barrier_);
  if (failure_ >= 0) ::close(failure_);
}

void Command::Release(const std::map<std::string, std::string>& environment) {
  std::string text;
  for (const auto& [name, value] : environment) {
    text += name;
    text += '=';
    text += value;
    text += '\0';
  }
  text += '\0';
  // A child that was killed at the barrier must not kill its wrapper with a SIGPIPE.
  sigset_t pipe_signal;
  sigset_t old;
  sigemptyset(&pipe_signal);
  sigaddset(&pipe_signal, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
  std::string_view rest = text;
  while (!rest.empty()) {
    const ssize_t sent = ::write(barrier_, rest.data(), rest.size());
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) break;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  const timespec now{};
  while (::sigtimedwait(&pipe_signal, nullptr, &now) > 0) {
  }
  ::pthread_sigmask(SIG_SETMASK, &old, nullptr);
  ::close(std::exchange(barrier_, -1));
}

int Command::ExecError() const {
  int error = 0;
  if (::read(failure_, &error, sizeof error) != static_cast<ssize_t>(sizeof error)) return 0;
  return error;
}

}  // namespace quell::cli
