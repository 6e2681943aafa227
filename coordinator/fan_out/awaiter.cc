#include "coordinator/fan_out/awaiter.h"

#include <map>
#include <utility>

#include "coordinator/fan_out/failures.h"
#include "coordinator/fan_out/fan_out.h"
#include "coordinator/fan_out/waiting.h"
#include "core/limits.h"

namespace quell {
namespace {

Error NoSuchMember(const TaskIdText& id) {
  return {ErrorCode::kNotFound, "the node [" + id.node +
                                    "] is not a member: it was forgotten, has left, or never "
                                    "joined; whether its task runs is not known"};
}

Error NoRecord(const TaskIdText& id) {
  return {ErrorCode::kNotFound, "the node has no record of the task [" + id.ToString() +
                                    "]: it never was, or ended too long ago"};
}

Error OwnRequest(const TaskIdText& id) {
  return {ErrorCode::kFailedPrecondition,
          "task [" + id.ToString() + "] is a request to this coordinator, which is not waited for"};
}

}  // namespace

struct Awaiter::Operation {
  AwaitQuery query;
  TaskSinkFactory sinks;
  std::function<void(Result<std::vector<AwaitedTask>>)> done;
  std::vector<AwaitedTask> tasks;
  std::vector<std::optional<TaskId>> targets;  // Where there is a node to ask.
};

Awaiter::Awaiter(const CoordinatorServices& services, NodeAsks& asks, const MemberTable& members)
    : services_(services), asks_(asks), members_(members) {}

void Awaiter::Await(AwaitQuery query, TaskSinkFactory sinks,
                    std::function<void(Result<std::vector<AwaitedTask>>)> done) {
  auto op = std::make_shared<Operation>();
  op->query = std::move(query);
  op->sinks = std::move(sinks);
  op->done = std::move(done);
  for (const TaskIdText& id : op->query.ids) {
    AwaitedTask& task = op->tasks.emplace_back();
    task.id = id;
    std::optional<TaskId>& target = op->targets.emplace_back();
    const Member* member = members_.FindPresent(id.node);
    if (member == nullptr) {
      task.unknown = NoSuchMember(id);
      continue;
    }
    task.node_name = member->info.name;
    if (member->is_self) {
      task.unknown = OwnRequest(id);
    } else if (target = id.Resolve(); !target) {
      task.unknown = NoRecord(id);
    }
  }
  if (op->query.wait > MonoClock::duration::zero()) return WaitForEnds(op);
  LookAtEach(op);
}

// Each node is asked once, for all of its tasks.
void Awaiter::WaitForEnds(const Op& op) {
  std::map<NodeId, std::vector<std::size_t>> by_node;
  for (std::size_t i = 0; i < op->targets.size(); ++i) {
    if (op->targets[i]) by_node[op->targets[i]->node].push_back(i);
  }
  std::vector<FanOutSlot> slots;
  std::vector<std::vector<std::size_t>> asked;
  const auto limit = std::chrono::duration_cast<std::chrono::microseconds>(op->query.wait);
  for (auto& [node, indices] : by_node) {
    const Member* member = members_.Find(node);
    FanOutSlot& slot = slots.emplace_back();
    slot.slot.node = member->info;
    slot.standing = members_.StandingOf(*member, services_.executor.clock());
    std::vector<std::uint64_t> numbers;
    for (const std::size_t i : indices)
      numbers.push_back(op->targets[i]->number);
    slot.request = AwaitRequest{std::move(numbers), false, false, limit};
    asked.push_back(std::move(indices));
  }
  const MonoTime deadline = services_.executor.clock().Now() + op->query.wait + limits::kWaitMargin;
  GiveUpWith(
      op->query.context,
      FanOut(services_.executor, asks_, kGetAction, std::move(slots), deadline,
             lifetime_.Guard([this, op, asked = std::move(asked)](const std::vector<Slot>& waited) {
               for (std::size_t node = 0; node < waited.size(); ++node) {
                 if (!waited[node].failure) continue;
                 for (const std::size_t i : asked[node]) {
                   op->tasks[i].unknown = ErrorOf(*waited[node].failure);
                   op->targets[i].reset();
                 }
               }
               LookAtEach(op);
             })));
}

// That the wait is over says nothing of one task: each is looked at.
void Awaiter::LookAtEach(const Op& op) {
  std::vector<FanOutSlot> slots;
  std::vector<std::size_t> asked;
  for (std::size_t i = 0; i < op->targets.size(); ++i) {
    if (!op->targets[i]) continue;
    const Member* member = members_.Find(op->targets[i]->node);
    if (member == nullptr || member->left) {  // It went while its tasks were waited for.
      op->tasks[i].unknown = NoSuchMember(op->tasks[i].id);
      continue;
    }
    FanOutSlot& slot = slots.emplace_back();
    slot.slot.node = member->info;
    slot.slot.sink = op->sinks(member->info);
    slot.standing = members_.StandingOf(*member, services_.executor.clock());
    slot.request = GetRequest{op->targets[i]->number};
    asked.push_back(i);
  }
  FanOut(services_.executor, asks_, kGetAction, std::move(slots),
         services_.executor.clock().Now() + limits::kNodeDeadline,
         lifetime_.Guard([op, asked = std::move(asked)](std::vector<Slot> looked) {
           for (std::size_t at = 0; at < looked.size(); ++at) {
             AwaitedTask& task = op->tasks[asked[at]];
             Slot& slot = looked[at];
             if (slot.failure) {
               Error error = ErrorOf(*slot.failure);
               task.unknown =
                   error.code == ErrorCode::kNotFound ? NoRecord(task.id) : std::move(error);
               continue;
             }
             GetReply& reply = std::get<GetReply>(*slot.reply);
             task.ended = reply.ended;
             task.receipt = std::move(reply.receipt);
             task.sink = std::move(slot.sink);
           }
           op->done(std::move(op->tasks));
         }));
}

}  // namespace quell
