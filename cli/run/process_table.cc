#include "cli/run/process_table.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace quell::cli {
namespace {

std::optional<pid_t> ParsePid(std::string_view text) {
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), pid);
  if (error != std::errc() || end != text.data() + text.size() || pid <= 0) return std::nullopt;
  return pid;
}

// The name stands in parentheses and may hold anything, parentheses and spaces too; so the fields
// are counted from the last one.
std::optional<Process> ParseStat(std::string_view text) {
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || open < 2) {
    return std::nullopt;
  }
  Process process;
  const auto pid = ParsePid(text.substr(0, open - 1));
  if (!pid) return std::nullopt;
  process.pid = *pid;
  process.name = text.substr(open + 1, close - open - 1);
  text.remove_prefix(close + 1);
  constexpr int kState = 3, kParent = 4, kStart = 22;  // As proc(5) numbers the fields.
  for (int field = kState; field <= kStart; ++field) {
    const std::size_t from = text.find_first_not_of(' ');
    if (from == std::string_view::npos) return std::nullopt;
    const std::string_view value = text.substr(from, text.find(' ', from) - from);
    text.remove_prefix(from + value.size());
    if (field == kState) process.state = value.front();
    if (field == kParent) {
      std::from_chars(value.data(), value.data() + value.size(), process.parent);
    }
    if (field == kStart) {
      std::from_chars(value.data(), value.data() + value.size(), process.start_ticks);
    }
  }
  return process;
}

std::optional<Process> ReadProcess(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  char text[1024];
  const ssize_t size = ::read(file, text, sizeof text);
  ::close(file);
  if (size <= 0) return std::nullopt;
  return ParseStat({text, static_cast<std::size_t>(size)});
}

}  // namespace

bool IsWrapper(pid_t pid) {
  struct stat own {};
  struct stat other {};
  if (::stat("/proc/self/exe", &own) != 0) return false;
  if (::stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &other) != 0) return false;
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}

std::vector<Process> ReadOwnTree() {
  std::vector<Process> all;
  const std::unique_ptr<DIR, int (*)(DIR*)> proc(::opendir("/proc"), &::closedir);
  if (!proc) return all;
  while (const dirent* entry = ::readdir(proc.get())) {
    const auto pid = ParsePid(entry->d_name);
    if (!pid) continue;
    if (auto process = ReadProcess(*pid)) all.push_back(std::move(*process));
  }
  std::vector<Process> tree = Descendants(all, ::getpid());
  for (Process& process : tree) process.is_wrapper = IsWrapper(process.pid);
  return tree;
}

Status SendSignal(const Process& process, int signal) {
  const Error ended{ErrorCode::kNotFound, "pid " + std::to_string(process.pid) + " has ended"};
  // The pidfd first, then the look at the start time: what the pidfd holds cannot change any more.
  const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, process.pid, 0));
  if (pidfd < 0) return ended;
  const auto now = ReadProcess(process.pid);
  if (!now || now->start_ticks != process.start_ticks) {
    ::close(pidfd);
    return ended;
  }
  const long sent = ::syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0);
  const int error = errno;
  ::close(pidfd);
  if (sent == 0) return {};
  if (error == EPERM) {
    return Error{ErrorCode::kPermissionDenied, "it belongs to another user"};
  }
  return ended;
}

}  // namespace quell::cli
