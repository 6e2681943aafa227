#include "core/validity.h"

#include <algorithm>

#include "core/json_object.h"
#include "core/limits.h"
#include "core/utf8.h"

namespace quell {
namespace {

Error Invalid(std::string_view what, std::string_view why) {
  std::string message = "the ";
  message.append(what).append(" ").append(why);
  return InvalidArgument(std::move(message));
}

// Keeps the first error, so that a check reads as a list of what it looks at.
class First {
 public:
  First& operator()(Status next) {
    if (status_ && !next) status_ = std::move(next);
    return *this;
  }
  First& operator()(std::string_view what, const std::optional<WallTime>& moment) {
    if (status_ && moment) status_ = CheckMoment(what, *moment);
    return *this;
  }
  Status Done() { return std::move(status_); }

 private:
  Status status_;
};

Status CheckId(std::string_view what, const TaskId& id) {
  if (id.node.is_null()) return Invalid(what, "names no node");
  return CheckTaskNumber(what, id.number);
}

// As HTTP has it: what a request brings goes on as it is.
bool IsHeaderText(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\t') || byte == 0x7F;
  });
}

}  // namespace

Status CheckMoment(std::string_view what, WallTime moment) {
  if (moment < kFirstMoment) return Invalid(what, "lies before 1970");
  if (moment > kLastMoment) return Invalid(what, "lies after 2262");
  return {};
}

WallTime ClampMoment(WallTime moment) {
  return std::clamp(moment, kFirstMoment, kLastMoment);
}

Result<WallTime> MomentFromMicros(std::string_view what, std::int64_t micros) {
  const WallTime moment = WallFromMicros(micros);
  if (Status fine = CheckMoment(what, moment); !fine) return fine.error();
  return moment;
}

Result<WallTime> MomentFromMillis(std::string_view what, std::int64_t millis) {
  if (millis > MillisSinceEpoch(kLastMoment)) return Invalid(what, "lies after 2262");
  if (millis < 0) return Invalid(what, "lies before 1970");
  return WallTime(std::chrono::milliseconds(millis));
}

Status CheckText(std::string_view what, std::string_view text, std::size_t max) {
  if (text.size() > max) {
    return Invalid(what, "has more than " + std::to_string(max) + " bytes: shorten it");
  }
  if (!IsUtf8(text)) return Invalid(what, "is not UTF-8");
  return {};
}

Status CheckName(std::string_view what, std::string_view text, std::size_t max) {
  if (Status fine = CheckText(what, text, max); !fine) return fine;
  if (HasControlCharacter(text)) {
    return Invalid(what, "has a control character, such as a line break: leave it out");
  }
  return {};
}

Status CheckTaskNumber(std::string_view what, std::uint64_t number) {
  if (number >= 1 && number <= TaskId::kNumberMax) return {};
  return Invalid(what, "has a number that no task can have: it is from 1 to " +
                           std::to_string(TaskId::kNumberMax));
}

Status CheckNextNumber(std::uint64_t number) {
  if (number <= TaskId::kNumberMax + 1) return {};
  return Invalid("next number", "is beyond all that tasks can have");
}

Status CheckAction(std::string_view action) {
  if (action.empty()) return InvalidArgument("the action is missing: say what the task does");
  return CheckName("action", action, limits::kActionMax);
}

Status CheckDescription(std::string_view description) {
  return CheckText("description", description, limits::kDescriptionMax);
}

Status CheckStatus(std::string_view status_json) {
  if (status_json.empty()) return {};
  if (Status fine = CheckText("status", status_json, limits::kStatusMax); !fine) return fine;
  if (!IsJsonObject(status_json)) return Invalid("status", "is no JSON object");
  return {};
}

Status CheckHeaders(std::span<const Header> headers) {
  if (headers.size() > limits::kHeadersMax) {
    return InvalidArgument("a task has at most " + std::to_string(limits::kHeadersMax) +
                           " headers");
  }
  for (const Header& header : headers) {
    if (header.name.empty()) return InvalidArgument("a header without a name");
    if (Status fine = CheckName("header name", header.name, limits::kHeaderNameMax); !fine) {
      return fine;
    }
    if (Status fine = CheckText("header", header.value, limits::kHeaderValueMax); !fine) {
      return Error{fine.error().code, fine.error().message + " (" + header.name + ")"};
    }
    if (!IsHeaderText(header.value)) {
      return Invalid("header " + header.name, "has a control character: leave it out");
    }
  }
  return {};
}

Status CheckKey(std::string_view key) {
  return CheckName("key", key, limits::kKeyMax);
}

Status CheckPid(std::int32_t pid) {
  if (pid < 0) return InvalidArgument("the pid is negative");
  return {};
}

