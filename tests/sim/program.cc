#include "tests/sim/program.h"

#include <algorithm>
#include <utility>

namespace quell::sim {

using namespace std::chrono_literals;

// The socket between node and program: what is sent arrives a little later, if somebody is there.
class Program::Stream final : public CommandSink {
 public:
  Stream(World& world, std::weak_ptr<Program> program)
      : world_(world), program_(std::move(program)) {}

  void OnCancel(const CancelCommand& command) override {
    if (closed_) return world_.Violation("a command on a stream that was closed");
    world_.scheduler.After(50us, [program = program_, command] {
      if (const auto alive = program.lock()) alive->Hear(command);
    });
  }
  void OnClosed() override { closed_ = true; }
  bool closed() const { return closed_; }

 private:
  World& world_;
  const std::weak_ptr<Program> program_;
  bool closed_ = false;
};

Program::Program(World& world, Truth& truth, NodeHost& host, std::size_t host_index,
                 std::uint64_t number)
    : world_(world),
      truth_(truth),
      host_(host),
      host_index_(host_index),
      number_(number),
      dice_(world.dice.Fork()) {
  who_.transport = Principal::Transport::kUnixSocket;
  who_.uid = 1000 + static_cast<std::uint32_t>(dice_.Below(2));
  who_.pid = host.processes.Spawn(who_.uid);
  const std::size_t temper = dice_.Below(6);
  temper_ = temper < 4 ? Temper::kObeys : temper == 4 ? Temper::kDefers : Temper::kIgnores;
  streams_ = dice_.Percent(60);
  names_pid_ = dice_.Percent(60);
  mortal_ = world.config.has(Fault::kProgramDeath) && dice_.Percent(30);
}

Program::~Program() = default;

void Program::Start() {
  Tick();
}

void Program::Later(MonoClock::duration delay, std::function<void()> work) {
  world_.scheduler.After(delay, [weak = weak_from_this(), work = std::move(work)] {
    const auto self = weak.lock();
    if (self && self->alive_) work();
  });
}

bool Program::OnNode(std::function<void(Node&)> call) {
  return host_.Call(std::move(call));
}

std::vector<TaskId> Program::Unfinished() const {
  std::vector<TaskId> ids;
  for (const auto& [id, task] : tasks_) {
    if (!task.finished) ids.push_back(id);
  }
  return ids;
}

bool Program::Runs(const TaskId& task) const {
  const auto own = tasks_.find(task);
  return alive_ && own != tasks_.end() && !own->second.finished && !own->second.finishing &&
         host_.up() && own->second.life == host_.life();
}

std::vector<TaskId> Program::Strangers() const {
  std::vector<TaskId> ids;
  for (const auto& [id, task] : tasks_) {
    if (!task.finished && task.life != host_.life()) ids.push_back(id);
  }
  return ids;
}

std::string Program::Estranged() const {
  if (!alive_ || Strangers().empty()) return "";
  return "program " + std::to_string(number_) + " on " + host_.name() +
         " could not bring its tasks back: " +
         (last_refusal_.empty() ? "it got no answer" : last_refusal_);
}

bool Program::Dawdles() const {
  return alive_ && temper_ != Temper::kIgnores &&
         std::any_of(tasks_.begin(), tasks_.end(),
                     [](const auto& entry) { return entry.second.told && !entry.second.finished; });
}

void Program::Tick() {
  Later(dice_.Between(20ms, world_.config.families ? 200ms : 600ms), [this] { Tick(); });
  // Whoever waits for an answer of a daemon that died has noticed it by now.
  if (busy_ && (!host_.up() || host_.life() != asked_life_)) busy_ = false;
  if (!host_.up() && mortal_ && !world_.calm && dice_.Percent(60)) return Die();
  if (!host_.up() || busy_) return;
  if (life_ != host_.life() || !Strangers().empty()) return Resume();
  if (stream_ && stream_->closed()) stream_.reset();
  Act();
}

void Program::Act() {
  const MonoTime now = world_.now();
  for (auto& [id, task] : tasks_) {
    if (task.finished || task.finishing) continue;
    if (task.stop_at && *task.stop_at <= now) {
      Finish(id, task, TaskState::kCancelled);
    } else if (!task.told && task.finish_at && *task.finish_at <= now) {
      Finish(id, task, dice_.Percent(80) ? TaskState::kSucceeded : TaskState::kFailed);
    } else if (!streams_ || dice_.Percent(5)) {
      Report(id, task);
    }
  }
  if (streams_ && !stream_) OpenStream();
  if (world_.calm) return;
  if (mortal_ && dice_.Percent(5)) return Die();
  if (stream_ && world_.config.has(Fault::kStreamBreak) && dice_.Percent(10)) BreakStream();
  if (tasks_.size() < 12 && dice_.Percent(25)) {
    RegisterRequest request;
    request.session = session_;
    request.tasks = Think();
    std::vector<std::optional<MonoTime>> began(request.tasks.size());
    for (std::size_t i = 0; i < began.size(); ++i) {
      // Some began while nobody was there to register them.
      if (!dice_.Percent(20)) continue;
      began[i] = world_.now() - dice_.Between(0ms, 3s);
      request.tasks[i].start_wall = host_.clock().WallAt(*began[i]);
      request.tasks[i].start_boot = host_.clock().BootAt(*began[i]);
    }
    Register(std::move(request), std::move(began));
  }
}

const TrueTask* Program::Relative() {
  for (std::size_t tries = 0; tries < 8; ++tries) {
    const TrueTask* task = dice_.Percent(50) ? truth_.LastTarget() : truth_.Any(dice_);
    if (task != nullptr && task->host == host_index_ && !task->may_have_ended()) return task;
  }
  return nullptr;
}

NewTask Program::ThinkOne(const std::vector<TaskId>& own) {
  constexpr const char* kActions[] = {"build:compile", "build:link", "test:unit", "test:load",
                                      "backup"};
  NewTask task;
  task.action = kActions[dice_.Below(std::size(kActions))];
  task.description = "work of program " + std::to_string(number_);
  task.cancellable = !dice_.Percent(15);
  if (names_pid_) task.pid = who_.pid;
  const bool families = world_.config.families;
  if (task.cancellable && dice_.Percent(families ? 50 : 20))
    task.on_parent_lost = OnParentLost::kCancel;
  if (const TrueTask* relative = families && dice_.Percent(70) ? Relative() : nullptr) {
    task.parent = relative->id;
  } else if (dice_.Percent(40) && !own.empty()) {
    task.parent = own[dice_.Below(own.size())];
  } else if (dice_.Percent(30)) {
    // Below a task of whatever program, on whatever node: the chain came with the parent's id.
    const TrueTask* other = dice_.Percent(50) ? truth_.LastTarget() : truth_.Any(dice_);
    if (other != nullptr) {
      if (other->ancestors.size() < 10) task.parent = other->id;
    }
  }
  if (task.parent) {
    const auto parent = truth_.tasks().find(*task.parent);
    if (parent != truth_.tasks().end()) task.grandparents = parent->second.ancestors;
    if (task.grandparents.size() > 10) task.parent.reset(), task.grandparents.clear();
  }
  return task;
}

std::vector<NewTask> Program::Think() {
  const std::vector<TaskId> own = Unfinished();
  std::vector<NewTask> tasks(1 + dice_.Below(3));
  for (NewTask& task : tasks)
    task = ThinkOne(own);
  // Once in a while so many that the reserved numbers do not suffice.
  if (streams_ && dice_.Percent(1)) tasks.resize(600, tasks.front());
  return tasks;
}

void Program::Register(RegisterRequest request, std::vector<std::optional<MonoTime>> began) {
  busy_ = true;
  asked_life_ = host_.life();
  OnNode([this, weak = weak_from_this(), request = std::move(request),
          began = std::move(began)](Node& node) {
    // The answer may come when the program is gone: it needs the world, not the program.
    auto registration = std::make_shared<const Truth::Registration>(
        truth_.BeginRegistration(host_index_, number_, request, began));
    node.Register(request, who_,
                  [&world = world_, &truth = truth_, &host = host_, weak,
                   registration](const Result<RegisterReply>& reply) {
                    truth.Registered(*registration, reply);
                    if (reply) host.GaveOutNumbers();
                    world.scheduler.After(50us, [weak, registration, reply] {
                      const auto self = weak.lock();
                      if (self && self->alive_) self->Registered(*registration, reply);
                    });
                  });
  });
}

void Program::Registered(const Truth::Registration& registration,
                         const Result<RegisterReply>& reply) {
  if (registration.life != asked_life_) return;  // It has given up waiting for this one.
  busy_ = false;
  const std::vector<NewTask>& asked = registration.request.tasks;
  if (!reply) {
    if (asked.front().resume) ResumeRefused(registration.request, reply.error());
    return;
  }
  if (life_ != registration.life) stream_.reset();
  life_ = registration.life;
  refusals_ = 0;
  session_ = reply->session;
  for (std::size_t i = 0; i < reply->tasks.size(); ++i) {
    OwnTask& task = tasks_[reply->tasks[i].id];
    task.life = life_;
    task.finishing = false;
    if (!asked[i].resume) {
      task.spec = asked[i];
      task.start_wall = asked[i].start_wall.value_or(host_.clock().WallAt(registration.called));
      task.start_boot = asked[i].start_boot.value_or(host_.clock().BootAt(registration.called));
      if (dice_.Percent(60)) task.finish_at = world_.now() + dice_.Between(200ms, 20s);
    }
    if (reply->tasks[i].cancel) Hear(*reply->tasks[i].cancel);
  }
  if (streams_ && !stream_) OpenStream();
}

void Program::Resume() {
  if (life_ != host_.life()) {
    session_.reset();
    stream_.reset();
  }
  RegisterRequest request;
  request.session = session_;
  for (const TaskId& id : Strangers()) {
    const OwnTask& task = tasks_.at(id);
    NewTask again = task.spec;
    again.resume = id;
    again.start_wall = task.start_wall;
    again.start_boot = task.start_boot;
    request.tasks.push_back(std::move(again));
  }
  if (request.tasks.empty()) {
    life_ = host_.life();
    return;
  }
  // After a refusal, one at a time, so that one bad task does not keep the others out.
  if (refusals_ > 3) {
    const std::size_t chosen = dice_.Below(request.tasks.size());
    request.tasks = {request.tasks[chosen]};
  }
  std::vector<std::optional<MonoTime>> began(request.tasks.size());
  Register(std::move(request), std::move(began));
}

void Program::ResumeRefused(const RegisterRequest& request, const Error& error) {
  // Its end was durable before the daemon died, and the answer had not come.
  for (const NewTask& asked : request.tasks) {
    OwnTask& task = tasks_.at(*asked.resume);
    // The node never had it on disk, and has forgotten whether it was cancelled: it stops.
    const JournalFile& file = host_.file;
    const std::uint64_t number = asked.resume->number;
    if (error.code == ErrorCode::kFailedPrecondition &&
        error.message.find("[" + asked.resume->ToString() + "] cannot") != std::string::npos &&
        number < file.forgotten_below && !file.live.contains(number)) {
      truth_.Fading(*asked.resume);
      task.finished = true;
      return ResumeSoon();
    }
    const std::string ended = "[" + asked.resume->ToString() + "] has ended as " +
                              std::string(ToString(task.outcome.value_or(TaskState::kRunning)));
    if (error.message.find(ended) == std::string::npos) continue;
    truth_.Ended(*asked.resume);
    task.finished = true;
    return ResumeSoon();
  }
  ++refusals_;
  last_refusal_ = error.message + " (" + std::to_string(request.tasks.size()) + " tasks)";
  world_.Trace("resume refused: " + last_refusal_);
}

void Program::ResumeSoon() {
  Later(1ms, [this] {
    if (host_.up() && !busy_) Resume();
  });
}

void Program::OpenStream() {
  if (!session_) return;
  auto stream = std::make_shared<Stream>(world_, weak_from_this());
  stream_ = stream;
  const SessionToken session = *session_;
  OnNode([session, who = who_, stream](Node& node) {
    if (!node.OpenCommands(session, who, stream)) stream->OnClosed();
  });
}

void Program::BreakStream() {
  const auto stream = std::exchange(stream_, nullptr);
  if (!session_) return;
  OnNode([session = *session_, stream](Node& node) { node.CloseCommands(session, stream.get()); });
}

void Program::Report(const TaskId& id, const OwnTask& task) {
  ReportRequest report;
  if (task.told) {
    if (temper_ == Temper::kObeys) report.stopping = true;
    if (temper_ == Temper::kDefers) report.deferred = "inside a shield";
    if (temper_ == Temper::kIgnores) report.ignoring = "itself";
  }
  if (dice_.Percent(20)) report.status_json = R"({"phase":"on"})";
  OnNode([this, weak = weak_from_this(), id, session = session_, who = who_, report](Node& node) {
    const Result<ReportReply> reply = node.Report(id, session, who, report);
    const auto self = weak.lock();
    if (!self || !self->alive_ || !reply || !reply->cancel) return;
    Later(50us, [this, command = *reply->cancel] { Hear(command); });
  });
}

void Program::Finish(const TaskId& id, OwnTask& task, TaskState outcome) {
  task.finishing = true;
  outcome = *(task.outcome = task.outcome.value_or(outcome));
  const bool called = OnNode(
      [this, weak = weak_from_this(), id, session = session_, who = who_, outcome](Node& node) {
        truth_.Ending(id);
        node.Finish({{id, outcome}}, session, who,
                    [&truth = truth_, weak, id](const std::vector<Status>& answers) {
                      if (answers.front()) truth.Ended(id);
                      const auto self = weak.lock();
                      if (self && self->alive_) self->Finished(id, answers.front());
                    });
      });
  // A daemon that dies before it has answered hears of it after the task was brought back.
  if (!called) task.finishing = false;
}

void Program::Finished(const TaskId& id, const Status& status) {
  OwnTask& task = tasks_.at(id);
  const bool disk = !status && (status.error().code == ErrorCode::kResourceExhausted ||
                                status.error().code == ErrorCode::kInternal);
  if (disk && world_.config.has(Fault::kJournalError)) {
    task.finishing = false;  // It says so again.
    return;
  }
  if (!status && status.error().code != ErrorCode::kFailedPrecondition && life_ == host_.life()) {
    world_.Violation("finishing " + id.ToString() + " failed: " + status.error().message);
  }
  task.finished = true;
}

void Program::Hear(const CancelCommand& command) {
  if (!alive_) return;
  truth_.Told(command);
  const auto own = tasks_.find(command.task);
  if (own == tasks_.end() || own->second.finished) return;
  OwnTask& task = own->second;
  if (task.told) return;
  task.told = command;
  world_.Trace("program " + std::to_string(number_) + " hears of the cancel of " +
               command.task.ToString());
  if (temper_ == Temper::kObeys) task.stop_at = world_.now() + dice_.Between(0ms, 1s);
  if (temper_ == Temper::kDefers) task.stop_at = world_.now() + dice_.Between(1s, 3s);
}

void Program::Die() {
  world_.Trace("program " + std::to_string(number_) + " dies");
  alive_ = false;
  for (const TaskId& id : Unfinished())
    truth_.Fading(id);
  BreakStream();
  host_.processes.Kill(who_.pid);
}

}  // namespace quell::sim
