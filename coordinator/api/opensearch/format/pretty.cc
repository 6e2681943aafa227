#include "coordinator/api/opensearch/format/pretty.h"

#include "coordinator/api/opensearch/format/json_events.h"

namespace quell::opensearch {
namespace {

// The index after the string that begins at `at`.
std::size_t EndOfString(std::string_view json, std::size_t at) {
  std::size_t i = at + 1;
  while (i < json.size() && json[i] != '"')
    i += json[i] == '\\' ? 2 : 1;
  return std::min(i + 1, json.size());
}

}  // namespace

void Prettifier::Line(std::string& out) const {
  out += '\n';
  out.append(depth_ * 2, ' ');
}

void Prettifier::Close(char bracket, std::string& out) {
  --depth_;
  if (empty_) {
    out += ' ';
  } else {
    Line(out);
  }
  empty_ = false;
  out += bracket;
}

void Prettifier::Feed(std::string_view piece, std::string& out) {
  for (std::size_t i = 0; i < piece.size();) {
    const char c = piece[i];
    if (IsBlank(c)) {
      ++i;
      continue;
    }
    if (c == '}' || c == ']') {
      Close(c, out);
      ++i;
      continue;
    }
    if (empty_) Line(out);
    empty_ = false;
    if (c == '"') {
      const std::size_t end = EndOfString(piece, i);
      out.append(piece, i, end - i);
      i = end;
      continue;
    }
    ++i;
    if (c == ':') {
      out += " : ";
    } else if (c == ',') {
      out += c;
      Line(out);
    } else {
      out += c;
      if (c == '{' || c == '[') {
        ++depth_;
        empty_ = true;
      }
    }
  }
}

std::string Prettify(std::string_view json) {
  std::string out;
  out.reserve(json.size() * 2);
  Prettifier prettifier;
  prettifier.Feed(json, out);
  Prettifier::End(out);
  return out;
}

}  // namespace quell::opensearch
