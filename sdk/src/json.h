// The little JSON that the door needs: texts out, answers in.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace quell::sdk {

// With U+FFFD for bytes that are not UTF-8.
std::string ToUtf8(std::string_view text);

// Appends `text` in quotes. Bytes that are not UTF-8 become U+FFFD.
void AppendQuoted(std::string& out, std::string_view text);

// One whole JSON value, at most 32 levels deep.
bool IsJson(std::string_view text);

struct Cancel {
  std::string task;
  std::string by;
  std::string reason;
  std::uint64_t grace_ms = 0;
  std::int64_t at_ms = 0;
};

// Why a request was refused: what programs decide by, and words for people. Empty: not said.
struct Refusal {
  std::string type;
  std::string reason;
};

struct RegisteredTask {
  std::string id;
  Refusal warning;  // It was registered, but not quite as asked for.
  std::optional<Cancel> cancel;
  std::vector<std::string> ancestors;
};

struct RegisterAnswer {
  std::string session;
  std::vector<RegisteredTask> tasks;
};

Refusal ParseRefusal(std::string_view text);
// nullopt: not what the door answers.
std::optional<RegisterAnswer> ParseRegisterAnswer(std::string_view text);
// What became of each end, as HTTP statuses; nullopt: as above.
std::optional<std::vector<int>> ParseFinishAnswer(std::string_view text);
// A line of the command stream; nullopt: a keep-alive, or a command of a newer node.
std::optional<Cancel> ParseCommand(std::string_view line);

}  // namespace quell::sdk
