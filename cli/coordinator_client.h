// What the commands ask of a coordinator, as values. Speaks HTTP only.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/host_load.h"
#include "core/limits.h"
#include "core/result.h"
#include "transport/http/client.h"

namespace quell::cli {

// What a task has used, as its program reported it; absent: not measured.
struct ResourceEntry {
  std::optional<std::int64_t> cpu_nanos;
  std::optional<std::int64_t> memory_bytes;       // Now, or at its last report.
  std::optional<std::int64_t> memory_most_bytes;  // Of one task alone.
};

struct TaskEntry {
  std::string node;  // Its id...
  std::string node_name;
  std::uint64_t number = 0;
  std::string action;
  std::string description;
  std::string status_json;  // Empty: none.
  std::string parent;       // Empty: none.
  std::int64_t start_millis = 0;
  std::int64_t running_nanos = 0;
  bool cancellable = false;
  bool cancelled = false;  // Its node has recorded a cancel; it may well run on.
  std::optional<std::int64_t> cancelled_millis;
  // Of a list with ended tasks.
  std::string state;  // As docs/glossary.md lists them; empty: not said.
  std::optional<std::int64_t> ended_millis;
  std::string cancelled_by;
  std::string cancel_reason;
  ResourceEntry resources;

  std::string id() const { return node + ":" + std::to_string(number); }
};

struct FailureEntry {
  std::string node;
  std::string cause;  // As the native API names it: "no_such_node", "no_answer", ...
  std::string reason;
};

// An answer of a fan-out: every selected node is in it once.
struct Answer {
  std::vector<TaskEntry> tasks;  // By node name, then number.
  std::vector<FailureEntry> failures;
  std::string coverage;   // "selected=3 answered=2 failed=1"; empty if the server did not say.
  std::string operation;  // Of a cancel that is committed: its id.
  bool known = false;     // Of a cancel: the same one had been recorded before.
};

// What became of a cancel of one task. Times in milliseconds since 1970.
struct ReceiptEntry {
  std::string intent;
  std::string state;
  std::optional<std::int64_t> recorded;
  std::optional<std::int64_t> delivered;
  std::optional<std::int64_t> acknowledged;
  std::optional<std::int64_t> escalated;
  std::optional<std::int64_t> ended;
  std::string note;
};

struct OneTask {
  TaskEntry task;
  bool ended = false;
  bool detached = false;
  std::int64_t pid = 0;  // 0: none.
  std::int64_t uid = 0;
  std::string on_parent_lost;
  std::optional<std::int64_t> last_check;  // Milliseconds since 1970.
  std::optional<ReceiptEntry> receipt;
  std::string raw;  // The whole answer.
};

// One task that was waited for.
struct WaitedTask {
  enum class Result { kEnded, kRunning, kUnknown };
  std::string id;
  std::string node_name;  // Empty: its node is not a member.
  Result result = Result::kUnknown;
  OneTask one;             // Unless it is unknown.
  std::string error_type;  // If it is unknown: a code of docs/errors.md...
  std::string reason;      // ...and in words.

