// What the local door's messages look like. Strict on the way in: an unknown key or a wrong type
// is refused by name, so that a misspelt "decription" is not lost in silence.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "core/task.h"
#include "node/program.h"

namespace quell {

// Errors: kInvalidArgument.
Result<RegisterRequest> ParseRegister(std::string_view body);
Result<ReportRequest> ParseReport(std::string_view body);
Result<TaskState> ParseOutcome(std::string_view body);

std::string RenderRegistered(const RegisterReply& reply);
std::string RenderReported(const ReportReply& reply);
// One line of the stream, its newline included.
std::string RenderCommand(const CancelCommand& command);

// {"error":{"type":"invalid_argument","reason":"..."},"status":400}
std::string RenderDoorError(int status, std::string_view type, std::string_view reason);
int HttpStatusOf(const Error& error);

}  // namespace quell
