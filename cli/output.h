// What every command says the same way.
#pragma once

#include <string>

#include "cli/coordinator_client.h"
#include "core/error.h"

namespace quell::cli {

enum class Format { kTable, kWide, kJson };

// To standard output, whole. To standard error, "quell: TEXT\n".
void Print(const std::string& text);
void Complain(const std::string& text);
// To standard error as it is.
void PrintError(const std::string& text);

// Complains, and returns the exit code that belongs to it.
int Fail(const Error& error);

// The nodes that are not part of an answer, one line each on standard error.
void ComplainOfFailures(const Answer& answer);

// "db3:41": how people name a task.
std::string ShortId(const TaskEntry& task);

// "running", "cancelling" (its node has recorded a cancel and it has not ended), or how it ended.
std::string StateOf(const TaskEntry& task);

// 1700000000000 -> "2023-11-14T22:13:20.000Z"
std::string IsoTime(std::int64_t millis);

// "1m05s", "70 MiB"; "-": not measured.
std::string CpuText(const ResourceEntry& used);
std::string MemoryText(const ResourceEntry& used);

// The task as one JSON object; the names are a contract with scripts.
std::string TaskJson(const TaskEntry& task);
std::string FailureJson(const FailureEntry& failure);

// "selected=3 answered=2 failed=1" -> "2 of 3 nodes answered"; empty for empty.
std::string CoverageText(const std::string& coverage);

}  // namespace quell::cli
