// Command lines that can be copied into a shell.
#pragma once

#include <string>
#include <vector>

namespace quell::cli {

// `word` as a shell reads it back, quoted only where it must be.
std::string ShellQuote(const std::string& word);
std::string ShellJoin(const std::vector<std::string>& words);

}  // namespace quell::cli
