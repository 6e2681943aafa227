// Tables for `_cat`: which columns, in which order of rows, as text for people or as JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quell::opensearch {

struct Column {
  std::string_view name;
  std::vector<std::string_view> aliases;
  std::string_view help;
  bool shown = true;    // Unless `h` says otherwise.
  bool number = false;  // Sorted as such.
};

// Cells are made when they are needed; rows are indices.
struct Table {
  std::vector<Column> columns;
  std::vector<std::size_t> rows;
  std::function<std::string(std::size_t row, std::size_t column)> text;
  std::function<std::int64_t(std::size_t row, std::size_t column)> number;
};

struct ShownColumn {
  std::size_t column;
  std::string title;  // As it was asked for: the name or an alias.
};

// `h`: names, aliases, or patterns with '*' of either; what nobody knows is left out, a title
// stands once. nullopt: those that are shown unless told otherwise.
std::vector<ShownColumn> ChooseColumns(const std::vector<Column>& columns,
                                       const std::optional<std::vector<std::string>>& h);

struct SortKey {
  std::size_t column;
  bool descending;
};
// "name", "alias:desc". nullopt: no such column.
std::optional<SortKey> ParseSortKey(const std::vector<Column>& columns, std::string_view text);
// Rows that are equal in all keys keep their order.
void SortRows(Table& table, const std::vector<SortKey>& keys);

// Left aligned, padded to the widest, one blank between, the last cell of a line not padded.
// `one_line`: control characters in cells become blanks, so that a row is a line.
std::string RenderText(const Table& table, const std::vector<ShownColumn>& shown, bool titles,
                       bool one_line);
// [{"title":"text",...},...]
std::string RenderJson(const Table& table, const std::vector<ShownColumn>& shown);
// name | aliases | description
std::string RenderHelp(const std::vector<Column>& columns);

}  // namespace quell::opensearch
