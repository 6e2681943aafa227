#include "coordinator/api/opensearch/cat/table.h"

#include <algorithm>
#include <array>
#include <utility>

#include "core/wildcard.h"
#include "transport/http/json_writer.h"

namespace quell::opensearch {
namespace {

bool Matches(const Column& column, std::string_view pattern) {
  return WildcardMatch(pattern, column.name) ||
         std::any_of(column.aliases.begin(), column.aliases.end(),
                     [&](std::string_view alias) { return WildcardMatch(pattern, alias); });
}

// A name first; of columns that share an alias the last one has it.
std::optional<std::size_t> FindColumn(const std::vector<Column>& columns, std::string_view text) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].name == text) return i;
    const std::vector<std::string_view>& aliases = columns[i].aliases;
    if (std::find(aliases.begin(), aliases.end(), text) != aliases.end()) found = i;
  }
  return found;
}

// In characters.
std::size_t Width(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  }));
}

void Pad(std::string& out, std::string_view text, std::size_t width) {
  out += text;
  out.append(width - Width(text), ' ');
}

std::string OneLine(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char c) { return static_cast<unsigned char>(c) < ' ' || c == '\x7f'; }, ' ');
  return text;
}

std::string Join(const std::vector<std::string_view>& parts) {
  std::string text;
  for (std::string_view part : parts) {
    if (!text.empty()) text += ',';
    text += part;
  }
  return text;
}

}  // namespace

std::vector<ShownColumn> ChooseColumns(const std::vector<Column>& columns,
                                       const std::optional<std::vector<std::string>>& h) {
  std::vector<ShownColumn> shown;
  auto add = [&shown](std::size_t column, std::string_view title) {
    const bool there = std::any_of(shown.begin(), shown.end(),
                                   [&](const ShownColumn& one) { return one.title == title; });
    if (!there) shown.push_back({column, std::string(title)});
  };
  if (!h) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].shown) add(i, columns[i].name);
    }
    return shown;
  }
  for (const std::string& wanted : *h) {
    if (wanted.find('*') == std::string::npos) {
      if (const std::optional<std::size_t> column = FindColumn(columns, wanted)) {
        add(*column, wanted);
      }
      continue;
    }
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (Matches(columns[i], wanted)) add(i, columns[i].name);
    }
  }
  return shown;
}

std::optional<SortKey> ParseSortKey(const std::vector<Column>& columns, std::string_view text) {
  SortKey key{0, false};
  if (text.ends_with(":desc")) {
    key.descending = true;
    text.remove_suffix(5);
  } else if (text.ends_with(":asc")) {
    text.remove_suffix(4);
  }
  const std::optional<std::size_t> column = FindColumn(columns, text);
  if (!column) return std::nullopt;
  key.column = *column;
  return key;
}

void SortRows(Table& table, const std::vector<SortKey>& keys) {
  // The last key first: each pass keeps what the passes before it decided among equals.
  for (auto key = keys.rbegin(); key != keys.rend(); ++key) {
    auto sort = [&](auto value_of) {
      using Value = decltype(value_of(std::size_t{0}));
      std::vector<std::pair<Value, std::size_t>> values;
      values.reserve(table.rows.size());
      for (std::size_t row : table.rows)
        values.emplace_back(value_of(row), row);
      std::stable_sort(values.begin(), values.end(), [&](const auto& a, const auto& b) {
        return key->descending ? b.first < a.first : a.first < b.first;
      });
      for (std::size_t i = 0; i < values.size(); ++i)
        table.rows[i] = values[i].second;
    };
    if (table.columns[key->column].number) {
      sort([&](std::size_t row) { return table.number(row, key->column); });
    } else {
      sort([&](std::size_t row) { return table.text(row, key->column); });
    }
  }
}

std::string RenderText(const Table& table, const std::vector<ShownColumn>& shown, bool titles,
                       bool one_line) {
  std::vector<std::size_t> widths(shown.size(), 0);
  std::vector<std::vector<std::string>> lines;
  lines.reserve(table.rows.size() + 1);
  if (titles) {
    lines.emplace_back();
    for (const ShownColumn& column : shown)
      lines.back().push_back(column.title);
  }
  for (std::size_t row : table.rows) {
    lines.emplace_back();
    for (const ShownColumn& column : shown) {
      std::string cell = table.text(row, column.column);
      lines.back().push_back(one_line ? OneLine(std::move(cell)) : std::move(cell));
    }
  }
  for (const std::vector<std::string>& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i)
      widths[i] = std::max(widths[i], Width(line[i]));
  }
  std::string out;
  for (const std::vector<std::string>& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i > 0) out += ' ';
      Pad(out, line[i], i + 1 < line.size() ? widths[i] : Width(line[i]));
    }
    out += '\n';
  }
  return out;
}

std::string RenderJson(const Table& table, const std::vector<ShownColumn>& shown) {
  std::string out;
  http::JsonWriter json(out);
  json.BeginArray();
  for (std::size_t row : table.rows) {
    json.BeginObject();
    for (const ShownColumn& column : shown)
      json.Field(column.title, table.text(row, column.column));
    json.EndObject();
  }
  json.EndArray();
  return out;
}

std::string RenderHelp(const std::vector<Column>& columns) {
  std::array<std::size_t, 3> widths{};
  for (const Column& column : columns) {
    widths[0] = std::max(widths[0], Width(column.name));
    widths[1] = std::max(widths[1], Width(Join(column.aliases)));
    widths[2] = std::max(widths[2], Width(column.help));
  }
  std::string out;
  for (const Column& column : columns) {
    Pad(out, column.name, widths[0]);
    out += " | ";
    Pad(out, Join(column.aliases), widths[1]);
    out += " | ";
    Pad(out, column.help, widths[2]);
    out += '\n';
  }
  return out;
}

}  // namespace quell::opensearch
