#include "host/process/tree_use.h"

#include <algorithm>
#include <cstdint>
#include <set>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "core/limits.h"
#include "host/process/process.h"
#include "host/process/process_table.h"

namespace quell::process {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;

nanoseconds Nanos(const timeval& time) {
  return std::chrono::seconds(time.tv_sec) + std::chrono::microseconds(time.tv_usec);
}

struct Sum {
  void Add(pid_t pid) {
    const auto use = ReadProcessUse(pid);
    if (!use) return;
    cpu += use->cpu;
    if (!IsWrapper(pid)) resident += use->resident;
  }

  nanoseconds cpu{0};
  std::uint64_t resident = 0;
};

// With all below. Parents before their children: a child that is waited for
// meanwhile is missing once, never counted twice.
void AddTree(std::vector<pid_t> tree, Sum& sum) {
  std::set<pid_t> seen(tree.begin(), tree.end());
  for (std::size_t i = 0; i < tree.size(); ++i) {
    sum.Add(tree[i]);
    const auto children = ReadChildren(tree[i]);
    if (!children) continue;
    for (const pid_t child : *children) {
      if (seen.insert(child).second) tree.push_back(child);
    }
  }
}

}  // namespace

ResourceReport LookAtTreeUse() {
  // Those who were waited for come first here too.
  rusage waited{};
  ::getrusage(RUSAGE_CHILDREN, &waited);
  Sum sum;
  sum.cpu = Nanos(waited.ru_utime) + Nanos(waited.ru_stime);
  siginfo_t any{};
  if (::waitid(P_ALL, 0, &any, WEXITED | WNOHANG | WNOWAIT) != 0) {
    // Most often so at the end: nobody is left.
  } else if (!ProcIsOwn()) {
    // Of those who live nothing can be told.
  } else if (auto children = ReadChildren(::getpid())) {
    AddTree(std::move(*children), sum);
  } else if (const auto all = ReadProcesses()) {  // The kernel does not tell who is whose child.
    for (const ProcessStat& process : DescendantsOf(::getpid(), *all))
      sum.Add(process.pid);
  }
  ResourceReport report;
  report.cpu = CpuUse{sum.cpu, sum.cpu, sum.cpu, 1, 1};
  if (sum.resident > 0) report.memory = sum.resident;
  return report;
}

std::optional<ResourceReport> UsePace::Take(MonoTime now, const ResourceReport& look) {
  ResourceReport seen = look;
  if (seen_.cpu && seen.cpu->total < seen_.cpu->total) seen.cpu = seen_.cpu;
  const bool same = seen == seen_;
  const milliseconds longest = same ? kIdle : milliseconds(limits::kMeasureInterval);
  pause_ = std::min(pause_ * 2, longest);
  seen_ = seen;
  if (!IsWorthTelling(now, seen)) return std::nullopt;
  told_ = seen;
  told_at_ = now;
  return seen;
}

bool UsePace::IsWorthTelling(MonoTime now, const ResourceReport& seen) const {
  if (seen == told_) return false;
  if (!told_.cpu || now - told_at_ >= kTellAnyway) return true;
  if ((seen.cpu->total - told_.cpu->total) * 100 >= now - told_at_) return true;
  if (!seen.memory || !told_.memory) return true;
  const auto [less, more] = std::minmax(*seen.memory, *told_.memory);
  return (more - less) * 20 > more;
}

ResourceReport UsePace::Last(const ResourceReport& look) const {
  const bool fell = seen_.cpu && seen_.cpu->total > look.cpu->total;
  return {fell ? seen_.cpu : look.cpu, seen_ == told_ ? std::nullopt : seen_.memory};
}

}  // namespace quell::process
