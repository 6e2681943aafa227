// Tasks, nodes, failures and answers in OpenSearch's JSON. A node's tasks are rendered where they
// arrive, each node's into a buffer of its own; an answer is put together from the buffers.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "coordinator/api/opensearch/request/profile.h"
#include "coordinator/coordinator.h"
#include "coordinator/http/held_sink.h"
#include "transport/http/json_writer.h"

namespace quell::opensearch {

// What of a task is shown.
enum class TaskShape : std::uint8_t {
  kPlain,         // A list; a cancel in the strict profile.
  kDetailed,      // With description, status and resource_stats.
  kEnded,         // As kDetailed, of what has ended: the strict profile has no resource_stats then.
  kCancelAnswer,  // The documented one: with description and "status": "cancelled".
};

struct TaskLook {
  TaskShape shape = TaskShape::kPlain;
  bool human = false;  // Times and durations also for people.
  // Strict shows `cancellation_time` as a duration, and zeros where nothing is measured.
  Profile profile = Profile::kDocumented;
};

// A status goes in as it is: whoever brings a TaskView has made sure that it is a JSON object.
void RenderTask(http::JsonWriter& json, const TaskView& task, const TaskLook& look);

// One node's tasks as a JSON object by id.
class TasksObject final : public HeldSink {
 public:
  explicit TasksObject(TaskLook look, std::shared_ptr<http::HeldBytes> held = nullptr)
      : HeldSink(std::move(held)), look_(look) {
    json_.BeginObject();
  }
  void OnTasks(std::span<const TaskView> page) override;

  std::size_t count() const { return count_; }
  std::size_t size() const { return text_.size(); }
  std::uint64_t last() const { return last_; }  // The number of the last one; 0: there is none.
  // The object, whole. Once.
  const std::string& Close();

 private:
  const TaskLook look_;
  std::string text_;
  http::JsonWriter json_{text_};
  std::size_t count_ = 0;
  std::uint64_t last_ = 0;
};

// How a task has ended.
struct TaskEnd {
  TaskState state = TaskState::kRunning;
  std::string cancel_reason;
  std::chrono::nanoseconds ran{0};
};

// What stands beside an ended `task`. `error`, an object with type and reason, for what failed,
// expired, was lost or was never taken. In the strict profile `response` for what a cancel has
// stopped, in the form of the by-query requests, whose `canceled` clients read.
void RenderEnd(http::JsonWriter& json, const TaskEnd& end, Profile profile);

// One task, in both shapes: whether it has ended is known only after it was received.
class OneTask final : public TaskSink {
 public:
  // `look.shape` is not looked at.
  explicit OneTask(TaskLook look) : look_(look) {}
  void OnTasks(std::span<const TaskView> page) override;
  const std::string& live() const { return live_; }
  const std::string& ended() const { return ended_; }
  const TaskEnd& end() const { return end_; }

 private:
  const TaskLook look_;
  std::string live_;
  std::string ended_;
  TaskEnd end_;
};

// The value of `resource_stats`. What was not measured is left out, and zero in the strict profile.
void RenderResourceStats(http::JsonWriter& json, const ResourceUse& use, Profile profile);

void RenderFailure(http::JsonWriter& json, const NodeFailure& failure);
// The type of the failure of a task that its node reported in a form that cannot be read.
inline constexpr std::string_view kUnreadableTask = "transport_serialization_exception";

// The key task_failures and its array, if a task failed or a cancel has spared one; the key
// node_failures and its array, in the strict profile only if a node failed; then
// "timed_out": true, if a wait ran out.
void RenderFailures(http::JsonWriter& json, const Gathered& gathered, Profile profile);
// name, transport_address, host, ip, roles and attributes, within an object that is open.
void RenderNodeFields(http::JsonWriter& json, const NodeInfo& node, Profile profile);

// {"node_failures":[...],"nodes":{...}}; the sinks of the slots are TasksObjects. In the documented
// profile a node of which tasks were omitted is marked "incomplete": true.
std::string RenderGathered(const Gathered& gathered, Profile profile);

// "selected=3 answered=2 failed=1"
std::string Coverage(std::size_t selected, std::size_t failed);

}  // namespace quell::opensearch
