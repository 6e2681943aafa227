// Walks over one JSON value without building it: what the other formats and filter_path read.
#pragma once

#include <string>
#include <string_view>

namespace quell::opensearch {

// Texts are views into the JSON.
class JsonEvents {
 public:
  virtual ~JsonEvents() = default;
  // `empty`: OnClose() is next.
  virtual void OnOpen(bool object, bool empty) = 0;
  virtual void OnClose(bool object) = 0;
  // Of the member that follows. `raw` is what stands between the quotes, escapes and all.
  virtual void OnKey(std::string_view raw) = 0;
  virtual void OnString(std::string_view raw) = 0;
  // A number, true, false or null, as it is spelt.
  virtual void OnLiteral(std::string_view text) = 0;
};

// `json` is one valid value, in UTF-8; of anything else the events mean nothing, but they end.
void WalkJson(std::string_view json, JsonEvents& events);

// White space between two tokens of JSON.
constexpr bool IsBlank(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// The characters that `raw` stands for.
std::string Unescaped(std::string_view raw);

}  // namespace quell::opensearch
