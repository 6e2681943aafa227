#include "coordinator/opensearch/waiting.h"

#include <string>
#include <utility>

#include "coordinator/failures.h"
#include "core/limits.h"

namespace quell::opensearch {
namespace {

NodeFailure FailureOf(const NodeInfo& node, std::string_view action, const std::string& what,
                      const Wait& wait) {
  if (!wait.told) {
    return {node.id.ToString(), "timeout_exception",
            "Timed out waiting for completion of [" + what + "]"};
  }
  const auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(wait.timeout);
  return quell::FailureOf(
      node, true, action,
      {ErrorCode::kDeadlineExceeded, "timed out after [" + std::to_string(millis.count()) + "ms]"});
}

void ReadTimeout(Params& params, Wait& wait) {
  const std::optional<std::chrono::nanoseconds> timeout = params.Duration("timeout");
  wait.told = timeout.has_value();
  wait.timeout = timeout.value_or(wait.wanted ? limits::kWaitDefault : limits::kNodeDeadline);
  const std::chrono::seconds most = wait.wanted ? std::chrono::seconds(limits::kWaitMax)
                                                : std::chrono::seconds(limits::kNodeDeadlineMax);
  if (wait.timeout <= std::chrono::nanoseconds(0) || wait.timeout > most) {
    params.Fail("[timeout] must be more than [0] and at most [" + std::to_string(most.count()) +
                "s] but was [" + params.Text("timeout") + "]");
  }
}

}  // namespace

Wait ReadWait(Params& params) {
  Wait wait;
  wait.wanted = params.Bool("wait_for_completion", false);
  ReadTimeout(params, wait);
  return wait;
}

Wait ReadWaitOnly(Params& params) {
  Wait wait;
  wait.wanted = params.Bool("wait_for_completion", false);
  wait.timeout = wait.wanted ? std::chrono::seconds(limits::kWaitMax)
                             : std::chrono::seconds(limits::kNodeDeadline);
  return wait;
}

Wait ReadTimeoutOnly(Params& params) {
  Wait wait;
  ReadTimeout(params, wait);
  return wait;
}

std::shared_ptr<Caller> CallerOf(const ExchangePtr& exchange, const Wait& wait) {
  if (!wait.wanted) return nullptr;
  auto caller = std::make_shared<Caller>();
  exchange->OnGone([caller] { caller->Leave(); });
  return caller;
}

void FailWhatRanOut(Gathered& gathered, const Wait& wait) {
  for (Slot& slot : gathered.slots) {
    if (!slot.reply) continue;
    const auto* await = std::get_if<AwaitReply>(&*slot.reply);
    if (await == nullptr || await->running == 0) continue;
    slot.failure = FailureOf(*slot.node, gathered.intent ? kCancelAction : kListAction,
                             std::to_string(await->running) + " tasks", wait);
    slot.reply.reset();
    slot.sink.reset();
  }
  gathered.running = 0;
}

Problem RanOut(const GetAnswer& answer, const TaskIdText& id, const Wait& wait) {
  NodeFailure failure = FailureOf(answer.node, kGetAction, id.ToString(), wait);
  Problem problem;
  problem.status = wait.told ? 500 : 504;
  problem.type = std::move(failure.cause_type);
  problem.reason = std::move(failure.cause_reason);
  return problem;
}

void AddWaitHeader(std::vector<Header>& headers, const Wait& wait, std::uint64_t running) {
  if (wait.wanted) headers.push_back({"Quell-Wait", "running=" + std::to_string(running)});
}

}  // namespace quell::opensearch
