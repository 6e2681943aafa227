// `quell ps`: what runs now, and who was asked.
#pragma once

#include <string>

#include "cli/output.h"

namespace quell::cli {

struct PsArguments {
  std::string http;
  Selection selection;
  Format format = Format::kTable;
};

// Returns the exit code: kPartial if a selected node is not part of the answer.
int PsCommand(const PsArguments& arguments);

// The table and the JSON of an answer.
std::string RenderTasks(const Answer& answer, Format format, std::size_t width);

}  // namespace quell::cli
