#include "meter.h"

#include <algorithm>
#include <optional>
#include <pthread.h>

namespace quell::sdk {
namespace {

std::optional<std::int64_t> ReadClock(clockid_t clock) {
  timespec now{};
  if (clock_gettime(clock, &now) != 0) return std::nullopt;
  return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
}

// A thread that has ended without a word has no clock any more.
void Update(Meter::Stretch& stretch) {
  const auto now = ReadClock(stretch.clock);
  if (now) stretch.used = std::max(stretch.used, *now - stretch.start);
}

}  // namespace

Meter::Handle Meter::Begin() {
  Stretch stretch;
  if (pthread_getcpuclockid(pthread_self(), &stretch.clock) != 0) {
    stretch.clock = CLOCK_THREAD_CPUTIME_ID;
  }
  stretch.start = ReadClock(stretch.clock).value_or(0);
  return running_.insert(running_.end(), stretch);
}

void Meter::End(Handle stretch) {
  Update(*stretch);
  Count(ended_, stretch->used);
  running_.erase(stretch);
}

CpuFigures Meter::Read() {
  CpuFigures figures = ended_;
  for (Stretch& stretch : running_) {
    Update(stretch);
    Count(figures, stretch.used);
    ++figures.active;
  }
  return figures;
}

void Meter::Count(CpuFigures& figures, std::int64_t used) {
  figures.total += used;
  figures.least = figures.stretches == 0 ? used : std::min(figures.least, used);
  figures.most = std::max(figures.most, used);
  ++figures.stretches;
}

}  // namespace quell::sdk
