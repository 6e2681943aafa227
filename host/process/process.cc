#include "host/process/process.h"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <dirent.h>
#include <map>
#include <optional>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "host/proc_text.h"

namespace quell {
namespace {

Error NoSuchProcess(pid_t pid) {
  return {ErrorCode::kNotFound, "no process has the pid " + std::to_string(pid)};
}

Result<std::string> ReadProcFile(pid_t pid, const char* name) {
  if (pid <= 0) return NoSuchProcess(pid);
  auto text = ReadSmallFile("/proc/" + std::to_string(pid) + '/' + name);
  if (!text && text.error().code == ErrorCode::kNotFound) return NoSuchProcess(pid);
  return text;
}

Error MalformedStat(std::string_view line) {
  return {ErrorCode::kInvalidArgument, "malformed process status: " + std::string(line)};
}

// A peer that has more is a program of some other kind than a wrapper.
constexpr std::size_t kChildrenAsked = 64;

// The pids of /proc/WHO, from that in the namespace of /proc to that in its own; empty: it cannot
// be seen.
std::vector<pid_t> NamespacePids(const std::string& who) {
  constexpr std::string_view kName = "\nNSpid:";
  std::vector<pid_t> pids;
  const auto text = ReadSmallFile("/proc/" + who + "/status");
  if (!text) return pids;
  const auto line = text->find(kName);
  if (line == std::string::npos) return pids;
  std::string_view rest = std::string_view(*text).substr(line + kName.size());
  for (const std::string_view word : Words(rest.substr(0, rest.find('\n')))) {
    if (const auto pid = ParseNumber<pid_t>(word)) pids.push_back(*pid);
  }
  return pids;
}

// Calls `each` with the names that are numbers.
template <typename Each>
Status ForEachNumberIn(const std::string& path, Each each) {
  DIR* directory = ::opendir(path.c_str());
  if (directory == nullptr) return ErrnoError(errno, "read", path);
  while (const dirent* entry = ::readdir(directory)) {
    if (const auto number = ParseNumber<pid_t>(entry->d_name)) each(*number);
  }
  ::closedir(directory);
  return {};
}

}  // namespace

Result<ProcessStat> ParseProcessStat(std::string_view line) {
  const Error malformed = MalformedStat(line);
  // The command may hold spaces and parentheses: it goes up to the last one.
  const auto open = line.find(" (");
  const auto close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open + 2) {
    return malformed;
  }
  // From the state on; the start time is the stat file's 22nd field.
  const std::vector<std::string_view> fields = Words(line.substr(close + 1));
  if (fields.size() < 20 || fields[0].size() != 1) return malformed;
  const auto pid = ParseNumber<pid_t>(line.substr(0, open));
  const auto parent = ParseNumber<pid_t>(fields[1]);
  const auto group = ParseNumber<pid_t>(fields[2]);
  const auto session = ParseNumber<pid_t>(fields[3]);
  const auto threads = ParseNumber<std::uint32_t>(fields[17]);
  const auto start = ParseNumber<std::uint64_t>(fields[19]);
  if (!pid || !parent || !group || !session || !threads || !start) return malformed;
  return ProcessStat{*pid,
                     *parent,
                     *group,
                     *session,
                     fields[0][0],
                     *start,
                     std::string(line.substr(open + 2, close - open - 2)),
                     *threads};
}

bool ProcIsOwn() {
  const auto pids = NamespacePids("self");
  return pids.size() == 1 && pids.front() == ::getpid();
}

Result<pid_t> FindNamed(pid_t peer, pid_t pid) {
  const auto of_peer = NamespacePids(std::to_string(peer));
  if (of_peer.empty()) {
    // One that named itself has ended since; without /proc nobody can tell.
    if (pid == peer && !NamespacePids("self").empty()) return pid;
    return NoSuchProcess(peer);
  }
  if (of_peer.size() == 1) return pid;
  if (of_peer.back() == pid) return peer;
  const auto children = ReadChildren(peer);
  if (!children) return children.error();
  for (std::size_t i = 0; i < std::min(children->size(), kChildrenAsked); ++i) {
    const auto of_child = NamespacePids(std::to_string((*children)[i]));
    // As deep as its parent is in the very same namespace.
    if (of_child.size() == of_peer.size() && of_child.back() == pid) return (*children)[i];
  }
  return NoSuchProcess(pid);
}

Result<ProcessStat> ReadProcess(pid_t pid) {
  const auto text = ReadProcFile(pid, "stat");
  if (!text) return text.error();
  return ParseProcessStat(*text);
}

Result<std::vector<ProcessStat>> ReadProcesses() {
  std::vector<ProcessStat> all;
  const Status read = ForEachNumberIn("/proc", [&all](pid_t pid) {
    // One that has ended since is simply not there.
    if (auto process = ReadProcess(pid)) all.push_back(std::move(*process));
  });
  if (!read) return read.error();
  std::sort(all.begin(), all.end(),
            [](const ProcessStat& a, const ProcessStat& b) { return a.pid < b.pid; });
  return all;
}

