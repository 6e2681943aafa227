#include "descriptors.h"

#include <fcntl.h>
#include <mutex>
#include <set>
#include <unistd.h>

namespace quell::sdk {
namespace {

struct Open {
  std::mutex mutex;
  std::set<int> all;
};

// Never destroyed: threads may use it while the process ends.
Open& TheOpen() {
  static Open& open = *new Open();
  return open;
}

}  // namespace

int OpenDescriptor(const std::function<int()>& open) {
  Open& here = TheOpen();
  const std::lock_guard lock(here.mutex);
  int fd = open();
  if (fd >= 0 && fd <= STDERR_FILENO) {
    const int low = fd;
    fd = ::fcntl(low, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    ::close(low);
  }
  if (fd >= 0) here.all.insert(fd);
  return fd;
}

void CloseDescriptor(int fd) {
  if (fd < 0) return;
  Open& here = TheOpen();
  const std::lock_guard lock(here.mutex);
  here.all.erase(fd);
  ::close(fd);
}

void LockDescriptors() {
  TheOpen().mutex.lock();
}

void UnlockDescriptors() {
  TheOpen().mutex.unlock();
}

void CloseAllDescriptors() {
  Open& here = TheOpen();
  for (const int fd : here.all)
    ::close(fd);
  here.all.clear();
  here.mutex.unlock();
}

}  // namespace quell::sdk
