// The people's command.
#include <string>
#include <variant>
#include <vector>

#include "cli/arguments.h"
#include "cli/output.h"
#include "host/file.h"

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
  int operator()(const RunArguments& arguments) const { return RunCommand(arguments, environment); }
  int operator()(const DevArguments& arguments) const { return DevCommand(arguments, environment); }
};

}  // namespace

int main(int argc, char** argv) {
  quell::HoldStandardDescriptors();
  const Environment environment = Environment::Read();
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  return std::visit(Execute{environment}, ParseArguments(arguments, environment));
}
