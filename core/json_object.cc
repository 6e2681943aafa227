#include "core/json_object.h"

#include <bitset>
#include <cstddef>

namespace quell {
namespace {

constexpr std::size_t kDepthMax = 64;

class Scanner {
 public:
  explicit Scanner(std::string_view text) : at_(text.data()), end_(at_ + text.size()) {}

  bool IsObject() {
    Blanks();
    if (at_ == end_ || *at_ != '{') return false;
    if (!Value()) return false;
    Blanks();
    return at_ == end_;
  }

 private:
  bool Take(char wanted) {
    if (at_ == end_ || *at_ != wanted) return false;
    ++at_;
    return true;
  }

  void Blanks() {
    while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t'))
      ++at_;
  }

  // One value with all that is in it. Opening a container and closing it are steps of one loop;
  // is_object_ remembers what the open ones are.
  bool Value() {
    depth_ = 0;
    for (;;) {
      Blanks();
      if (at_ == end_) return false;
      if (*at_ == '{' || *at_ == '[') {
        if (!Open()) return false;
        if (!just_closed_) continue;
      } else if (!Scalar()) {
        return false;
      }
      // A value has ended: what may follow depends on what it is in.
      for (;;) {
        if (depth_ == 0) return true;
        Blanks();
        if (Take(',')) {
          if (is_object_[depth_] && !Key()) return false;
          break;
        }
        if (!Take(is_object_[depth_] ? '}' : ']')) return false;
        --depth_;
      }
    }
  }

  // Goes into a container, up to where its first value begins; just_closed_ if it has none.
  bool Open() {
    const bool object = *at_++ == '{';
    just_closed_ = false;
    Blanks();
    if (Take(object ? '}' : ']')) {
      just_closed_ = true;
      return true;
    }
    if (depth_ == kDepthMax) return false;
    is_object_[++depth_] = object;
    return !object || Key();
  }

  bool Key() {
    Blanks();
    if (at_ == end_ || *at_ != '"' || !String()) return false;
    Blanks();
    return Take(':');
  }

  bool Scalar() {
    switch (*at_) {
      case '"':
        return String();
      case 't':
        return Word("true");
      case 'f':
        return Word("false");
      case 'n':
        return Word("null");
      default:
        return Number();
    }
  }

  bool Word(std::string_view word) {
    if (static_cast<std::size_t>(end_ - at_) < word.size()) return false;
    if (std::string_view(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  static bool IsDigit(char c) { return c >= '0' && c <= '9'; }
  static bool IsHex(char c) {
    return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
  }

  bool Digits() {
    if (at_ == end_ || !IsDigit(*at_)) return false;
    while (at_ != end_ && IsDigit(*at_))
      ++at_;
    return true;
  }

  bool Number() {
    Take('-');
    if (!Take('0') && !Digits()) return false;
    if (Take('.') && !Digits()) return false;
    if (Take('e') || Take('E')) {
      if (!Take('+')) Take('-');
      return Digits();
    }
    return true;
  }

  bool String() {
    ++at_;
    while (at_ != end_) {
      const char c = *at_++;
      if (c == '"') return true;
      if (static_cast<unsigned char>(c) < 0x20) return false;
      if (c == '\\' && !Escape()) return false;
    }
    return false;
  }

  bool Escape() {
    if (at_ == end_) return false;
    const char c = *at_++;
    if (c != 'u') return std::string_view("\"\\/bfnrt").find(c) != std::string_view::npos;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ == end_ || !IsHex(*at_)) return false;
    }
    return true;
  }

  const char* at_;
  const char* end_;
  std::size_t depth_ = 0;
  std::bitset<kDepthMax + 1> is_object_;  // From 1, the outermost container.
  bool just_closed_ = false;
};

}  // namespace

bool IsJsonObject(std::string_view text) {
  return Scanner(text).IsObject();
}

}  // namespace quell
