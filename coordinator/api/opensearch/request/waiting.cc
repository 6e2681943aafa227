#include "coordinator/api/opensearch/request/waiting.h"

#include <algorithm>
#include <string>
#include <utility>

#include "coordinator/fan_out/failures.h"
#include "core/limits.h"

namespace quell::opensearch {
namespace {

std::string TimedOut(const std::string& what) {
  return "Timed out waiting for completion of [" + what + "]";
}

void ReadTimeout(Params& params, Profile profile, Wait& wait) {
  const std::optional<std::chrono::nanoseconds> timeout = params.Duration("timeout");
  wait.told = timeout.has_value();
  wait.timeout = timeout.value_or(wait.wanted ? limits::kWaitDefault : limits::kNodeDeadline);
  const std::chrono::seconds most = wait.wanted ? std::chrono::seconds(limits::kWaitMax)
                                                : std::chrono::seconds(limits::kNodeDeadlineMax);
  if (profile == Profile::kStrict) {
    // A node must have the time to say what it knows.
    wait.timeout = std::clamp<std::chrono::nanoseconds>(
        wait.timeout,
        wait.told && wait.wanted ? std::chrono::milliseconds(50) : std::chrono::milliseconds(1),
        most);
  } else if (wait.timeout <= std::chrono::nanoseconds(0) || wait.timeout > most) {
    params.Fail("[timeout] must be more than [0] and at most [" + std::to_string(most.count()) +
                "s] but was [" + params.Text("timeout") + "]");
  }
}

}  // namespace

Wait ReadWait(Params& params, Profile profile) {
  Wait wait;
  wait.wanted = params.Bool("wait_for_completion", false);
  ReadTimeout(params, profile, wait);
  return wait;
}

Wait ReadWaitOnly(Params& params) {
  Wait wait;
  wait.wanted = params.Bool("wait_for_completion", false);
  wait.timeout = wait.wanted ? std::chrono::seconds(limits::kWaitMax)
                             : std::chrono::seconds(limits::kNodeDeadline);
  return wait;
}

Wait ReadTimeoutOnly(Params& params, Profile profile) {
  Wait wait;
  ReadTimeout(params, profile, wait);
  return wait;
}

std::shared_ptr<RequestContext> ContextOf(const ExchangePtr& exchange, const Wait& wait) {
  if (!wait.wanted) return nullptr;
  auto context = std::make_shared<RequestContext>();
  exchange->OnGone([context] { context->Leave(); });
  return context;
}

void FailWhatRanOut(Gathered& gathered, const Wait& wait) {
  const std::string_view action = gathered.intent ? kCancelAction : kListAction;
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(wait.timeout);
  for (std::size_t i = 0; i < gathered.slots.size(); ++i) {
    Slot& slot = gathered.slots[i];
    const auto* await = slot.reply ? std::get_if<AwaitReply>(&*slot.reply) : nullptr;
    if (await == nullptr || await->running == 0) continue;
    if (wait.told) {
      slot.failure = FailureOf(*slot.node, {}, action,
                               {ErrorCode::kDeadlineExceeded,
                                "request_id [" + std::to_string(i + 1) + "] timed out after [" +
                                    std::to_string(millis.count()) + "ms]"});
    } else {
      slot.failure = WaitRanOut(*slot.node, TimedOut(std::to_string(await->running) + " tasks"));
    }
    slot.reply.reset();
    slot.sink.reset();
  }
  gathered.running = 0;
}

Problem RanOut(const TaskIdText& id) {
  Problem problem;
  problem.status = 504;
  problem.type = "timeout_exception";
  problem.reason = TimedOut(id.ToString());
  return problem;
}

void AddWaitHeader(std::vector<Header>& headers, const Wait& wait, std::uint64_t running) {
  if (wait.wanted) headers.push_back({"Quell-Wait", "running=" + std::to_string(running)});
}

}  // namespace quell::opensearch
