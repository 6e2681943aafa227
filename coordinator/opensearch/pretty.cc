#include "coordinator/opensearch/pretty.h"

namespace quell::opensearch {
namespace {

bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The index after the string that begins at `at`.
std::size_t EndOfString(std::string_view json, std::size_t at) {
  std::size_t i = at + 1;
  while (i < json.size() && json[i] != '"')
    i += json[i] == '\\' ? 2 : 1;
  return std::min(i + 1, json.size());
}

}  // namespace

std::string Prettify(std::string_view json) {
  std::string out;
  out.reserve(json.size() * 2);
  std::size_t depth = 0;
  bool empty = false;  // Right after an opening bracket.
  auto line = [&] {
    out += '\n';
    out.append(depth * 2, ' ');
  };
  for (std::size_t i = 0; i < json.size();) {
    const char c = json[i];
    if (IsBlank(c)) {
      ++i;
      continue;
    }
    if (c == '}' || c == ']') {
      --depth;
      if (empty) {
        out += ' ';
      } else {
        line();
      }
      empty = false;
      out += c;
      ++i;
      continue;
    }
    if (empty) line();
    empty = false;
    if (c == '"') {
      const std::size_t end = EndOfString(json, i);
      out.append(json, i, end - i);
      i = end;
      continue;
    }
    ++i;
    if (c == ':') {
      out += " : ";
    } else if (c == ',') {
      out += c;
      line();
    } else {
      out += c;
      if (c == '{' || c == '[') {
        ++depth;
        empty = true;
      }
    }
  }
  out += '\n';
  return out;
}

}  // namespace quell::opensearch
