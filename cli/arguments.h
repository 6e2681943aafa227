// The command line of `quell`, read into values. The one place that knows the parser library.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "cli/cancel_command.h"
#include "cli/dev_command.h"
#include "cli/environment.h"
#include "cli/node_command.h"
#include "cli/ps_command.h"
#include "cli/run_command.h"
#include "cli/show_command.h"

namespace quell::cli {

// Nothing to run: text to print (help, version, an error), and the exit code.
struct Immediate {
  int exit_code = 0;
  std::string out;
  std::string err;
};

using Request =
    std::variant<Immediate, PsArguments, ShowArguments, CancelArguments, NodeListArguments,
                 NodeForgetArguments, NodeDrainArguments, RunArguments, DevArguments>;

// `arguments` without the program's name. Every mistake is an Immediate with kUsage.
Request ParseArguments(const std::vector<std::string>& arguments, const Environment& environment);

}  // namespace quell::cli
