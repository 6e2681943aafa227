// Errors are values. A code exists only where a caller can react to it; `docs/errors.md` says how
// each one looks on every API. Thread-safety: plain values.
#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>

namespace quell {

enum class ErrorCode {
  kInvalidArgument,     // The request is wrong whatever the state is: correct it, do not repeat it.
  kNotFound,            // The named thing does not exist (any more).
  kAlreadyExists,       // Somebody else holds the name or the id.
  kFailedPrecondition,  // The state forbids it now: fix the cause first, then repeat.
  kResourceExhausted,   // A limit is met: come back later, or ask for less.
  kUnavailable,         // Nobody was reached, nothing happened: repeat the call.
  kDraining,            // The node takes no new tasks: register on another, or when that is over.
  kDeadlineExceeded,    // No answer in time to a call that changes nothing.
  kCancelled,           // The caller went away or took the call back.
  kUnauthenticated,     // Nobody knows who is asking.
  kPermissionDenied,    // It is known who asks, and the caller is not allowed to do this.
  kInternal,            // A bug or a corrupt Quell file; see the log.
  kOutcomeUnknown,      // It may or may not have been applied: repeat only with the same id.
};

// The code's name as documented: "invalid_argument", "outcome_unknown", ...
std::string_view ToString(ErrorCode code);

// What a caller may have to tell apart within one code. Known inside one process only: it does not
// travel.
enum class ErrorCause : std::uint8_t {
  kNone,
  kStorage,          // The disk or a file of this daemon has no room.
  kConnectionBroke,  // The node was asked, and the connection broke then.
};

// `message` names the thing that is wrong and, where there is one, the remedy: for people only.
struct Error {
  ErrorCode code = ErrorCode::kInternal;
  std::string message;
  ErrorCause cause = ErrorCause::kNone;

  friend bool operator==(const Error&, const Error&) = default;
};

Error InvalidArgument(std::string message);

std::ostream& operator<<(std::ostream& out, const Error& error);

}  // namespace quell
