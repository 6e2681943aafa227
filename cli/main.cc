// The people's command.
#include <csignal>
#include <cstring>
#include <new>
#include <string>
#include <string_view>
#include <unistd.h>
#include <variant>
#include <vector>

#include "cli/arguments.h"
#include "cli/exit_code.h"
#include "cli/output.h"
#include "host/file.h"
#include "host/process/command.h"

namespace {

using namespace quell::cli;

struct Execute {
  const Environment& environment;

  int operator()(const Immediate& text) const {
    Print(text.out);
    PrintError(text.err);
    return text.exit_code;
  }
  int operator()(const PsArguments& arguments) const { return PsCommand(arguments); }
  int operator()(const ShowArguments& arguments) const { return ShowCommand(arguments); }
  int operator()(const CancelArguments& arguments) const { return CancelCommand(arguments); }
  int operator()(const NodeListArguments& arguments) const { return NodeListCommand(arguments); }
  int operator()(const NodeForgetArguments& arguments) const {
    return NodeForgetCommand(arguments);
  }
  int operator()(const NodeDrainArguments& arguments) const { return NodeDrainCommand(arguments); }
  int operator()(const RunArguments& arguments) const { return RunCommand(arguments, environment); }
  int operator()(const DevArguments& arguments) const { return DevCommand(arguments, environment); }
};

// What is too little for this program may do for the command that it was to run. Allocates nothing.
int OutOfMemory(char** argv) {
  const bool run = argv[1] != nullptr && std::strcmp(argv[1], "run") == 0;
  for (char** argument = argv; run && *argument != nullptr; ++argument) {
    if (std::strcmp(*argument, "--") != 0 || argument[1] == nullptr) continue;
    sigset_t mask;
    ::pthread_sigmask(SIG_BLOCK, nullptr, &mask);
    quell::process::ExecuteInPlace(argument + 1, mask);
  }
  constexpr std::string_view kText = "quell: out of memory\n";
  (void)!::write(STDERR_FILENO, kText.data(), kText.size());
  return kFailed;
}

}  // namespace

int main(int argc, char** argv) {
  quell::HoldStandardDescriptors();
  try {
    const Environment environment = Environment::Read();
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    return FinishOutput(std::visit(Execute{environment}, ParseArguments(arguments, environment)));
  } catch (const std::bad_alloc&) {
    return OutOfMemory(argv);
  }
}
