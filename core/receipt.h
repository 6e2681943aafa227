// A receipt: for one task under one intent, the facts with their times. Written by the node that
// hosts the task, by its own clock.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.h"
#include "core/ids.h"
#include "core/task.h"

namespace quell {

// How far a cancel has come; see docs/glossary.md for how it differs from TaskState.
enum class ReceiptState : std::uint8_t {
  kCancelRequested,  // Recorded by the node, not yet delivered.
  kDelivered,        // Handed to the program; it has not said that it knows.
  kStopping,         // The program acknowledged.
  kDeferred,         // The program is inside a shield and said why.
  kIgnoring,         // Past the grace, and cannot be forced.
  kKilled,           // Forced after the grace.
  kOrphaned,         // Nobody is left to deliver it to; the work may run on.
  kUnreachable,      // The node is silent: the request waits for it.
  kEnded,            // The task ended, as `outcome` says.
};

std::string_view ToString(ReceiptState state);
std::optional<ReceiptState> ReceiptStateFromString(std::string_view text);
std::ostream& operator<<(std::ostream& out, ReceiptState state);

struct Receipt {
  TaskId task;
  IntentId intent;
  ReceiptState state = ReceiptState::kCancelRequested;
  WallTime recorded_at;  // The node's journal has it.
  std::optional<WallTime> delivered_at;
  std::optional<WallTime> acknowledged_at;
  std::optional<WallTime> escalated_at;
  std::optional<WallTime> ended_at;
  std::optional<TaskState> outcome;  // With ended_at.
  std::string note;  // The program's or the wrapper's words: why deferred, what was left.

  friend bool operator==(const Receipt&, const Receipt&) = default;
};

}  // namespace quell
