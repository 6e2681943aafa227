#include "json.h"

#include <algorithm>
#include <array>

// Header-only, compiled into the library with hidden visibility: no Boost symbol leaves it.
#include <boost/json/src.hpp>

namespace quell::sdk {
namespace {

namespace json = boost::json;

// Length of the UTF-8 sequence at `text[i]`, or 0 if it is none (overlong, surrogate, cut, above
// U+10FFFF).
std::size_t SequenceLength(std::string_view text, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned char>(text[k]); };
  const unsigned lead = byte(i);
  if (lead < 0x80) return 1;
  std::size_t length = 0;
  unsigned low = 0x80;
  unsigned high = 0xBF;
  if (lead >= 0xC2 && lead <= 0xDF) {
    length = 2;
  } else if (lead >= 0xE0 && lead <= 0xEF) {
    length = 3;
    if (lead == 0xE0) low = 0xA0;
    if (lead == 0xED) high = 0x9F;
  } else if (lead >= 0xF0 && lead <= 0xF4) {
    length = 4;
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F;
  } else {
    return 0;
  }
  if (i + length > text.size()) return 0;
  if (byte(i + 1) < low || byte(i + 1) > high) return 0;
  for (std::size_t k = 2; k < length; ++k) {
    if (byte(i + k) < 0x80 || byte(i + k) > 0xBF) return 0;
  }
  return length;
}

std::string Text(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr || !value->is_string()) return {};
  return std::string(value->get_string());
}

std::int64_t Number(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return 0;
  if (value->is_int64()) return value->get_int64();
  return 0;
}

std::optional<Cancel> CancelOf(const json::value* value) {
  if (value == nullptr || !value->is_object()) return std::nullopt;
  const json::object& object = value->get_object();
  Cancel cancel;
  cancel.task = Text(object, "task");
  cancel.by = Text(object, "by");
  cancel.reason = Text(object, "reason");
  const std::int64_t grace = Number(object, "grace_in_millis");
  cancel.grace_ms = grace > 0 ? static_cast<std::uint64_t>(grace) : 0;
  cancel.at_ms = Number(object, "at_millis");
  return cancel;
}

Refusal RefusalOf(const json::value* value) {
  if (value == nullptr || !value->is_object()) return {};
  return {Text(value->get_object(), "type"), Text(value->get_object(), "reason")};
}

std::optional<json::value> Parse(std::string_view text) {
  json::error_code error;
  json::value value = json::parse(text, error);
  if (error) return std::nullopt;
  return value;
}

}  // namespace

std::string ToUtf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = SequenceLength(text, i);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
    } else {
      out.append(text, i, length);
    }
    i += std::max<std::size_t>(length, 1);
  }
  return out;
}

void AppendQuoted(std::string& out, std::string_view text) {
  static constexpr std::array<char, 17> kHex = {"0123456789abcdef"};
  out += '"';
  for (const char c : ToUtf8(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  out += '"';
}

bool IsJson(std::string_view text) {
  return Parse(text).has_value();
}

Refusal ParseRefusal(std::string_view text) {
  const auto value = Parse(text);
  if (!value || !value->is_object()) return {};
  return RefusalOf(value->get_object().if_contains("error"));
}

std::optional<RegisterAnswer> ParseRegisterAnswer(std::string_view text) {
  const auto value = Parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const json::object& object = value->get_object();
  const json::value* tasks = object.if_contains("tasks");
  if (tasks == nullptr || !tasks->is_array()) return std::nullopt;
  RegisterAnswer answer;
  answer.session = Text(object, "session");
  if (answer.session.empty()) return std::nullopt;
  for (const json::value& item : tasks->get_array()) {
    if (!item.is_object()) return std::nullopt;
    RegisteredTask task;
    task.id = Text(item.get_object(), "id");
    if (task.id.empty()) return std::nullopt;
    task.cancel = CancelOf(item.get_object().if_contains("cancel"));
    task.warning = RefusalOf(item.get_object().if_contains("warning"));
    const json::value* ancestors = item.get_object().if_contains("ancestors");
    if (ancestors != nullptr && ancestors->is_array()) {
      for (const json::value& ancestor : ancestors->get_array()) {
        if (ancestor.is_string()) task.ancestors.emplace_back(ancestor.get_string());
      }
    }
    answer.tasks.push_back(std::move(task));
  }
  return answer;
}

std::optional<std::vector<int>> ParseFinishAnswer(std::string_view text) {
  const auto value = Parse(text);
  if (!value || !value->is_object()) return std::nullopt;
  const json::value* tasks = value->get_object().if_contains("tasks");
  if (tasks == nullptr || !tasks->is_array()) return std::nullopt;
  std::vector<int> statuses;
  for (const json::value& item : tasks->get_array()) {
    if (!item.is_object()) return std::nullopt;
    const bool taken = item.get_object().if_contains("error") == nullptr;
    statuses.push_back(taken ? 200 : static_cast<int>(Number(item.get_object(), "status")));
  }
  return statuses;
}

std::optional<Cancel> ParseCommand(std::string_view line) {
  const auto value = Parse(line);
  if (!value || !value->is_object()) return std::nullopt;
  return CancelOf(value->get_object().if_contains("cancel"));
}

}  // namespace quell::sdk
