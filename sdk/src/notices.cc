#include "notices.h"

#include <mutex>
#include <set>

#include "guard.h"

namespace quell::sdk {
namespace {

constexpr std::size_t kSaidMax = 1000;

struct Notices {
  std::mutex mutex;
  std::set<std::string> said;
  void (*fn)(void*, const char*) = nullptr;
  void* arg = nullptr;
};

// Never destroyed: threads may use it while the process ends.
Notices& TheNotices() {
  static Notices& notices = *new Notices();
  return notices;
}

}  // namespace

void WarnOnce(const std::string& key, const std::string& text) {
  Notices& here = TheNotices();
  std::unique_lock lock(here.mutex);
  if (here.fn == nullptr || here.said.size() >= kSaidMax || !here.said.insert(key).second) return;
  const auto fn = here.fn;
  void* const arg = here.arg;
  lock.unlock();
  (void)Survives([&] { fn(arg, text.c_str()); });
}

void WarnOfMember(const std::string& action, const std::string& name, const std::string& why) {
  WarnOnce("member " + action + " " + name,
           "the status of the task " + action + " has no member " + name + ": " + why);
}

void SetOnError(void (*fn)(void*, const char*), void* arg) {
  Notices& here = TheNotices();
  const std::lock_guard lock(here.mutex);
  here.fn = fn;
  here.arg = arg;
}

void LockNotices() {
  TheNotices().mutex.lock();
}

void UnlockNotices() {
  TheNotices().mutex.unlock();
}

}  // namespace quell::sdk
