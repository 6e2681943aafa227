#include "tests/bench/child.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/measure.h"

namespace quell::bench {
namespace {

int ForkBound() {
  const int parent = ::getpid();
  const int pid = ::fork();
  if (pid < 0) Fail(std::string("fork: ") + std::strerror(errno));
  if (pid == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(1);
  }
  return pid;
}

}  // namespace

Child::Child(const std::vector<std::string>& argv, const std::string& log)
    : name_(argv.front()), log_(log) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) Fail(std::string("pipe: ") + std::strerror(errno));
  std::vector<char*> raw;
  for (const std::string& argument : argv)
    raw.push_back(const_cast<char*>(argument.c_str()));
  raw.push_back(nullptr);
  pid_ = ForkBound();
  if (pid_ == 0) {
    ::dup2(pipe[1], STDOUT_FILENO);
    if (!log.empty()) {
      ::dup2(::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600), STDERR_FILENO);
    }
    ::execv(raw.front(), raw.data());
    ::_exit(127);
  }
  ::close(pipe[1]);
  output_ = pipe[0];
}

Child::~Child() {
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  ::close(output_);
}

std::string Child::ReadLine() {
  for (;;) {
    const std::size_t end = read_.find('\n');
    if (end != std::string::npos) {
      std::string line = read_.substr(0, end);
      read_.erase(0, end + 1);
      return line;
    }
    char bytes[4096];
    const ssize_t got = ::read(output_, bytes, sizeof bytes);
    if (got <= 0) {
      std::ostringstream words;
      words << std::ifstream(log_).rdbuf();
      Fail(name_ + " ended before it was ready. " + words.str());
    }
    read_.append(bytes, static_cast<std::size_t>(got));
  }
}

IdleProcess::IdleProcess() : pid_(ForkBound()) {
  if (pid_ != 0) return;
  for (;;)
    ::pause();
}

IdleProcess::~IdleProcess() {
  ::kill(pid_, SIGKILL);
  int status = 0;
  ::waitpid(pid_, &status, 0);
}

std::string SelfPath() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

long ResidentKilobytes(int pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  std::string word;
  while (status >> word) {
    long kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes;
  }
  return 0;
}

}  // namespace quell::bench