Status CheckAncestors(std::span<const TaskId> ancestors) {
  if (ancestors.size() > limits::kAncestorsMax) {
    return InvalidArgument("the task has more than " + std::to_string(limits::kAncestorsMax) +
                           " ancestors: start it further up");
  }
  for (const TaskId& id : ancestors) {
    if (Status fine = CheckId("ancestor", id); !fine) return fine;
  }
  return {};
}

Status CheckReason(std::string_view reason) {
  return CheckText("reason", reason, limits::kReasonMax);
}

Status CheckPrincipalName(std::string_view name) {
  return CheckText("principal's name", name, limits::kPrincipalMax);
}

Status CheckGrace(std::chrono::milliseconds grace) {
  if (grace >= std::chrono::milliseconds(0) && grace <= limits::kGraceMax) return {};
  return Invalid(
      "grace",
      "must be from 0 to " + std::to_string(std::chrono::seconds(limits::kGraceMax).count()) + "s");
}

Status CheckNote(std::string_view note) {
  return CheckText("note", note, limits::kNoteMax);
}

Status CheckNodeName(std::string_view name) {
  const bool fine = !name.empty() && name.size() <= limits::kNodeNameMax && name.front() != '_' &&
                    name.find_first_of(",:*") == std::string_view::npos && IsUtf8(name) &&
                    !HasControlCharacter(name);
  if (fine) return {};
  return InvalidArgument(
      "a node's name must have 1 to " + std::to_string(limits::kNodeNameMax) +
      " bytes of UTF-8, not begin with '_', and contain no comma, colon, star or control "
      "character: start it with another --name");
}

Status Check(const TaskView& task) {
  First first;
  first(CheckTaskNumber("task", task.id.number));
  first(CheckName("type", task.type, limits::kActionMax));
  first(CheckAction(task.action));
  first(CheckDescription(task.description));
  first(CheckStatus(task.status_json));
  if (task.cancelled) {
    first("moment of the cancel", task.cancelled_at);
    first(CheckPrincipalName(task.cancelled_by));
    first(CheckReason(task.cancel_reason));
  }
  first("start", task.start_wall);
  if (task.running.count() < 0) first(Invalid("running time", "is negative"));
  if (task.parent) first(CheckId("parent", *task.parent));
  first(CheckHeaders(task.headers));
  first(CheckPid(task.pid));
  first("last check", task.last_check);
  if (task.resources.cpu) first(Check(*task.resources.cpu));
  if (task.resources.memory) first(Check(*task.resources.memory));
  return first.Done();
}

Status Check(const Task& task) {
  First first;
  first(Check(View(task, task.end_mono.value_or(task.start_mono))));
  first(CheckAncestors(task.ancestors));
  if (task.cancel) first(Check(*task.cancel));
  first("end", task.end_wall);
  return first.Done();
}

Status Check(const CancelMark& mark) {
  First first;
  if (mark.intent.is_null()) first(Invalid("cancel", "names no intent"));
  first("moment of the cancel", mark.at);
  first(CheckPrincipalName(mark.by));
  first(CheckReason(mark.reason));
  first(CheckGrace(mark.grace));
  return first.Done();
}

Status Check(const TaskFilter& filter) {
  if (filter.actions.size() > limits::kActionPatternsMax) {
    return InvalidArgument("a filter has at most " + std::to_string(limits::kActionPatternsMax) +
                           " patterns of actions");
  }
  for (const std::string& pattern : filter.actions) {
    Status fine = CheckText("pattern of actions", pattern, limits::kActionPatternMax);
    if (!fine) return fine;
  }
  if (!filter.parent) return {};
  return CheckId("filter's parent", *filter.parent);
}

Status Check(const Intent& intent) {
  First first;
  if (intent.id.is_null()) first(Invalid("intent", "has no id"));
  if (const TaskId* task = intent.task()) first(CheckId("intent's target", *task));
  if (const TaskFilter* filter = intent.filter()) first(Check(*filter));
  first("moment of the intent", intent.requested_at);
  first(CheckPrincipalName(intent.by));
  first(CheckReason(intent.reason));
  first(CheckGrace(intent.grace));
  return first.Done();
}

Status Check(const Receipt& receipt) {
  First first;
  first(CheckId("receipt's task", receipt.task));
  if (receipt.intent.is_null()) first(Invalid("receipt", "names no intent"));
  first("moment of the receipt", receipt.recorded_at);
  first("moment of the delivery", receipt.delivered_at);
  first("moment of the acknowledgement", receipt.acknowledged_at);
  first("moment of the escalation", receipt.escalated_at);
  first("moment of the end", receipt.ended_at);
  first(CheckNote(receipt.note));
  return first.Done();
}

}  // namespace quell
