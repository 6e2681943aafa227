// `quell ps`: what runs now or ran lately, and who was asked.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/output.h"

namespace quell::cli {

struct PsArguments {
  std::string http;
  Selection selection;
  std::optional<std::chrono::milliseconds> since;  // Those that ended within this time too.
  Format format = Format::kTable;
};

// Returns the exit code: kPartial if a selected node did not respond.
int PsCommand(const PsArguments& arguments);

// The table and the JSON of an answer. `ended`: with columns for what has ended.
std::string RenderTasks(const Answer& answer, Format format, std::size_t width, bool ended = false);

}  // namespace quell::cli
