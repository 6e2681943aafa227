#include "host/turn_log.h"

#include <ctime>

#include "host/log.h"

namespace quell {
namespace {

std::chrono::nanoseconds ThreadCpu() {
  timespec used{};
  // lint: allow(clock): how busy a thread was is no time that anything is decided by.
  if (::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used) != 0) return {};
  return std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec);
}

std::int64_t Millis(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

}  // namespace

std::unique_ptr<TurnWatch> LogLongTurns(const Clock& clock, std::string_view thread) {
  return std::make_unique<TurnWatch>(clock, ThreadCpu, [thread](const LongTurn& turn) {
    LogWarning("one piece of work held up all others", {{"thread", thread},
                                                        {"work", turn.what},
                                                        {"took_ms", Millis(turn.took)},
                                                        {"cpu_ms", Millis(turn.on_cpu)},
                                                        {"so_far", turn.count},
                                                        {"not_logged", turn.not_reported}});
  });
}

}  // namespace quell
