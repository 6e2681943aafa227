// Layout of JSON for people, as OpenSearch's `pretty`.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace quell::opensearch {

// Two blanks a level, "key" : value, { } and [ ] for empty ones, one newline at the end. Takes one
// valid value in pieces; none may end within a text.
class Prettifier {
 public:
  void Feed(std::string_view piece, std::string& out);
  // After the last piece.
  static void End(std::string& out) { out += '\n'; }

 private:
  void Line(std::string& out) const;
  void Close(char bracket, std::string& out);

  std::size_t depth_ = 0;
  bool empty_ = false;  // Right after an opening bracket.
};

std::string Prettify(std::string_view json);

}  // namespace quell::opensearch
