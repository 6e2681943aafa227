// The bodies of the local door: JSON in, values out, and back. Unknown keys are refused, with the
// known ones named: a misspelt "parnet" must not become a task without a parent.
#pragma once

#include <string>
#include <string_view>

#include "core/node_info.h"
#include "core/result.h"
#include "node/program.h"

namespace quell {

// Errors: kInvalidArgument, naming the key.
Result<RegisterRequest> ParseRegister(std::string_view body);
Result<ReportRequest> ParseReport(std::string_view body);
Result<TaskState> ParseFinish(std::string_view body);

std::string RenderRegistered(const RegisterReply& reply);
std::string RenderReported(const ReportReply& reply);
// One line of the stream, with its end.
std::string RenderCommandLine(const CancelCommand& command);
std::string RenderNode(const NodeInfo& node);

// {"error":{"type","reason"},"status"}
std::string RenderError(int status, const Error& error);

}  // namespace quell
