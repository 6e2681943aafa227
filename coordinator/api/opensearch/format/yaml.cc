#include "coordinator/api/opensearch/format/yaml.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>
#include <vector>

#include "coordinator/api/opensearch/format/json_events.h"

namespace quell::opensearch {
namespace {

bool IsPlainChar(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         c == '-' || c == '.' || c == ':' || c == '/' || c == '[' || c == ']' || c == '*';
}

// Without quotes it would still be read as this text, and not as a number, a truth or nothing.
bool IsPlainKey(std::string_view key) {
  constexpr std::array<std::string_view, 9> kWords = {"true", "false", "null", "yes", "no",
                                                      "on",   "off",   "y",    "n"};
  if (key.empty() || key.back() == ':') return false;
  const char first = key.front();
  if (!((first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') || first == '_')) {
    // Ids begin with anything, but no number has a letter other than these.
    if (first < '0' || first > '9') return false;
    if (key.find_first_not_of("0123456789.:_-+abcdefxoABCDEFXO") == std::string_view::npos) {
      return false;
    }
  }
  std::string lower(key);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return std::all_of(key.begin(), key.end(), IsPlainChar) &&
         std::find(kWords.begin(), kWords.end(), lower) == kWords.end();
}

void AppendQuoted(std::string& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  out += '"';
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += "\\x";
      out += kHex[byte >> 4U];
      out += kHex[byte & 0xFU];
    } else {
      out += c;
    }
  }
  out += '"';
}

class YamlWriter final : public JsonEvents {
 public:
  void OnOpen(bool object, bool empty) override {
    Begin();
    Level level{object, empty, false, 0};
    if (levels_.empty()) {
      out_ += empty ? " " : "\n";
    } else if (levels_.back().object) {
      out_ += empty ? " " : "\n";
      level.indent = levels_.back().indent + (object ? 2 : 0);
    } else {
      level.indent = levels_.back().indent + 2;
      level.inline_first = !empty;  // Its first line is the rest of "- ".
    }
    if (empty) out_ += object ? "{}\n" : "[]\n";
    levels_.push_back(level);
  }
  void OnClose(bool) override { levels_.pop_back(); }

  void OnKey(std::string_view raw) override {
    Indent();
    const std::string key = Unescaped(raw);
    if (IsPlainKey(key)) {
      out_ += key;
    } else {
      AppendQuoted(out_, key);
    }
    out_ += ':';
  }
  void OnString(std::string_view raw) override {
    BeginValue();
    AppendQuoted(out_, Unescaped(raw));
    out_ += '\n';
  }
  void OnLiteral(std::string_view text) override {
    BeginValue();
    out_.append(text) += '\n';
  }

  std::string Take() { return std::move(out_); }

 private:
  struct Level {
    bool object;
    bool empty;
    bool inline_first;
    std::size_t indent;
  };

  void Indent() {
    Level& level = levels_.back();
    if (!std::exchange(level.inline_first, false)) out_.append(level.indent, ' ');
  }
  // An element of an array has a dash, a member of an object its key already.
  void Begin() {
    if (levels_.empty() || levels_.back().object) return;
    Indent();
    out_ += "- ";
  }
  void BeginValue() {
    Begin();
    if (levels_.empty() || levels_.back().object) out_ += ' ';
  }

  std::string out_ = "---";
  std::vector<Level> levels_;
};

}  // namespace

std::string ToYaml(std::string_view json) {
  if (json.empty()) return {};
  YamlWriter writer;
  WalkJson(json, writer);
  return writer.Take();
}

}  // namespace quell::opensearch
