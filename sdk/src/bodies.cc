#include "bodies.h"

#include <algorithm>
#include <chrono>
#include <unistd.h>

#include "json.h"

namespace quell::sdk {

void AppendField(std::string& out, std::string_view key, std::string_view text) {
  if (out.back() != '{') out += ',';
  AppendQuoted(out, key);
  out += ':';
  AppendQuoted(out, text);
}

std::string NewTaskJson(const Record& record, const std::string& parent,
                        const std::vector<std::string>& parent_chain) {
  std::string out = "{";
  AppendField(out, "action", record.action);
  AppendField(out, "description", record.description);
  out += ",\"pid\":" + std::to_string(::getpid());
  // The clock may have been set back since it began.
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  out += ",\"start_time_in_millis\":" + std::to_string(std::min(record.start_ms, now_ms));
  out += ",\"start_since_boot_in_micros\":" + std::to_string(record.start_boot_us);
  if (!record.id.empty()) AppendField(out, "id", record.id);
  if (record.id.empty()) AppendField(out, "key", record.key);
  if (record.cancel_on_parent_lost) AppendField(out, "on_parent_lost", "cancel");
  if (!record.cancellable) out += ",\"cancellable\":false";
  if (!parent.empty()) AppendField(out, "parent", parent);
  if (!parent_chain.empty()) {
    out += ",\"ancestors\":[";
    for (std::size_t i = 0; i < parent_chain.size(); ++i) {
      if (i > 0) out += ',';
      AppendQuoted(out, parent_chain[i]);
    }
    out += ']';
  }
  if (!record.origin.opaque_id.empty() || !record.origin.traceparent.empty()) {
    std::string headers = "{";
    if (!record.origin.opaque_id.empty())
      AppendField(headers, "X-Opaque-Id", record.origin.opaque_id);
    if (!record.origin.traceparent.empty())
      AppendField(headers, "traceparent", record.origin.traceparent);
    out += ",\"headers\":" + headers + "}";
  }
  return out + "}";
}

std::string ResourcesJson(const CpuFigures& figures) {
  return "{\"cpu_time_in_nanos\":" + std::to_string(figures.total) +
         ",\"least_cpu_time_in_nanos\":" + std::to_string(figures.least) +
         ",\"most_cpu_time_in_nanos\":" + std::to_string(figures.most) +
         ",\"executions\":" + std::to_string(figures.stretches) +
         ",\"active\":" + std::to_string(figures.active) + "}";
}

std::string ObjectJson(const std::map<std::string, std::string>& members) {
  std::string out = "{";
  for (const auto& [name, json] : members) {
    if (out.size() > 1) out += ',';
    AppendQuoted(out, name);
    out += ':';
    out += json;
  }
  return out + "}";
}

const char* OutcomeText(quell_outcome outcome) {
  switch (outcome) {
    case QUELL_SUCCESS:
      return "success";
    case QUELL_FAILURE:
      return "failure";
    case QUELL_CANCELLED:
      return "cancelled";
    case QUELL_TIMEOUT:
      return "timeout";
  }
  return "failure";
}

}  // namespace quell::sdk
