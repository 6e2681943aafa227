#include "core/resource_use.h"

#include <algorithm>
#include <limits>

namespace quell {

Status Check(const CpuUse& cpu) {
  auto refuse = [](const char* what) { return Error{ErrorCode::kInvalidArgument, what}; };
  if (cpu.total.count() < 0 || cpu.least.count() < 0) return refuse("a CPU time is negative");
  if (cpu.executions == 0) return refuse("CPU time needs at least one execution that used it");
  if (cpu.active > cpu.executions) return refuse("more executions are active than there are");
  const bool ordered =
      cpu.least <= cpu.average() && cpu.average() <= cpu.most && cpu.most <= cpu.total;
  if (!ordered) {
    return refuse(
        "the CPU times must grow in this order: least, average, most of one execution, "
        "and all of them together");
  }
  return {};
}

Status Check(const MemoryUse& memory) {
  const bool sound = memory.least <= memory.now && memory.now <= memory.most &&
                     memory.most <= std::numeric_limits<std::int64_t>::max() &&
                     memory.reports > 0 && memory.average >= static_cast<double>(memory.least) &&
                     memory.average <= static_cast<double>(memory.most);
  if (sound) return {};
  return Error{ErrorCode::kInvalidArgument, "the figures of memory cannot be"};
}

void ResourceUse::Take(const ResourceReport& report) {
  if (report.cpu && cpu && report.cpu->total < cpu->total) return;
  if (report.cpu) cpu = report.cpu;
  if (!report.memory) return;
  const std::uint64_t bytes = *report.memory;
  if (!memory) memory = MemoryUse{.least = bytes, .most = bytes};
  memory->now = bytes;
  memory->least = std::min(memory->least, bytes);
  memory->most = std::max(memory->most, bytes);
  ++memory->reports;
  const double step =
      (static_cast<double>(bytes) - memory->average) / static_cast<double>(memory->reports);
  memory->average = std::clamp(memory->average + step, static_cast<double>(memory->least),
                               static_cast<double>(memory->most));
}

void ResourceUse::End() {
  if (cpu) cpu->active = 0;
}

}  // namespace quell
