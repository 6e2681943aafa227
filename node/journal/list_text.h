// Lists as one column of a journal's row, and back. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/ids.h"
#include "core/task.h"

namespace quell {

// Nullopt: it is none.
std::string JsonList(const std::vector<std::string>& texts);
std::optional<std::vector<std::string>> ParseJsonList(std::string_view json);

// Ids with blanks between them.
std::string JoinIds(const std::vector<TaskId>& ids);
std::optional<std::vector<TaskId>> SplitIds(std::string_view text);

std::string HeaderList(const std::vector<Header>& headers);
std::optional<std::vector<Header>> ParseHeaders(std::string_view json);

}  // namespace quell
