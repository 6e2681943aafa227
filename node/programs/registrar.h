// Registers tasks: checks them, waits for numbers, then adds them and marks those that are born
// cancelled, in one critical section with node/cancels/intent_applier.h for each task. Small
// requests pass through in one turn; large ones in pieces, with nothing registered before all of
// them are sure to be.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/principal.h"
#include "core/task_id_allocator.h"
#include "node/cancels/intent_applier.h"
#include "node/cancels/tombstones.h"
#include "node/journal/journal.h"
#include "node/programs/parent_loss_policy.h"
#include "node/programs/process_watch.h"
#include "node/programs/program_messages.h"
#include "node/programs/programs.h"
#include "node/programs/sessions.h"
#include "node/tasks/live_task_writer.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_lifecycle.h"

namespace quell {

// Which tasks the node takes.
enum class Intake : std::uint8_t {
  kAll,
  kDraining,  // Those that belong to what lives here: they come back, or their parent lives.
  kNone,      // It leaves the fleet.
};

// Not thread-safe: on the node's executor.
class Registrar {
 public:
  using Done = std::function<void(Result<RegisterReply>)>;

  Registrar(const NodeContext& context, Journal& journal, Registry& registry,
            TaskIdAllocator& numbers, Tombstones& tombstones, Sessions& sessions,
            ProcessWatch& processes, TaskLifecycle& lifecycle, IntentApplier& applier,
            Programs& programs, ParentLossPolicy& parent_loss, LiveTaskWriter& writer)
      : context_(context),
        journal_(journal),
        registry_(registry),
        numbers_(numbers),
        tombstones_(tombstones),
        sessions_(sessions),
        processes_(processes),
        lifecycle_(lifecycle),
        applier_(applier),
        programs_(programs),
        parent_loss_(parent_loss),
        writer_(writer) {}

  // As Node::Register().
  void Register(RegisterRequest request, const Principal& who, Done done);
  // Registrations that have neither been answered nor refused.
  std::size_t under_way() const { return under_way_; }
  // Which tasks are taken: all, unless somebody has said otherwise since the start.
  Intake intake() const { return intake_; }
  void SetIntake(Intake intake) { intake_ = intake; }

 private:
  struct Plan;
  struct Registration;
  using Shared = std::shared_ptr<Registration>;

  Status CheckRequest(const RegisterRequest& request, const Principal& who) const;
  void CheckTasks(const Shared& registration);
  Status CheckTask(Registration& registration, const NewTask& task, Plan& plan);
  Status CheckIntake(const NewTask& task, const Plan& plan) const;
  Status CheckStart(const NewTask& task) const;
  Status CheckResume(Registration& registration, const NewTask& task, Plan& plan);
  Status CheckKey(Registration& registration, const NewTask& task, Plan& plan);
  static Status CheckAdopt(const Registration& registration, const LiveTask& live);
  Status PlanChain(Registration& registration, const NewTask& task, Plan& plan) const;
  // What becomes of a task whose parent this node should know and does not.
  static Status LeaveParent(Registration& registration, const NewTask& task, Plan& plan);
  std::int32_t FindPid(Registration& registration, std::int32_t pid);
  Status CheckProcess(Registration& registration, const NewTask& task, const Plan& plan);
  // The live task lives by this process, and it has ended.
  bool HasEnded(std::uint64_t number, std::int32_t pid) const;
  void LookUp(const Shared& registration);
  void OnFound(const Shared& registration, std::size_t index, const Result<Task>& found);
  Status TakeFound(Registration& registration, std::size_t index, const Result<Task>& found);
  Status Reserve(Registration& registration);
  void TakeNumbers(const Shared& registration);
  void Admit(const Shared& registration);
  std::optional<BootTime> StartOf(const NewTask& task) const;
  void AdmitOne(Registration& registration, std::size_t index);
  void Adopt(Registration& registration, std::size_t index);
  void Answer(const Shared& registration);
  void Fail(const Shared& registration, const Error& error);
  void Release(Registration& registration);
  void Post(const Shared& registration, void (Registrar::*step)(const Shared&));

  const NodeContext& context_;
  Journal& journal_;
  Registry& registry_;
  TaskIdAllocator& numbers_;
  Tombstones& tombstones_;
  Sessions& sessions_;
  ProcessWatch& processes_;
  TaskLifecycle& lifecycle_;
  IntentApplier& applier_;
  Programs& programs_;
  ParentLossPolicy& parent_loss_;
  LiveTaskWriter& writer_;
  Intake intake_ = Intake::kAll;
  std::size_t under_way_ = 0;
  std::size_t planned_ = 0;                          // Tasks that are sure to be added.
  std::map<std::uint32_t, std::size_t> planned_of_;  // By uid.
  std::set<std::uint64_t> resuming_;
  std::set<std::pair<std::uint32_t, std::string>> registering_;  // By uid and key.
};

}  // namespace quell
