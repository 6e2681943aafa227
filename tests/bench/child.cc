#include "tests/bench/child.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <fstream>
#include <spawn.h>
#include <sstream>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/measure.h"

namespace quell::bench {
namespace {

constexpr char kIdle[] = "--idle";
constexpr char kChild[] = "--child";

// gRPC stops and restarts its threads at each fork() of a process that uses it, and is slow for
// long afterwards; spawning does not tell it. The first word makes the new process end with this
// one.
int Spawn(const std::string& role, const std::vector<std::string>& words, int output,
          const std::string& log) {
  const std::string self = SelfPath();
  const std::string parent = std::to_string(::getpid());
  std::vector<const char*> argv{self.c_str(), role.c_str(), parent.c_str()};
  for (const std::string& word : words)
    argv.push_back(word.c_str());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  if (output >= 0) posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  if (!log.empty()) {
    posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, log.c_str(),
                                     O_WRONLY | O_CREAT | O_APPEND, 0600);
  }
  pid_t pid = -1;
  const int error = ::posix_spawn(&pid, self.c_str(), &actions, nullptr,
                                  const_cast<char* const*>(argv.data()), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) Fail(std::string("spawn: ") + std::strerror(error));
  return pid;
}

void EndWith(const char* parent) {
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (std::to_string(::getppid()) != parent) ::_exit(1);
}

}  // namespace

std::optional<int> RunAsChild(int argc, char** argv) {
  const std::string_view role = argc >= 3 ? argv[1] : "";
  if (role == kIdle) {
    EndWith(argv[2]);
    for (;;)
      ::pause();
  }
  if (role == kChild && argc >= 4) {
    EndWith(argv[2]);
    ::execv(argv[3], argv + 3);
    return 127;
  }
  return std::nullopt;
}

Child::Child(const std::vector<std::string>& argv, const std::string& log)
    : name_(argv.front()), log_(log) {
  int pipe[2];
  if (::pipe2(pipe, O_CLOEXEC) != 0) Fail(std::string("pipe: ") + std::strerror(errno));
  pid_ = Spawn(kChild, argv, pipe[1], log);
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

IdleProcess::IdleProcess() : pid_(Spawn(kIdle, {}, -1, {})) {}

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
