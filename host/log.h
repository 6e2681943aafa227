// What a daemon tells the people who run it: lines of text on standard error.
//
//   LogWarning("the coordinator is silent", {{"address", address}, {"error", error.message}});
//
// gives `2026-01-31T12:00:00.000Z W quell-node the coordinator is silent address=127.0.0.1:9400
// error="connection refused"` on one line. Messages are constant; what varies goes into fields.
// Values with spaces, quotes or control characters are quoted and escaped, so that no value can
// forge a line. Everything here is thread-safe. A line is written before the call returns.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "core/result.h"

namespace quell {

enum class Severity : std::uint8_t { kDebug, kInfo, kWarning, kError };

// "debug", "info", "warning" or "error". Errors: kInvalidArgument, naming these.
Result<Severity> ParseSeverity(std::string_view text);

struct LogField {
  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false") {}
  LogField(std::string_view k, const Error& v) : key(k), value(v.message) {}
  template <std::integral T>
  LogField(std::string_view k, T v) : key(k), value(std::to_string(v)) {}
  template <typename T>
  requires requires(const T& v) {
    { v.ToString() } -> std::convertible_to<std::string>;
  }
  LogField(std::string_view k, const T& v) : key(k), value(v.ToString()) {}

  std::string_view key;
  std::string value;
};
using LogFields = std::initializer_list<LogField>;

// Lines below `lowest` are not written; kInfo at first.
void SetLogLevel(Severity lowest);
// Stands in each line, so that the lines of several daemons on one terminal can be told apart.
void SetLogName(std::string_view name);

void Log(Severity severity, std::string_view message, LogFields fields = {});

inline void LogDebug(std::string_view message, LogFields fields = {}) {
  Log(Severity::kDebug, message, fields);
}
inline void LogInfo(std::string_view message, LogFields fields = {}) {
  Log(Severity::kInfo, message, fields);
}
inline void LogWarning(std::string_view message, LogFields fields = {}) {
  Log(Severity::kWarning, message, fields);
}
inline void LogError(std::string_view message, LogFields fields = {}) {
  Log(Severity::kError, message, fields);
}

}  // namespace quell
