// An error of one node as a failure in an answer, in OpenSearch's spelling.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/failure.h"
#include "core/node_info.h"
#include "core/task.h"

namespace quell {

// Of the inner actions, as the causes of failures name them.
inline constexpr std::string_view kListAction = "cluster:monitor/tasks/lists[n]";
inline constexpr std::string_view kGetAction = "cluster:monitor/task/get";
inline constexpr std::string_view kCancelAction = "cluster:admin/tasks/cancel[n]";

// `joined`: the node has joined in this life of the coordinator, and is not known to be lost.
NodeFailure FailureOf(const NodeInfo& node, bool joined, std::string_view action,
                      const Error& error);
// The way back, for an answer that is about one node only.
ErrorCode CodeOf(const NodeFailure& failure);
// A token or the node part of an id that nobody has.
NodeFailure NoSuchNode(const std::string& token);
// What a node says of one task, or this coordinator of itself.
NodeFailure TaskNotFound(const NodeInfo& node, std::string_view task);
// It has ended, as `state` if that is known; a cause of its own, since "not found" is not "has
// ended".
NodeFailure TaskEnded(const NodeInfo& node, std::string_view task, std::optional<TaskState> state);
NodeFailure NotCancellable(const NodeInfo& node, std::string_view task);
NodeFailure FilterMismatch(const NodeInfo& node, std::string_view task);

}  // namespace quell
