#include "tests/sim/operators.h"

#include <utility>

#include "core/limits.h"

namespace quell::sim {

using namespace std::chrono_literals;

namespace {

// Keeps what one slot showed.
class Collector final : public TaskSink {
 public:
  void OnTasks(std::span<const TaskView> page) override {
    for (const TaskView& view : page)
      tasks.emplace_back(view);
  }
  std::vector<SeenTask> tasks;
};

TaskSinkFactory Collectors() {
  return [](const NodeInfo&) { return std::make_shared<Collector>(); };
}

std::vector<SeenTask> TasksOf(const std::shared_ptr<TaskSink>& sink) {
  return sink ? static_cast<const Collector&>(*sink).tasks : std::vector<SeenTask>();
}

std::vector<std::vector<SeenTask>> TasksOf(const Result<Gathered>& answer) {
  std::vector<std::vector<SeenTask>> tasks;
  if (!answer) return tasks;
  for (const Slot& slot : answer->slots)
    tasks.push_back(TasksOf(slot.sink));
  return tasks;
}

}  // namespace

Operators::Operators(World& world, Truth& truth, CoordinatorHost& coordinator,
                     const std::vector<std::unique_ptr<NodeHost>>& nodes)
    : world_(world),
      truth_(truth),
      coordinator_(coordinator),
      nodes_(nodes),
      dice_(world.dice.Fork()) {}

void Operators::Start() {
  AskAndGoOn();
}

void Operators::AskAndGoOn() {
  world_.scheduler.After(dice_.Between(10ms, 500ms), [this] {
    if (world_.calm) return;
    AskSomething();
    AskAndGoOn();
  });
}

Request Operators::Fresh(Request::Kind kind) {
  Request request;
  request.number = next_++;
  request.kind = kind;
  if (kind == Request::Kind::kCancelTask || kind == Request::Kind::kCancelMatching) {
    request.reason = "request " + std::to_string(request.number);
  }
  return request;
}

TaskIdText Operators::SomeTask() {
  const TrueTask* task = truth_.Any(dice_);
  for (int tries = 0; world_.config.families && tries < 4; ++tries) {
    if (task != nullptr && !task->may_have_ended()) break;
    task = truth_.Any(dice_);
  }
  TaskIdText text;
  text.unset = false;
  text.number = 4711;
  text.node = dice_.Percent(50) ? "nobody" : nodes_[0]->id().ToString();
  if (task != nullptr && !dice_.Percent(5)) {
    text.node = task->id.node.ToString();
    text.number = static_cast<std::int64_t>(task->id.number);
  }
  return text;
}

void Operators::Choose(Request& request) {
  constexpr const char* kPatterns[] = {"*", "build:*", "test:unit", "*:l*", "backup", "nothing"};
  if (dice_.Percent(70)) request.filter.actions.push_back(kPatterns[dice_.Below(6)]);
  if (dice_.Percent(20)) request.filter.actions.push_back(kPatterns[dice_.Below(6)]);
  if (dice_.Percent(15)) {
    if (const TrueTask* parent = truth_.Any(dice_)) request.filter.parent = parent->id;
  }
  const std::size_t tokens = dice_.Percent(50) ? 0 : 1 + dice_.Below(3);
  for (std::size_t i = 0; i < tokens; ++i) {
    const NodeHost& some = *nodes_[dice_.Below(nodes_.size())];
    const std::string all[] = {
        some.name(), some.id().ToString(), "_all", "_local", "node*", "*1", "nobody", "*"};
    request.nodes.tokens.push_back(all[dice_.Below(std::size(all))]);
  }
  request.nodes.unknown_token_fails = dice_.Percent(50);
}

void Operators::AskSomething() {
  const MonoClock::duration timeout =
      dice_.Percent(20) ? dice_.Between(1ms, 50ms) : dice_.Between(50ms, 4s);
  const std::size_t what = dice_.Below(100);
  if (what < 40) {
    Request request = Fresh(Request::Kind::kList);
    Choose(request);
    request.detailed = dice_.Percent(50);
    request.wait = dice_.Percent(25);
    List(std::move(request), timeout, nullptr);
  } else if (what < 45) {
    Request request = Fresh(Request::Kind::kAwait);
    for (std::size_t i = 1 + dice_.Below(3); i > 0; --i)
      request.awaited.push_back(SomeTask());
    Await(std::move(request), dice_.Percent(50) ? 0ms : timeout);
  } else if (what < 57) {
    Request request = Fresh(Request::Kind::kGet);
    request.id = SomeTask();
    request.wait = dice_.Percent(25);
    Get(std::move(request), timeout);
  } else if (what < (world_.config.families ? 97u : 80u)) {
    // In families rarely by filter: that would catch what a cancel by id has missed.
    Request request = Fresh(Request::Kind::kCancelTask);
    request.id = SomeTask();
    request.wait = dice_.Percent(25);
    Cancel(std::move(request), timeout, false);
  } else {
    Request request = Fresh(Request::Kind::kCancelMatching);
    Choose(request);
    request.wait = dice_.Percent(25);
    Cancel(std::move(request), timeout, false);
  }
}

std::shared_ptr<RequestContext> Operators::SomeCaller(bool wait, MonoClock::duration timeout) {
  if (!wait || dice_.Percent(50)) return nullptr;
  auto context = std::make_shared<RequestContext>();
  coordinator_.At(world_.now() + dice_.Between(0ms, timeout), [context] { context->Leave(); });
  return context;
}

void Operators::List(Request asked, MonoClock::duration timeout,
                     std::function<void(const Gathered&, std::vector<SeenTask>)> done) {
  coordinator_.Call([this, asked = std::move(asked), timeout,
                     done = std::move(done)](Coordinator& coordinator) mutable {
    asked.deadline = world_.now() + timeout;
    Request& request = truth_.Open(std::move(asked));
    ListQuery query{request.nodes, request.filter, request.detailed};
    query.wait = request.wait;
    query.context = SomeCaller(request.wait, timeout);
    coordinator.List(std::move(query), timeout, Collectors(),
                     [this, &request, done = std::move(done)](const Result<Gathered>& answer) {
                       const auto slots = TasksOf(answer);
                       truth_.Answered(request, answer, slots);
                       if (!answer || !done) return;
                       std::vector<SeenTask> all;
                       for (const auto& slot : slots)
                         all.insert(all.end(), slot.begin(), slot.end());
                       done(*answer, std::move(all));
                     });
  });
}

void Operators::Get(Request asked, MonoClock::duration timeout) {
  coordinator_.Call([this, asked = std::move(asked), timeout](Coordinator& coordinator) mutable {
    asked.deadline = world_.now() + timeout;
    Request& request = truth_.Open(std::move(asked));
    coordinator.Get({request.id, request.wait, SomeCaller(request.wait, timeout)}, timeout,
                    Collectors(), [this, &request](const Result<GetAnswer>& answer) {
                      truth_.AnsweredGet(request, answer,
                                         answer ? TasksOf(answer->sink) : std::vector<SeenTask>());
                    });
  });
}

void Operators::Await(Request asked, MonoClock::duration wait) {
  coordinator_.Call([this, asked = std::move(asked), wait](Coordinator& coordinator) mutable {
    asked.deadline = world_.now() + wait + limits::kWaitMargin + limits::kNodeDeadline;
    Request& request = truth_.Open(std::move(asked));
    const bool waits = wait > MonoClock::duration::zero();
    coordinator.Await({request.awaited, wait, SomeCaller(waits, wait)}, Collectors(),
                      [this, &request](const Result<std::vector<AwaitedTask>>& answer) {
                        std::vector<std::vector<SeenTask>> seen;
                        if (answer) {
                          for (const AwaitedTask& task : *answer)
                            seen.push_back(TasksOf(task.sink));
                        }
                        truth_.AnsweredAwait(request, answer, seen);
                      });
  });
}

void Operators::Cancel(Request asked, MonoClock::duration timeout, bool must_answer) {
  coordinator_.Call(
      [this, asked = std::move(asked), timeout, must_answer](Coordinator& coordinator) mutable {
        asked.deadline = world_.now() + timeout;
        Request& request = truth_.Open(std::move(asked));
        CancelQuery query;
        if (request.kind == Request::Kind::kCancelTask) {
          query.where = request.id;
        } else {
          query.where = request.nodes;
          query.filter = request.filter;
        }
        query.reason = request.reason;
        query.grace = std::chrono::milliseconds(dice_.Below(3) * 500);
        query.wait = request.wait;
        query.context = SomeCaller(request.wait, timeout);
        Principal who;
        who.transport = Principal::Transport::kLoopback;
        coordinator.Cancel(std::move(query), who, timeout, Collectors(),
                           [this, &request, must_answer](const Result<Gathered>& answer) {
                             truth_.Answered(request, answer, TasksOf(answer));
                             if (request.promised) ++promised_;
                             if (!must_answer) return;
                             if (answer) return CheckAllAnswered(*answer, "the last cancel");
                             world_.Violation("the last cancel failed: " + answer.error().message);
                           });
      });
}

void Operators::CheckAllAnswered(const Gathered& answer, const char* what) {
  for (const Slot& slot : answer.slots) {
    if (!slot.failure) continue;
    world_.Violation(std::string(what) + ": " + (slot.node ? slot.node->name : "nobody") +
                     " failed: " + Describe(*slot.failure));
  }
  if (answer.slots.size() != nodes_.size() + 1) {
    world_.Violation(std::string(what) + " has " + std::to_string(answer.slots.size()) + " slots");
  }
}

void Operators::ListAll(std::function<void(std::vector<SeenTask>)> done) {
  List(Fresh(Request::Kind::kList), 5s,
       [this, done = std::move(done)](const Gathered& answer, std::vector<SeenTask> tasks) {
         CheckAllAnswered(answer, "the last list");
         done(std::move(tasks));
       });
}

void Operators::CancelAll() {
  Cancel(Fresh(Request::Kind::kCancelMatching), 5s, true);
}

}  // namespace quell::sim
