// What a task has used, and how busy a host is.
#include <limits>

#include "transport/grpc/convert.h"
#include "transport/grpc/fields.h"

namespace quell {

using fields::Garbage;
using fields::Reader;

namespace {

constexpr std::uint64_t kMax = std::numeric_limits<std::int64_t>::max();

Result<std::chrono::nanoseconds> Nanos(std::uint64_t nanos) {
  if (nanos > kMax) return Garbage("a task's CPU time", "is too long");
  return std::chrono::nanoseconds(static_cast<std::int64_t>(nanos));
}

}  // namespace

void ToProto(const CpuUse& from, v1::Task::Cpu* to) {
  to->set_total_nanos(static_cast<std::uint64_t>(from.total.count()));
  to->set_least_nanos(static_cast<std::uint64_t>(from.least.count()));
  to->set_most_nanos(static_cast<std::uint64_t>(from.most.count()));
  to->set_executions(from.executions);
  to->set_active(from.active);
}

Result<CpuUse> FromProto(const v1::Task::Cpu& from) {
  Reader reader;
  CpuUse cpu;
  reader.Take(Nanos(from.total_nanos()), &cpu.total);
  reader.Take(Nanos(from.least_nanos()), &cpu.least);
  reader.Take(Nanos(from.most_nanos()), &cpu.most);
  cpu.executions = from.executions();
  cpu.active = from.active();
  if (const Status sound = Check(cpu); !sound) {
    reader.Fail(Garbage("a task's CPU time", "cannot be: " + sound.error().message));
  }
  return reader.Finish(cpu);
}

void ToProto(const MemoryUse& from, v1::Task::Memory* to) {
  to->set_bytes(from.now);
  to->set_average_bytes(from.average);
  to->set_least_bytes(from.least);
  to->set_most_bytes(from.most);
  to->set_reports(from.reports);
}

Result<MemoryUse> FromProto(const v1::Task::Memory& from) {
  const MemoryUse memory{from.bytes(), from.average_bytes(), from.least_bytes(), from.most_bytes(),
                         from.reports()};
  if (Status sound = fields::Valid(Check(memory)); !sound) return sound.error();
  return memory;
}

void ToProto(const HostLoad& from, v1::HostLoad* to) {
  if (from.averages) {
    to->mutable_averages()->set_one(from.averages->one);
    to->mutable_averages()->set_five(from.averages->five);
    to->mutable_averages()->set_fifteen(from.averages->fifteen);
  }
  if (from.cpu_percent) to->set_cpu_percent(*from.cpu_percent);
  if (from.memory_percent) to->set_memory_percent(*from.memory_percent);
  if (from.daemon_percent) to->set_daemon_percent(*from.daemon_percent);
}

Result<HostLoad> FromProto(const v1::HostLoad& from) {
  HostLoad load;
  if (from.has_averages()) {
    const v1::LoadAverages& averages = from.averages();
    load.averages = LoadAverages{averages.one(), averages.five(), averages.fifteen()};
  }
  if (from.has_cpu_percent()) load.cpu_percent = from.cpu_percent();
  if (from.has_memory_percent()) load.memory_percent = from.memory_percent();
  if (from.has_daemon_percent()) load.daemon_percent = from.daemon_percent();
  if (const Status sound = Check(load); !sound) {
    return Garbage("the host's load", "cannot be: " + sound.error().message);
  }
  return load;
}

}  // namespace quell
