// The bodies of the local door: JSON in, values out, and back. Unknown keys are refused, with the
// known ones named: a misspelt "parnet" must not become a task without a parent.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "core/node_info.h"
#include "core/result.h"
#include "node/program.h"

namespace quell {

// Errors: kInvalidArgument, naming the key.
Result<RegisterRequest> ParseRegister(std::string_view body);
Result<ReportRequest> ParseReport(std::string_view body);
Result<TaskEnd> ParseFinish(std::string_view body, const TaskId& task);
// Many at once; limits::kFinishBatchMax at most.
Result<std::vector<TaskEnd>> ParseFinishMany(std::string_view body);

std::string RenderRegistered(const RegisterReply& reply);
std::string RenderReported(const ReportReply& reply);
// For each end {} or an error as RenderError() has it, with the status that `status_of` gives.
std::string RenderFinished(const std::vector<Status>& answers,
                           const std::function<int(const Error&)>& status_of);
// One line of the stream, with its end.
std::string RenderCommandLine(const CancelCommand& command);
std::string RenderNode(const NodeInfo& node);

// {"error":{"type","reason"},"status"}
std::string RenderError(int status, const Error& error);

}  // namespace quell
