#include "cli/table.h"

#include <algorithm>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/terminal_text.h"

namespace quell::cli {
namespace {

bool StartsCharacter(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

// In characters, not bytes; wide ones count as one.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), StartsCharacter));
}

std::string Cut(const std::string& text, std::size_t width) {
  if (Width(text) <= width) return text;
  const std::size_t keep = width > 3 ? width - 3 : 0;
  std::size_t end = 0;
  for (std::size_t seen = 0; end < text.size(); ++end) {
    if (StartsCharacter(text[end]) && seen++ == keep) break;
  }
  return text.substr(0, end) + std::string("...").substr(0, width - keep);
}

}  // namespace

std::string RenderTable(const std::vector<Column>& columns,
                        const std::vector<std::vector<std::string>>& rows, std::size_t width) {
  std::vector<std::vector<std::string>> cells(1);
  for (const Column& column : columns)
    cells[0].push_back(column.head);
  for (const auto& row : rows) {
    cells.emplace_back();
    for (const std::string& cell : row)
      cells.back().push_back(TerminalLine(cell));
  }
  std::vector<std::size_t> widths(columns.size(), 0);
  for (const auto& row : cells) {
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], Width(row[i]));
  }
  std::string text;
  for (const auto& row : cells) {
    std::string line;
    std::size_t used = 0;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const bool last = i + 1 == row.size();
      if (last && width > 0) {
        line += Cut(row[i], std::max(width, used + 8) - used);
        break;
      }
      const std::string pad(widths[i] - Width(row[i]), ' ');
      if (columns[i].right) line += pad;
      line += row[i];
      if (last) break;
      if (!columns[i].right) line += pad;
      line += "  ";
      used += widths[i] + 2;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

std::size_t TerminalWidth() {
  winsize size{};
  if (::isatty(STDOUT_FILENO) != 1 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
  return size.ws_col;
}

}  // namespace quell::cli
