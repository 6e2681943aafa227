// Writes to the log which turns of an executor took too long.
#pragma once

#include <memory>
#include <string_view>

#include "core/clock.h"
#include "core/turn_watch.h"

namespace quell {

// `thread` names the executor in the log and must be static; `clock` must outlive the watch.
std::unique_ptr<TurnWatch> LogLongTurns(const Clock& clock, std::string_view thread);

}  // namespace quell
