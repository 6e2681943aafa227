// JSON that programs send, read strictly: one whole value, no key twice in an object, not too deep,
// valid UTF-8. Numbers keep their spelling, so that a status is shown as its program wrote it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace quell {

struct JsonMember;

struct JsonValue {
  enum class Kind : std::uint8_t { kNull, kBool, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool truth = false;               // Of kBool.
  std::string text;                 // Of kString; of kNumber as it was written.
  std::vector<JsonValue> items;     // Of kArray.
  std::vector<JsonMember> members;  // Of kObject, in order.

  // Errors: kInvalidArgument, saying what is wrong.
  static Result<JsonValue> Parse(std::string_view text);

  bool is(Kind one) const { return kind == one; }
  // The number, if it is a whole one that fits.
  std::optional<std::int64_t> integer() const;
  // Without blanks between its parts.
  std::string Render() const;
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

// "a string", "an object"
std::string_view Describe(JsonValue::Kind kind);

}  // namespace quell
