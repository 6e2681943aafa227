// What every command says the same way.
#pragma once

#include <string>
#include <vector>

#include "cli/coordinator_client.h"
#include "core/error.h"

namespace quell::cli {

enum class Format { kTable, kWide, kJson };

// To standard output, whole, as TerminalText() has it; what could not be written is known to
// FinishOutput(). To standard error, "quell: TEXT\n".
void Print(const std::string& text);
void Complain(const std::string& text);
// To standard error, as TerminalText() has it.
void PrintError(const std::string& text);

// Whether something that was printed has not arrived.
bool OutputFailed();
// Closes standard output, and returns the exit code of the command, which is `code` if all that was
// printed has arrived. A reader that has gone ends the command quietly, as SIGPIPE does (128 + 13).
// Else standard error says what is missing and why, and it is kFailed.
int FinishOutput(int code);

// Complains, and returns the exit code that belongs to it.
int Fail(const Error& error);

// The nodes that are missing in an answer, one line each on standard error. `nodes` are the members
// as far as they are known.
void ComplainOfFailures(const Answer& answer, const std::vector<NodeEntry>& nodes);
// The same; asks the coordinator for the members if there is a failure.
void ComplainOfFailures(const Answer& answer, const CoordinatorClient& client);
// "node web1 did not respond: the connection broke; last heard from 12s ago"
std::string FailureText(const FailureEntry& failure, const std::vector<NodeEntry>& nodes);

// "db3:41": how people name a task.
std::string ShortId(const TaskEntry& task);

// "running", "cancelling" (its node has recorded a cancel and it has not ended), or how it ended.
std::string StateOf(const TaskEntry& task);

// "1m05s", "70 MiB"; "-": not measured.
std::string CpuText(const ResourceEntry& used);
std::string MemoryText(const ResourceEntry& used);

// The task as one JSON object; the names are a contract with scripts.
std::string TaskJson(const TaskEntry& task);
std::string FailureJson(const FailureEntry& failure);

// "selected=3 answered=2 failed=1" -> "2 of 3 nodes answered"; empty for empty.
std::string CoverageText(const std::string& coverage);

}  // namespace quell::cli
