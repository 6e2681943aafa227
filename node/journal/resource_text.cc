#include "node/journal/resource_text.h"

#include <chrono>
#include <cstdint>
#include <limits>
#include <sstream>

namespace quell {

std::optional<std::string> CpuText(const std::optional<CpuUse>& cpu) {
  if (!cpu) return std::nullopt;
  std::ostringstream text;
  text << cpu->total.count() << ' ' << cpu->least.count() << ' ' << cpu->most.count() << ' '
       << cpu->executions;
  return text.str();
}

std::optional<CpuUse> ParseCpu(std::string_view text) {
  std::istringstream in{std::string(text)};
  std::int64_t total = 0;
  std::int64_t least = 0;
  std::int64_t most = 0;
  CpuUse cpu;
  if (!(in >> total >> least >> most >> cpu.executions)) return std::nullopt;
  cpu.total = std::chrono::nanoseconds(total);
  cpu.least = std::chrono::nanoseconds(least);
  cpu.most = std::chrono::nanoseconds(most);
  return Check(cpu) ? std::optional(cpu) : std::nullopt;
}

std::optional<std::string> MemoryText(const std::optional<MemoryUse>& memory) {
  if (!memory) return std::nullopt;
  std::ostringstream text;
  text.precision(std::numeric_limits<double>::max_digits10);
  text << memory->now << ' ' << memory->average << ' ' << memory->least << ' ' << memory->most
       << ' ' << memory->reports;
  return text.str();
}

std::optional<MemoryUse> ParseMemory(std::string_view text) {
  std::istringstream in{std::string(text)};
  MemoryUse memory;
  in >> memory.now >> memory.average >> memory.least >> memory.most >> memory.reports;
  return in ? std::optional(memory) : std::nullopt;
}

}  // namespace quell
