#include "cli/dev/daemon_process.h"

#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace quell::cli {
namespace {

// A line longer than this is handed out in parts: a daemon that never ends one costs no memory.
constexpr std::size_t kLineMax = 64 * 1024;

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

Result<Pipe> MakePipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoError(errno, "make", "a pipe");
  return Pipe{FileDescriptor(ends[0]), FileDescriptor(ends[1])};
}

[[noreturn]] void RunChild(const std::vector<std::string>& argv, const sigset_t& mask, int out,
                           int err, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);  // It was gone before we asked to be told.
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, STDIN_FILENO);
  ::dup2(out, STDOUT_FILENO);
  ::dup2(err, STDERR_FILENO);
  ::signal(SIGPIPE, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
  std::vector<char*> pointers;
  for (const std::string& argument : argv)
    pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  const std::string text = "cannot execute " + argv.front() + ": " + std::strerror(errno) + "\n";
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(127);
}

}  // namespace

Result<DaemonProcess> DaemonProcess::Start(std::vector<std::string> argv, const sigset_t& mask) {
  auto out = MakePipe();
  if (!out) return out.error();
  auto err = MakePipe();
  if (!err) return err.error();
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoError(errno, "start", argv.front());
  if (pid == 0) RunChild(argv, mask, out->write.get(), err->write.get(), parent);
  for (const int file : {out->read.get(), err->read.get()}) {
    ::fcntl(file, F_SETFL, ::fcntl(file, F_GETFL) | O_NONBLOCK);
  }
  return DaemonProcess(pid, std::move(argv), std::move(out->read), std::move(err->read));
}

DaemonProcess::DaemonProcess(pid_t pid, std::vector<std::string> argv, FileDescriptor out,
                             FileDescriptor err)
    : pid_(pid), argv_(std::move(argv)), out_{std::move(out), {}}, err_{std::move(err), {}} {}

void DaemonProcess::Read(Stream& stream, const OnLine& on_line) {
  char buffer[4096];
  while (stream.file) {
    const ssize_t got = ::read(stream.file.get(), buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
      stream.file.Close();
      if (!stream.rest.empty()) on_line(std::exchange(stream.rest, {}));
      return;
    }
    stream.rest.append(buffer, static_cast<std::size_t>(got));
    std::size_t from = 0;
    for (std::size_t end = stream.rest.find('\n'); end != std::string::npos;
         end = stream.rest.find('\n', from)) {
      on_line(stream.rest.substr(from, end - from));
      from = end + 1;
    }
    stream.rest.erase(0, from);
    if (stream.rest.size() > kLineMax) on_line(std::exchange(stream.rest, {}));
  }
}

const std::optional<int>& DaemonProcess::Poll() {
  int status = 0;
  if (!status_ && ::waitpid(pid_, &status, WNOHANG) == pid_) status_ = status;
  return status_;
}

void DaemonProcess::Signal(int signal) {
  if (running()) ::kill(pid_, signal);
}

std::string DescribeStatus(int status) {
  if (WIFEXITED(status)) return "exit code " + std::to_string(WEXITSTATUS(status));
  const int signal = WTERMSIG(status);
  return "signal " + std::to_string(signal) + " (" + ::strsignal(signal) + ")";
}

}  // namespace quell::cli