std::vector<ProcessStat> DescendantsOf(pid_t root, const std::vector<ProcessStat>& all) {
  std::multimap<pid_t, const ProcessStat*> children;
  for (const ProcessStat& process : all) {
    // A pid that is its own parent would never end.
    if (process.pid != process.parent) children.emplace(process.parent, &process);
  }
  std::vector<ProcessStat> found;
  const auto add_children_of = [&](pid_t parent) {
    const auto [begin, end] = children.equal_range(parent);
    for (auto child = begin; child != end; ++child)
      found.push_back(*child->second);
    children.erase(begin, end);  // Whatever /proc says, each is found once.
  };
  add_children_of(root);
  for (std::size_t i = 0; i < found.size(); ++i)
    add_children_of(found[i].pid);
  return found;
}

namespace {

std::uint64_t PageBytes() {
  static const auto bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

// What any thread that has not ended says of the memory that all of them share.
std::uint64_t ResidentOfThreads(pid_t pid) {
  const std::string threads = "/proc/" + std::to_string(pid) + "/task";
  std::uint64_t resident = 0;
  (void)ForEachNumberIn(threads, [&](pid_t thread) {
    if (resident > 0) return;
    const auto text = ReadSmallFile(threads + '/' + std::to_string(thread) + "/statm");
    if (!text) return;
    const auto fields = Words(*text);
    if (fields.size() < 2) return;
    resident = ParseNumber<std::uint64_t>(fields[1]).value_or(0) * PageBytes();
  });
  return resident;
}

}  // namespace

Result<ProcessUse> ParseProcessUse(std::string_view line) {
  // From the state on: the times are the stat file's 14th to 17th field, resident pages the 24th.
  const auto close = line.rfind(')');
  if (close == std::string_view::npos) return MalformedStat(line);
  const std::vector<std::string_view> fields = Words(line.substr(close + 1));
  if (fields.size() < 22) return MalformedStat(line);
  std::uint64_t ticks = 0;
  for (const std::size_t field : {11U, 12U, 13U, 14U}) {
    const auto time = ParseNumber<std::uint64_t>(fields[field]);
    if (!time) return MalformedStat(line);
    ticks += *time;
  }
  const auto pages = ParseNumber<std::uint64_t>(fields[21]);
  if (!pages) return MalformedStat(line);
  static const auto ticks_a_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  constexpr std::uint64_t kSecond = 1'000'000'000;
  return ProcessUse{std::chrono::nanoseconds(ticks * (kSecond / ticks_a_second)),
                    *pages * PageBytes()};
}

Result<ProcessUse> ReadProcessUse(pid_t pid) {
  const auto text = ReadProcFile(pid, "stat");
  if (!text) return text.error();
  auto use = ParseProcessUse(*text);
  if (!use || use->resident > 0) return use;
  // Where the first thread has ended, /proc tells the memory only with the others.
  const auto stat = ParseProcessStat(*text);
  if (stat && stat->state == 'Z' && !stat->ended()) use->resident = ResidentOfThreads(pid);
  return use;
}

Result<std::vector<pid_t>> ReadChildren(pid_t pid) {
  constexpr std::size_t kMax = std::size_t{1} << 20;
  const std::string threads = "/proc/" + std::to_string(pid) + "/task";
  std::vector<pid_t> children;
  bool told = false;
  const Status read = ForEachNumberIn(threads, [&](pid_t thread) {
    const auto text = ReadSmallFile(threads + '/' + std::to_string(thread) + "/children", kMax);
    if (!text) return;  // It has ended since.
    told = true;
    for (const std::string_view word : Words(*text)) {
      if (const auto child = ParseNumber<pid_t>(word)) children.push_back(*child);
    }
  });
  if (!read || !told) return NoSuchProcess(pid);
  return children;
}

Result<std::uint32_t> ProcessUid(pid_t pid) {
  const auto text = ReadProcFile(pid, "status");
  if (!text) return text.error();
  const auto line = text->find("\nUid:");
  if (line != std::string::npos) {
    const auto fields = Words(std::string_view(*text).substr(line + 5, 64));
    if (!fields.empty()) {
      if (const auto uid = ParseNumber<std::uint32_t>(fields[0])) return *uid;
    }
  }
  return Error{ErrorCode::kInternal, "/proc/" + std::to_string(pid) + "/status tells no user id"};
}

Result<FileDescriptor> OpenPidfd(pid_t pid) {
  FileDescriptor fd(pid > 0 ? static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)) : -1);
  if (fd) return fd;
  // EINVAL: not a process, or a thread of one.
  if (pid <= 0 || errno == ESRCH || errno == EINVAL) return NoSuchProcess(pid);
  return ErrnoError(errno, "watch", "process " + std::to_string(pid));
}

bool HasEnded(const FileDescriptor& pidfd) {
  pollfd poll{pidfd.get(), POLLIN, 0};
  return ::poll(&poll, 1, 0) == 1;
}

Status SendSignal(const FileDescriptor& pidfd, int signal) {
  if (::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0) return {};
  return ErrnoError(errno, "signal", "the process");
}

}  // namespace quell