  // Nobody will know more later: its node, or its node's record of it, is gone.
  bool final_unknown() const { return result == Result::kUnknown && error_type == "not_found"; }
};

struct NodeEntry {
  std::string id;
  std::string name;
  std::string address;
  bool alive = false;
  std::string state;  // "alive", "stopped", "silent", "not_joined"; empty: not said.
  std::optional<std::int64_t> since_millis;  // Since when it is away.
  bool draining = false;
  std::optional<std::uint64_t> live_tasks;
  bool is_self = false;
  std::uint64_t pending = 0;  // Cancels that it has not acknowledged.
  // Its cancelled tasks that ran on too long; absent: it does not say.
  std::optional<std::uint64_t> overdue;        // Those that still do...
  std::optional<std::uint64_t> overdue_total;  // ...of so many since it started.
  HostLoad load;
};

// A node is to run empty, to take tasks again, or to leave the fleet.
struct DrainCall {
  enum class What { kDrain, kTakeAgain, kLeave };
  std::string node;  // Its id.
  What what = What::kDrain;
  std::optional<std::chrono::milliseconds> wait;  // Until nothing lives there, at most so long.
};

struct DrainEntry {
  std::string name;
  bool draining = false;
  bool left = false;
  std::uint64_t live = 0;        // Tasks that live there.
  std::vector<TaskEntry> tasks;  // The first of them.
};

// What was given up with a node.
struct ForgottenEntry {
  std::string name;
  std::uint64_t pending = 0;                // Cancels that it had not acknowledged.
  std::optional<std::uint64_t> live_tasks;  // As it last said.
};

// Which tasks. Empty members say nothing.
struct Selection {
  std::vector<std::string> nodes;
  std::vector<std::string> actions;
  std::string parent;
};

struct CancelTerms {
  std::string reason;
  std::optional<std::chrono::milliseconds> grace;
};

// The bodies. Errors: kInternal (not what a coordinator answers).
Result<Answer> ParseAnswer(std::string_view json);
// With ended tasks.
Result<Answer> ParseHistory(std::string_view json);
Result<OneTask> ParseOneTask(std::string_view json);
Result<std::vector<WaitedTask>> ParseWaited(std::string_view json);
Result<std::vector<NodeEntry>> ParseNodes(std::string_view json);
Result<DrainEntry> ParseDrain(std::string_view json);
Result<ForgottenEntry> ParseForgotten(std::string_view json);
// "?nodes=a%2Cb&actions=...", or nothing.
std::string QueryOf(const Selection& selection, const CancelTerms& terms, bool detailed);

// Blocking, thread-safe. A call is given up when the first byte of its answer has not come within
// kAnswerLimit. Errors: kUnavailable (nobody was reached: it names the address and the remedy),
// kDeadlineExceeded (no answer to a call that changes nothing), kOutcomeUnknown (no answer to one
// that does), and what the server reports: kInvalidArgument 400, kPermissionDenied 401 and 403,
// kNotFound 404, kFailedPrecondition 409, kResourceExhausted 429 and 507, of 503 what its type
// says, else kInternal; the message is the server's.
class CoordinatorClient {
 public:
  // Twice what a coordinator waits for its nodes, unless it is told to wait longer.
  static constexpr std::chrono::milliseconds kAnswerLimit = 2 * limits::kNodeDeadline;

  // Errors: kInvalidArgument.
  static Result<CoordinatorClient> Make(const std::string& address);

  // Requests to the coordinator are tasks too: they are left out unless actions are chosen.
  Result<Answer> List(const Selection& selection) const;
  // Those that ended within `since` too.
  Result<Answer> ListAll(const Selection& selection, std::chrono::milliseconds since) const;
  Result<OneTask> Get(const std::string& id) const;
  // At most limits::kAwaitIdsMax tasks; as they are when all have ended or `wait` is over.
  Result<std::vector<WaitedTask>> Wait(const std::vector<std::string>& ids,
                                       std::chrono::milliseconds wait) const;
  Result<Answer> Cancel(const std::string& id, const CancelTerms& terms) const;
  Result<Answer> CancelMatching(const Selection& selection, const CancelTerms& terms) const;
  Result<std::vector<NodeEntry>> Nodes() const;
  Result<ForgottenEntry> Forget(const std::string& node) const;
  // A node that does not leave because something lives there is no error.
  Result<DrainEntry> Drain(const DrainCall& call) const;

 private:
  explicit CoordinatorClient(http::Address address) : address_(std::move(address)) {}
  // `wait`: how long the server may take beyond the usual.
  Result<http::Response> Send(http::Method method, std::string target, std::vector<Header> headers,
                              std::chrono::milliseconds wait) const;
  // As above, and a status that is not 2xx is an error.
  Result<http::Response> Call(http::Method method, std::string target,
                              std::vector<Header> headers = {},
                              std::chrono::milliseconds wait = {}) const;

  http::Address address_;
};

}  // namespace quell::cli
