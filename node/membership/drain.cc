#include "node/membership/drain.h"

#include <utility>
#include <vector>

#include "core/limits.h"

namespace quell {

// One turn: nothing can be registered between the look and the goodbye.
void Drain::OnRequest(const DrainRequest& request, std::shared_ptr<ReplyWriter> writer) {
  if (state_.intake != Intake::kNone) {
    state_.intake = request.off ? Intake::kAll : Intake::kDraining;
  }
  DrainReply reply;
  reply.live = state_.registry.size() + registrar_.under_way() + handoff_.size();
  if (request.leave && !request.off && reply.live == 0 && state_.intake == Intake::kDraining) {
    state_.intake = Intake::kNone;
    state_.executor.Post(state_.lifetime.Guard([this] { leave_(); }));
  }
  reply.draining = state_.intake != Intake::kAll;
  reply.leaving = state_.intake == Intake::kNone;
  TaskQueries::Selection live;
  state_.registry.Scan(0, [&live](const LiveTask& task) {
    live.numbers.push_back(task.task.id.number);
    return live.numbers.size() < limits::kDrainShown;
  });
  live.detailed = true;
  queries_.Show(
      std::move(live), [reply](std::uint64_t) { return reply; }, std::move(writer));
}

}  // namespace quell
