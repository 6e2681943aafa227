#include "host/log.h"

#include <array>
#include <memory>
#include <mutex>

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace quell {
namespace {

constexpr std::array<std::string_view, 4> kNames = {"debug", "info", "warning", "error"};

spdlog::level::level_enum ToSpdlog(Severity severity) {
  switch (severity) {
    case Severity::kDebug:
      return spdlog::level::debug;
    case Severity::kInfo:
      return spdlog::level::info;
    case Severity::kWarning:
      return spdlog::level::warn;
    case Severity::kError:
      break;
  }
  return spdlog::level::err;
}

std::unique_ptr<spdlog::logger> MakeLogger() {
  auto logger =
      std::make_unique<spdlog::logger>("quell", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      "%Y-%m-%dT%H:%M:%S.%eZ %L %v", spdlog::pattern_time_type::utc));
  logger->set_level(spdlog::level::info);
  logger->flush_on(spdlog::level::trace);
  return logger;
}

struct Name {
  std::mutex mutex;
  std::string text;  // With a space after it, unless empty.
};

// Both are never destroyed: threads may log until the process has ended.
spdlog::logger& Logger() {
  static spdlog::logger& logger = *MakeLogger().release();
  return logger;
}
Name& LogName() {
  static Name& name = *std::make_unique<Name>().release();
  return name;
}

bool IsPlain(std::string_view value) {
  for (const char c : value) {
    if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c == 0x7f) return false;
  }
  return !value.empty();
}

// Bytes from 0x80 on are left alone: they are UTF-8, or harmless.
void AppendEscaped(std::string& line, std::string_view value, bool quoted) {
  constexpr std::string_view kHex = "0123456789abcdef";
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (quoted && (c == '"' || c == '\\')) {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      line += "\\x";
      line += kHex[byte >> 4];
      line += kHex[byte & 15];
    } else {
      line += c;
    }
  }
}

void AppendValue(std::string& line, std::string_view value) {
  // char is signed here, so that IsPlain() finds bytes from 0x80 on not plain: quotes do no harm.
  if (IsPlain(value)) {
    line += value;
    return;
  }
  line += '"';
  AppendEscaped(line, value, true);
  line += '"';
}

}  // namespace

Result<Severity> ParseSeverity(std::string_view text) {
  for (std::size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == text) return static_cast<Severity>(i);
  }
  return Error{ErrorCode::kInvalidArgument,
               "unknown log level " + std::string(text) + ": give debug, info, warning or error"};
}

void SetLogLevel(Severity lowest) {
  Logger().set_level(ToSpdlog(lowest));
}

void SetLogName(std::string_view name) {
  const std::lock_guard lock(LogName().mutex);
  LogName().text = name;
  if (!name.empty()) LogName().text += ' ';
}

void Log(Severity severity, std::string_view message, LogFields fields) {
  if (!Logger().should_log(ToSpdlog(severity))) return;
  std::string line;
  {
    const std::lock_guard lock(LogName().mutex);
    line = LogName().text;
  }
  AppendEscaped(line, message, false);
  for (const LogField& field : fields) {
    line += ' ';
    line += field.key;
    line += '=';
    AppendValue(line, field.value);
  }
  Logger().log(ToSpdlog(severity), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace quell
