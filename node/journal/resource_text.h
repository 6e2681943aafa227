// What a task has used, as the journal keeps it: numbers with blanks between them, in the order of
// the members. Used by journal_rows alone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/resource_use.h"

namespace quell {

// Nothing is active any more. Null: not measured, or unreadable.
std::optional<std::string> CpuText(const std::optional<CpuUse>& cpu);
std::optional<CpuUse> ParseCpu(std::string_view text);
std::optional<std::string> MemoryText(const std::optional<MemoryUse>& memory);
std::optional<MemoryUse> ParseMemory(std::string_view text);

}  // namespace quell
