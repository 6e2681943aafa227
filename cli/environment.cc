#include "cli/environment.h"

#include <cstdlib>

namespace quell::cli {
namespace {

std::optional<std::string> Get(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace

Environment Environment::Read() {
  Environment env;
  if (auto http = Get("QUELL_HTTP")) env.http = *http;
  env.socket = Get("QUELL_SOCKET");
  env.task_id = Get("QUELL_TASK_ID");
  if (auto dir = Get("TMPDIR")) env.temp_dir = *dir;
  return env;
}

}  // namespace quell::cli
