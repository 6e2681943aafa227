// quell-sim: runs seeds of the simulated cluster, for long runs and for replay.
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

#include "tests/sim/cluster.h"

namespace {

constexpr const char* kUsage =
    "Usage: quell-sim [--seed N] [--count M] [--verbose] [--keep-going]\n"
    "  Runs M seeds (1) from N (1) on; --verbose prints the trace of each.\n"
    "  Exit code: 0, or 1 if a seed failed: the first one ends the run unless --keep-going.\n";

struct Arguments {
  std::uint64_t seed = 1;
  std::uint64_t count = 1;
  bool verbose = false;
  bool keep_going = false;
};

bool ParseNumber(const char* text, std::uint64_t* number) {
  char* end = nullptr;
  *number = std::strtoull(text, &end, 10);
  return *text != '\0' && *end == '\0';
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--verbose") {
      arguments->verbose = true;
    } else if (name == "--keep-going") {
      arguments->keep_going = true;
    } else if ((name == "--seed" || name == "--count") && i + 1 < argc) {
      if (!ParseNumber(argv[++i], name == "--seed" ? &arguments->seed : &arguments->count)) {
        return false;
      }
    } else {
      return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    std::cerr << kUsage;
    return 64;
  }
  std::uint64_t failed = 0;
  quell::sim::Outcome total;
  for (std::uint64_t seed = arguments.seed; seed < arguments.seed + arguments.count; ++seed) {
    const auto print = [](const std::string& line) { std::cout << line << '\n'; };
    const quell::sim::Outcome outcome =
        quell::sim::RunSeed(seed, arguments.verbose ? quell::sim::TraceSink(print) : nullptr);
    total.Add(outcome);
    if (!outcome.ok() || arguments.count == 1) std::cout << outcome.Line() << std::endl;
    if (outcome.ok()) continue;
    ++failed;
    for (const std::string& violation : outcome.violations)
      std::cout << "  " << violation << '\n';
    if (!arguments.keep_going) break;
  }
  std::cout << total.Statistics() << "failed seeds: " << failed << std::endl;
  return failed == 0 ? 0 : 1;
}
