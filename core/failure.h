// Failures are data: an answer that misses a node names it, with the cause. They are no Errors.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/error.h"
#include "core/ids.h"

namespace quell {

// Why a selected node is not part of an answer. Decisions and programs go by this; texts are for
// people.
enum class FailureCause : std::uint8_t {
  kNoSuchNode,      // Nobody has this id or name.
  kStopped,         // Its daemon said that it stops: it is away, and its tasks are unknown.
  kNotJoined,       // It has not joined since this coordinator started.
  kSilent,          // No heartbeat, and no answer.
  kDisconnected,    // The connection broke, or there was none.
  kNoAnswer,        // It lives, and did not answer by the deadline.
  kNotResponding,   // It was not asked: earlier requests still wait for an answer.
  kBusy,            // It, or the way to it, has too much to do.
  kNoRoom,          // This coordinator holds too much that clients have not read.
  kBadAnswer,       // What it answered could not be understood.
  kRefused,         // It, or this coordinator, refuses the request.
  kGivenUp,         // Nobody waits for the answer any more.
  kStillRunning,    // Its tasks were waited for, and had not ended in time.
  kTaskNotFound,    // Of a cancel by id: there is no record of the task.
  kTaskEnded,       // As above: the task has ended.
  kNotCancellable,  // As above: the task cannot be cancelled.
  kFilterMismatch,  // As above: the filters do not match it.
};

// As the native API names it: "stopped", "not_responding", ...
std::string_view ToString(FailureCause cause);

struct NodeFailure {
  std::string node;  // The id, or what the client wrote, if nobody has it.
  FailureCause cause = FailureCause::kBadAnswer;
  ErrorCode code = ErrorCode::kInternal;  // For an answer that is about one node only.
  std::string message;                    // For people: what happened.
  std::string name = {};                  // Of the node; empty: nobody has it.
  std::optional<WallTime> since = {};     // Since when the cause holds; none: since this request.
  std::string address = {};               // Where the node is asked; empty: this is about a task.
  // The action that it was asked for; empty: there was no connection, or this is about a task.
  std::string action = {};

  friend bool operator==(const NodeFailure&, const NodeFailure&) = default;
};

// The message, with where and for what the node was asked in front: "[name][address][action] ...".
std::string Describe(const NodeFailure& failure);

// A task that its node reported in a form that could not be read: it alone is missing from the
// answer.
struct TaskFailure {
  NodeId node;
  std::uint64_t number = 0;  // As the node told it; 0: it told none that a task can have.
  std::string reason;

  friend bool operator==(const TaskFailure&, const TaskFailure&) = default;
};

}  // namespace quell
