#include "node/membership/drain.h"

#include <utility>
#include <vector>

#include "core/limits.h"

namespace quell {

// One turn: nothing can be registered between the look and the goodbye.
void Drain::OnRequest(const DrainRequest& request, std::shared_ptr<ReplyWriter> writer) {
  if (registrar_.intake() != Intake::kNone) {
    registrar_.SetIntake(request.off ? Intake::kAll : Intake::kDraining);
  }
  DrainReply reply;
  reply.live = registry_.size() + registrar_.under_way() + handoff_.size();
  if (request.leave && !request.off && reply.live == 0 &&
      registrar_.intake() == Intake::kDraining) {
    registrar_.SetIntake(Intake::kNone);
    context_.executor.Post(context_.lifetime.Guard([this] { leave_(); }));
  }
  reply.draining = registrar_.intake() != Intake::kAll;
  reply.leaving = registrar_.intake() == Intake::kNone;
  TaskQueries::Selection live;
  registry_.Scan(0, [&live](const LiveTask& task) {
    live.numbers.push_back(task.task.id.number);
    return live.numbers.size() < limits::kDrainShown;
  });
  live.detailed = true;
  queries_.Show(
      std::move(live), [reply](std::uint64_t) { return reply; }, std::move(writer));
}

}  // namespace quell
