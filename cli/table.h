// Plain tables for a terminal or a pipe: a head in capitals, columns two blanks apart.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace quell::cli {

struct Column {
  std::string head;
  bool right = false;  // Numbers.
};

// One line a row, each with its end. With `width` > 0 no line is wider: the last column is cut and
// ends in "...". A cell is shown as TerminalLine() has it: a task's description is a stranger's
// text and must not move the cursor.
std::string RenderTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, std::size_t width);

// The width of the terminal on standard output; 0 if it is none.
std::size_t TerminalWidth();

}  // namespace quell::cli
