#include "context.h"

#include <algorithm>
#include <array>
#include <cstdlib>

namespace quell::sdk {
namespace {

struct Names {
  const char* task;
  const char* ancestors;
  const char* opaque_id;
  const char* traceparent;
};

// By quell_carrier. gRPC wants metadata keys in lower case.
constexpr std::array<Names, 3> kNames = {{
    {"Quell-Task-Id", "Quell-Ancestors", "X-Opaque-Id", "traceparent"},
    {"quell-task-id", "quell-ancestors", "x-opaque-id", "traceparent"},
    {"QUELL_TASK_ID", "QUELL_ANCESTORS", "QUELL_OPAQUE_ID", "TRACEPARENT"},
}};

bool IsNodeChar(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

// version-traceid-parentid-flags of the W3C's Trace Context, in lower-case hex.
bool IsTraceparent(std::string_view text) {
  if (text.size() != 55 || text[2] != '-' || text[35] != '-' || text[52] != '-') return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
  });
}

std::vector<std::string> SplitIds(std::string_view text) {
  std::vector<std::string> ids;
  while (!text.empty() && ids.size() < kAncestorsMax - 1) {
    const std::size_t comma = text.find(',');
    const std::string_view id = text.substr(0, comma);
    if (!IsTaskId(id)) return {};  // A chain with a hole is worse than none.
    ids.emplace_back(id);
    text.remove_prefix(comma == std::string_view::npos ? text.size() : comma + 1);
  }
  return ids;
}

Context ExtractAs(const Names& names, const Context::Get& get) {
  Context context;
  if (const auto task = get(names.task); task && IsTaskId(*task)) {
    context.task = *task;
    if (const auto chain = get(names.ancestors)) context.ancestors = SplitIds(*chain);
  }
  if (const auto trace = get(names.traceparent); trace && IsTraceparent(*trace))
    context.traceparent = *trace;
  if (const auto opaque = get(names.opaque_id); opaque && IsOpaqueId(*opaque))
    context.opaque_id = *opaque;
  return context;
}

}  // namespace

bool IsOpaqueId(std::string_view text) {
  return !text.empty() && text.size() <= 1024 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

// As the node has it (core/ids.h): whatever it would refuse must not cost the program its tasks.
bool IsTaskId(std::string_view text) {
  if (text.size() < 24 || text.size() > 22 + 1 + 16 || text[22] != ':') return false;
  const std::string_view node = text.substr(0, 22);
  const bool fine = std::all_of(node.begin(), node.end(), IsNodeChar) && node.front() != '-' &&
                    std::string_view("AQgw").find(node.back()) != std::string_view::npos &&
                    node.find_first_not_of('A') != std::string_view::npos;
  const std::string_view digits = text.substr(23);
  constexpr std::string_view kNumberMax = "9007199254740991";
  return fine && digits.front() != '0' &&
         std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; }) &&
         (digits.size() < kNumberMax.size() || digits <= kNumberMax);
}

Context Context::Extract(const Get& get) {
  Context context = ExtractAs(kNames[QUELL_HTTP], get);
  if (context.task.empty() && context.traceparent.empty() && context.opaque_id.empty()) {
    context = ExtractAs(kNames[QUELL_GRPC], get);
  }
  return context;
}

Context Context::FromEnvironment() {
  return ExtractAs(kNames[QUELL_ENVIRONMENT], [](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr || *value == '\0') return std::nullopt;
    return std::string(value);
  });
}

void Context::Inject(quell_carrier carrier, const Set& set) const {
  if (carrier < QUELL_HTTP || carrier > QUELL_ENVIRONMENT) return;
  const Names& names = kNames[carrier];
  if (!task.empty()) {
    set(names.task, task);
    std::string chain;
    for (const std::string& id : ancestors)
      chain += (chain.empty() ? "" : ",") + id;
    if (!chain.empty()) set(names.ancestors, chain);
  }
  if (!opaque_id.empty()) set(names.opaque_id, opaque_id);
  if (!traceparent.empty()) set(names.traceparent, traceparent);
}

}  // namespace quell::sdk
