#include "node/journal/list_text.h"

#include <algorithm>
#include <utility>

#include <boost/json.hpp>

namespace quell {

std::string JsonList(const std::vector<std::string>& texts) {
  boost::json::array list;
  for (const std::string& text : texts)
    list.emplace_back(text);
  return boost::json::serialize(list);
}

std::optional<std::vector<std::string>> ParseJsonList(std::string_view json) {
  boost::system::error_code error;
  const boost::json::value value = boost::json::parse(json, error);
  if (error || !value.is_array()) return std::nullopt;
  std::vector<std::string> texts;
  for (const boost::json::value& one : value.get_array()) {
    if (!one.is_string()) return std::nullopt;
    texts.emplace_back(one.get_string());
  }
  return texts;
}

std::string JoinIds(const std::vector<TaskId>& ids) {
  std::string text;
  for (const TaskId& id : ids)
    text += (text.empty() ? "" : " ") + id.ToString();
  return text;
}

std::optional<std::vector<TaskId>> SplitIds(std::string_view text) {
  std::vector<TaskId> ids;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(' '), text.size());
    const Result<TaskId> id = TaskId::Parse(text.substr(0, end));
    if (!id) return std::nullopt;
    ids.push_back(*id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

std::string HeaderList(const std::vector<Header>& headers) {
  std::vector<std::string> texts;  // Names and values in turn.
  for (const Header& header : headers) {
    texts.push_back(header.name);
    texts.push_back(header.value);
  }
  return JsonList(texts);
}

std::optional<std::vector<Header>> ParseHeaders(std::string_view json) {
  auto texts = ParseJsonList(json);
  if (!texts || texts->size() % 2 != 0) return std::nullopt;
  std::vector<Header> headers;
  for (std::size_t i = 0; i < texts->size(); i += 2)
    headers.push_back({std::move((*texts)[i]), std::move((*texts)[i + 1])});
  return headers;
}

}  // namespace quell
