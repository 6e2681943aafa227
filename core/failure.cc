#include "core/failure.h"

namespace quell {

std::string_view ToString(FailureCause cause) {
  switch (cause) {
    case FailureCause::kNoSuchNode:
      return "no_such_node";
    case FailureCause::kStopped:
      return "stopped";
    case FailureCause::kNotJoined:
      return "not_joined";
    case FailureCause::kSilent:
      return "silent";
    case FailureCause::kDisconnected:
      return "disconnected";
    case FailureCause::kNoAnswer:
      return "no_answer";
    case FailureCause::kNotResponding:
      return "not_responding";
    case FailureCause::kBusy:
      return "busy";
    case FailureCause::kNoRoom:
      return "no_room";
    case FailureCause::kBadAnswer:
      return "bad_answer";
    case FailureCause::kRefused:
      return "refused";
    case FailureCause::kGivenUp:
      return "given_up";
    case FailureCause::kStillRunning:
      return "still_running";
    case FailureCause::kTaskEnded:
      return "task_ended";
    case FailureCause::kTaskNotFound:
      return "task_not_found";
    case FailureCause::kNotCancellable:
      return "not_cancellable";
    case FailureCause::kFilterMismatch:
      return "filter_mismatch";
  }
  return "bad_answer";
}

std::string Describe(const NodeFailure& failure) {
  if (failure.address.empty()) return failure.message;
  std::string text = "[" + failure.name + "][" + failure.address + "]";
  if (!failure.action.empty()) text += "[" + failure.action + "]";
  return text + " " + failure.message;
}

}  // namespace quell
