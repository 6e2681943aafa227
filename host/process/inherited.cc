#include "host/process/inherited.h"

#include <algorithm>
#include <string_view>
#include <sys/prctl.h>
#include <unistd.h>
#include <utility>

namespace quell::process {
namespace {

// sd_listen_fds(3), sd_watchdog_enabled(3), systemd.exec(5).
constexpr std::array<std::string_view, 3> kNameTheirReader{"LISTEN_PID", "WATCHDOG_PID",
                                                           "SYSTEMD_EXEC_PID"};

std::string_view NameOf(std::string_view entry) {
  return entry.substr(0, entry.find('='));
}

}  // namespace

Inherited::Inherited(const sigset_t& mask) : mask_(mask), owner_(::getpid()) {
  struct sigaction plain {};
  struct sigaction before {};
  plain.sa_handler = SIG_DFL;
  ::sigaction(SIGCHLD, &plain, &before);  // Ignored, it would hide how the command ends.
  children_ignored_ = before.sa_handler == SIG_IGN;
  ::prctl(PR_GET_CHILD_SUBREAPER, &subreaper_);
  ::prctl(PR_GET_PDEATHSIG, &killed_with_parent_);
  const itimerval none{};
  // Read and stopped in one step: it goes off in one process only.
  for (std::size_t i = 0; i < kTimers.size(); ++i)
    ::setitimer(kTimers[i], &none, &timers_[i]);
}

void Inherited::Restore() const {
  if (children_ignored_) ::signal(SIGCHLD, SIG_IGN);
  ::prctl(PR_SET_CHILD_SUBREAPER, subreaper_);
  // Any other signal at its parent's end reaches the owner, which passes it on.
  if (killed_with_parent_ == SIGKILL && ::getpid() != owner_) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != owner_) ::raise(SIGKILL);
  }
  for (std::size_t i = 0; i < kTimers.size(); ++i) {
    const timeval& left = timers_[i].it_value;
    if (left.tv_sec != 0 || left.tv_usec != 0) ::setitimer(kTimers[i], &timers_[i], nullptr);
  }
}

std::vector<std::string> CommandEnvironment(const char* const* environment,
                                            const std::vector<std::string>& changes, pid_t owner,
                                            pid_t command) {
  const std::string named = std::to_string(owner);
  std::vector<std::string> entries;
  for (; *environment != nullptr; ++environment) {
    const std::string_view entry = *environment;
    const std::string_view name = NameOf(entry);
    const bool changed = std::any_of(changes.begin(), changes.end(),
                                     [name](const auto& change) { return NameOf(change) == name; });
    if (changed) continue;
    const bool reader =
        std::find(kNameTheirReader.begin(), kNameTheirReader.end(), name) != kNameTheirReader.end();
    if (reader && entry.substr(std::min(entry.size(), name.size() + 1)) == named) {
      entries.push_back(std::string(name) + "=" + std::to_string(command));
    } else {
      entries.emplace_back(entry);
    }
  }
  entries.insert(entries.end(), changes.begin(), changes.end());
  return entries;
}

}  // namespace quell::process
