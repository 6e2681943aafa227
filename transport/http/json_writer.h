// Writes JSON into a buffer as it is told, without a tree: what a list needs. Commas are its own
// business; balance is the caller's, and checked by assertions (debug builds).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace quell::http {

// Appends to a string that outlives it. Outside every object and array it takes keys and values as
// parts of a fragment, "\"a\":1,\"b\":2", which somebody else puts brackets around. At most 64
// deep. Not thread-safe.
class JsonWriter {
 public:
  explicit JsonWriter(std::string& out) : out_(out) {}

  JsonWriter& BeginObject();
  JsonWriter& EndObject();
  JsonWriter& BeginArray();
  JsonWriter& EndArray();
  JsonWriter& Key(std::string_view key);
  // Text that is not UTF-8 gets U+FFFD for each bad byte: the output is always valid.
  JsonWriter& String(std::string_view text);
  JsonWriter& Int(std::int64_t value);
  JsonWriter& Uint(std::uint64_t value);
  JsonWriter& Bool(bool value);
  JsonWriter& Null();
  // One whole JSON value, already rendered and known to be valid.
  JsonWriter& Raw(std::string_view json);

  JsonWriter& Field(std::string_view key, std::string_view text) { return Key(key).String(text); }
  JsonWriter& Field(std::string_view key, const char* text) { return Key(key).String(text); }
  JsonWriter& Field(std::string_view key, std::int64_t value) { return Key(key).Int(value); }
  JsonWriter& Field(std::string_view key, std::uint64_t value) { return Key(key).Uint(value); }
  JsonWriter& Field(std::string_view key, int value) { return Key(key).Int(value); }
  JsonWriter& Field(std::string_view key, bool value) { return Key(key).Bool(value); }

  // All that was begun has ended.
  bool complete() const { return depth_ == 0 && !after_key_; }

 private:
  static constexpr int kDepthMax = 64;

  void Separate();
  void BeforeValue();
  void Open(char bracket, bool object);
  void Close(char bracket, bool object);
  bool InObject() const { return (objects_ & 1U) != 0; }

  std::string& out_;
  std::uint64_t objects_ = 0;  // One bit for each open bracket, the innermost lowest: an object?
  int depth_ = 0;
  bool need_comma_ = false;
  bool after_key_ = false;
};

}  // namespace quell::http
