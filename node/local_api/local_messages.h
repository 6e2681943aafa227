// The bodies of the local API: JSON in, values out, and back. Unknown keys are refused, with the
// known ones named: a misspelt "parnet" must not become a task without a parent.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node_info.h"
#include "core/result.h"
#include "node/programs/program_messages.h"

namespace quell {

// Errors: kInvalidArgument, naming the key.
Result<RegisterRequest> ParseRegister(std::string_view body);
Result<ReportRequest> ParseReport(std::string_view body);
Result<TaskEnd> ParseFinish(std::string_view body, const TaskId& task);
// Many at once; limits::kFinishBatchMax at most.
Result<std::vector<TaskEnd>> ParseFinishMany(std::string_view body);

// The types of a 404: which thing is not known. `not_found` alone is no path of this API.
inline constexpr std::string_view kSessionNotFound = "session_not_found";
inline constexpr std::string_view kTaskNotFound = "task_not_found";
inline constexpr std::string_view kParentNotFound = "parent_not_found";

// A request that was refused, as its caller sees it.
struct Refusal {
  int status = 0;
  std::string_view type;  // Of a constant.
  std::string reason;
};

// A task that was registered without the parent it named has a `warning` with the type
// kParentNotFound.
std::string RenderRegistered(const RegisterReply& reply);
std::string RenderReported(const ReportReply& reply);
// For each end {} or an error as RenderError() has it.
std::string RenderFinished(const std::vector<Status>& answers,
                           const std::function<Refusal(const Error&)>& refusal_of);
// One line of the stream, with its end.
std::string RenderCommandLine(const CancelCommand& command);
std::string RenderNode(const NodeInfo& node);

// {"error":{"type","reason"},"status"}
std::string RenderError(const Refusal& refusal);

}  // namespace quell
