#include "cli/environment.h"

#include <algorithm>
#include <cstdlib>
#include <string_view>

#include "core/ids.h"
#include "core/limits.h"

namespace quell::cli {
namespace {

std::optional<std::string> Get(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

// Ids with commas between them. A chain with a hole is worse than none.
std::vector<std::string> ParseChain(std::string_view text) {
  std::vector<std::string> ids;
  while (!text.empty() && ids.size() < limits::kAncestorsMax - 1) {
    const std::size_t end = std::min(text.find(','), text.size());
    const std::string_view id = text.substr(0, end);
    if (!TaskId::Parse(id)) return {};
    ids.emplace_back(id);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ids;
}

}  // namespace

Environment Environment::Read() {
  Environment env;
  if (auto http = Get("QUELL_HTTP")) env.http = *http;
  env.socket = Get("QUELL_SOCKET");
  env.task_id = Get("QUELL_TASK_ID");
  if (const auto chain = Get("QUELL_ANCESTORS")) env.ancestors = ParseChain(*chain);
  if (auto dir = Get("TMPDIR")) env.temp_dir = *dir;
  return env;
}

}  // namespace quell::cli
