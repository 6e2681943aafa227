// An error of one node as a failure in an answer, with its cause.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "coordinator/members/standing.h"
#include "core/error.h"
#include "core/failure.h"
#include "core/node_info.h"
#include "core/task.h"

namespace quell {

// Of the inner actions, as the causes of failures name them.
inline constexpr std::string_view kListAction = "cluster:monitor/tasks/lists[n]";
inline constexpr std::string_view kGetAction = "cluster:monitor/task/get";
inline constexpr std::string_view kCancelAction = "cluster:admin/tasks/cancel[n]";

// `standing`: as it was known when the node was asked.
NodeFailure FailureOf(const NodeInfo& node, const Standing& standing, std::string_view action,
                      const Error& error);
// It was not asked: earlier requests have been waiting for its answer since then.
NodeFailure NotResponding(const NodeInfo& node, std::string_view action, WallTime since);
// Profile strict: its tasks had not ended when a wait was over.
NodeFailure WaitRanOut(const NodeInfo& node, std::string message);
// This coordinator has no room to hold its answer.
NodeFailure NoRoom(const NodeInfo& node, std::string message);
// A token or the node part of an id that nobody has.
NodeFailure NoSuchNode(const std::string& token);
// What a node says of one task, or this coordinator of itself.
NodeFailure TaskNotFound(const NodeInfo& node, std::string_view task);
// It has ended, as `state` if that is known; a cause of its own, since "not found" is not "has
// ended".
NodeFailure TaskEnded(const NodeInfo& node, std::string_view task, std::optional<TaskState> state);
NodeFailure NotCancellable(const NodeInfo& node, std::string_view task);
NodeFailure FilterMismatch(const NodeInfo& node, std::string_view task);

// The failure of the one node that a request is about, as the error of the request.
Error ErrorOf(const NodeFailure& failure);

}  // namespace quell
