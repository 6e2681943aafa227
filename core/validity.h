// One rule for each value that comes from outside, whatever the way: the local API, HTTP
// parameters, gRPC, a row of the journal or the store, a flag, the environment. Each entrance asks
// here, so that nothing is taken in one place that another one refuses. Ids have their rule in
// their Parse() (core/ids.h); CPU time, memory and load in Check() beside them.
//
// Pure functions. Errors: kInvalidArgument; the message names the value and what is wrong with it.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.h"
#include "core/filter.h"
#include "core/ids.h"
#include "core/intent.h"
#include "core/receipt.h"
#include "core/result.h"
#include "core/task.h"

namespace quell {

// Moments are from 1970 to 2262: then the distance of any two of them fits into nanoseconds.
inline constexpr WallTime kFirstMoment{};
inline constexpr WallTime kLastMoment{
    std::chrono::floor<WallClock::duration>(MonoClock::duration::max())};
Status CheckMoment(std::string_view what, WallTime moment);
// What a host's clock says, brought into that range: a clock that is wrong must not make tasks that
// nobody can show.
WallTime ClampMoment(WallTime moment);
// As above, of a number of microseconds or milliseconds that may be beyond any moment.
Result<WallTime> MomentFromMicros(std::string_view what, std::int64_t micros);
Result<WallTime> MomentFromMillis(std::string_view what, std::int64_t millis);

// Text for people: at most `max` bytes of UTF-8. Control characters may stand in it; whoever writes
// to a terminal replaces them.
Status CheckText(std::string_view what, std::string_view text, std::size_t max);
// What is compared, matched or stands in lines: such text without control characters.
Status CheckName(std::string_view what, std::string_view text, std::size_t max);

Status CheckTaskNumber(std::string_view what, std::uint64_t number);
// A number that may be given out next: one past the last at most.
Status CheckNextNumber(std::uint64_t number);

Status CheckAction(std::string_view action);  // Not empty.
Status CheckDescription(std::string_view description);
Status CheckStatus(std::string_view status_json);  // A JSON object, or empty.
Status CheckHeaders(std::span<const Header> headers);
Status CheckKey(std::string_view key);  // Empty: none.
Status CheckPid(std::int32_t pid);
// A task's chain, nearest first.
Status CheckAncestors(std::span<const TaskId> ancestors);
Status CheckReason(std::string_view reason);
Status CheckPrincipalName(std::string_view name);
Status CheckGrace(std::chrono::milliseconds grace);
Status CheckNote(std::string_view note);
// Must be able to stand among the tokens that select nodes.
Status CheckNodeName(std::string_view name);

// All of it, as each of the rules above has it.
Status Check(const TaskView& task);
Status Check(const Task& task);
Status Check(const CancelMark& mark);
Status Check(const TaskFilter& filter);
Status Check(const Intent& intent);
Status Check(const Receipt& receipt);

}  // namespace quell
