#include "node/local_api/json_value.h"

#include <charconv>
#include <set>

#include <boost/json/basic_parser_impl.hpp>

#include "transport/http/json_writer.h"

namespace quell {
namespace {

constexpr std::size_t kDepthMax = 32;
constexpr std::size_t kValuesMax = 300'000;  // Against a megabyte of "[[],[],[], ...".

// Builds the value as the parser goes along.
class Builder {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Code = boost::json::error_code;
  using Text = boost::json::string_view;

  bool on_document_begin(Code&) { return true; }
  bool on_document_end(Code&) { return true; }
  bool on_object_begin(Code& error) { return Open(JsonValue::Kind::kObject, error); }
  bool on_object_end(std::size_t, Code&) { return Close(); }
  bool on_array_begin(Code& error) { return Open(JsonValue::Kind::kArray, error); }
  bool on_array_end(std::size_t, Code&) { return Close(); }
  bool on_key_part(Text part, std::size_t, Code&) { return Append(part); }
  bool on_key(Text part, std::size_t, Code& error) {
    Append(part);
    Level& level = levels_.back();
    level.key = std::exchange(text_, {});
    if (level.keys.insert(level.key).second) return true;
    return Fail("the key \"" + level.key + "\" stands twice in one object", error);
  }
  bool on_string_part(Text part, std::size_t, Code&) { return Append(part); }
  bool on_string(Text part, std::size_t, Code& error) {
    Append(part);
    return AddText(JsonValue::Kind::kString, error);
  }
  bool on_number_part(Text part, Code&) { return Append(part); }
  bool on_int64(std::int64_t, Text part, Code& error) { return AddNumber(part, error); }
  bool on_uint64(std::uint64_t, Text part, Code& error) { return AddNumber(part, error); }
  bool on_double(double, Text part, Code& error) { return AddNumber(part, error); }
  bool on_bool(bool truth, Code& error) {
    JsonValue value;
    value.kind = JsonValue::Kind::kBool;
    value.truth = truth;
    return Add(std::move(value), error) != nullptr;
  }
  bool on_null(Code& error) { return Add(JsonValue(), error) != nullptr; }
  bool on_comment_part(Text, Code&) { return true; }
  bool on_comment(Text, Code&) { return true; }

  JsonValue& root() { return root_; }
  const std::string& reason() const { return reason_; }

 private:
  struct Level {
    JsonValue value;
    std::string key;  // Of the member that is being read.
    std::set<std::string, std::less<>> keys;
  };

  bool Append(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool AddNumber(Text part, Code& error) {
    Append(part);
    return AddText(JsonValue::Kind::kNumber, error);
  }
  bool AddText(JsonValue::Kind kind, Code& error) {
    JsonValue value;
    value.kind = kind;
    value.text = std::exchange(text_, {});
    return Add(std::move(value), error) != nullptr;
  }
  bool Open(JsonValue::Kind kind, Code& error) {
    if (++values_ > kValuesMax) return Fail("the body has too many values", error);
    levels_.emplace_back().value.kind = kind;
    return true;
  }
  bool Close() {
    JsonValue value = std::move(levels_.back().value);
    levels_.pop_back();
    Place(std::move(value));
    return true;
  }
  JsonValue* Add(JsonValue value, Code& error) {
    if (++values_ > kValuesMax) {
      Fail("the body has too many values", error);
      return nullptr;
    }
    return Place(std::move(value));
  }
  JsonValue* Place(JsonValue value) {
    if (levels_.empty()) return &(root_ = std::move(value));
    Level& level = levels_.back();
    if (level.value.is(JsonValue::Kind::kArray)) {
      return &level.value.items.emplace_back(std::move(value));
    }
    return &level.value.members.emplace_back(JsonMember{std::move(level.key), std::move(value)})
                .value;
  }
  bool Fail(std::string reason, Code& error) {
    reason_ = std::move(reason);
    error = boost::system::errc::make_error_code(boost::system::errc::invalid_argument);
    return false;
  }

  JsonValue root_;
  std::vector<Level> levels_;
  std::string text_;
  std::string reason_;
  std::size_t values_ = 0;
};

void Write(const JsonValue& value, http::JsonWriter& json) {
  switch (value.kind) {
    case JsonValue::Kind::kNull:
      json.Null();
      break;
    case JsonValue::Kind::kBool:
      json.Bool(value.truth);
      break;
    case JsonValue::Kind::kNumber:
      json.Raw(value.text);
      break;
    case JsonValue::Kind::kString:
      json.String(value.text);
      break;
    case JsonValue::Kind::kArray:
      json.BeginArray();
      for (const JsonValue& item : value.items)
        Write(item, json);
      json.EndArray();
      break;
    case JsonValue::Kind::kObject:
      json.BeginObject();
      for (const auto& [key, member] : value.members) {
        json.Key(key);
        Write(member, json);
      }
      json.EndObject();
      break;
  }
}

}  // namespace

Result<JsonValue> JsonValue::Parse(std::string_view text) {
  boost::json::parse_options options;
  options.max_depth = kDepthMax;
  boost::json::basic_parser<Builder> parser{options};
  boost::json::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (!error && read == text.size()) return std::move(parser.handler().root());
  std::string reason = parser.handler().reason();
  if (reason.empty()) {
    reason = "the body is no JSON: " + (error ? error.message() : "something follows the value") +
             " (byte " + std::to_string(read) + ")";
  }
  return Error{ErrorCode::kInvalidArgument, std::move(reason)};
}

std::optional<std::int64_t> JsonValue::integer() const {
  std::int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, number);
  if (kind != Kind::kNumber || code != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::string JsonValue::Render() const {
  std::string out;
  http::JsonWriter json(out);
  Write(*this, json);
  return out;
}

std::string_view Describe(JsonValue::Kind kind) {
  switch (kind) {
    case JsonValue::Kind::kNull:
      return "null";
    case JsonValue::Kind::kBool:
      return "true or false";
    case JsonValue::Kind::kNumber:
      return "a number";
    case JsonValue::Kind::kString:
      return "a string";
    case JsonValue::Kind::kArray:
      return "an array";
    case JsonValue::Kind::kObject:
      break;
  }
  return "an object";
}

}  // namespace quell
