#include "node/node.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/task_id_allocator.h"
#include "node/cancels/coordinator_clock.h"
#include "node/cancels/handoff_sender.h"
#include "node/cancels/intent_applier.h"
#include "node/cancels/intent_order.h"
#include "node/cancels/lives.h"
#include "node/cancels/overdue.h"
#include "node/cancels/tombstones.h"
#include "node/membership/drain.h"
#include "node/membership/membership_agent.h"
#include "node/programs/parent_loss_policy.h"
#include "node/programs/programs.h"
#include "node/programs/registrar.h"
#include "node/programs/restore_tasks.h"
#include "node/programs/sessions.h"
#include "node/tasks/await_table.h"
#include "node/tasks/live_task_writer.h"
#include "node/tasks/node_context.h"
#include "node/tasks/registry.h"
#include "node/tasks/task_lifecycle.h"
#include "node/tasks/task_queries.h"

namespace quell {
namespace {

NodeInfo InfoOfThisStart(NodeInfo info, const JournalState& recovered) {
  info.incarnation = recovered.incarnation;
  info.life = Lives(recovered.lives).present();
  return info;
}

IntentApplier::Spared OrNobody(IntentApplier::Spared spared) {
  return spared ? std::move(spared) : [](const Intent&, const std::vector<TaskId>&) {};
}

}  // namespace

class Node::Impl {
 public:
  Impl(NodeOptions options, const NodeServices& services, const JournalState& recovered)
      : context_(InfoOfThisStart(std::move(options.info), recovered), services.executor),
        random_(services.random),
        journal_(services.journal),
        on_error_(std::move(options.on_error)),
        host_load_(std::move(options.host_load)),
        left_(std::move(options.left)),
        numbers_(
            [this](std::uint64_t end, auto done) { journal_.ReserveNumbers(end, std::move(done)); },
            recovered.next_number),
        lifecycle_(context_, journal_, registry_, recovered.receipts),
        writer_(context_, journal_, registry_),
        queries_(context_, journal_, registry_, numbers_, lifecycle_, recovered.next_number),
        await_table_(context_, registry_, numbers_, queries_, lifecycle_.events()),
        tombstones_(recovered.tombstones, recovered.forgotten_below, options.tombstones_kept),
        lives_(recovered.lives),
        order_(context_, registry_, numbers_, lives_, coordinator_clock_),
        applier_(context_, journal_, registry_, numbers_, tombstones_, order_, lifecycle_,
                 OrNobody(std::move(options.spared)), recovered),
        overdue_(context_, registry_, lifecycle_.events()),
        handoff_(journal_, recovered.handoff),
        sessions_(random_),
        parent_loss_(context_, random_, registry_, applier_, handoff_),
        programs_(context_, journal_, registry_, sessions_, services.processes, lifecycle_,
                  parent_loss_),
        registrar_(context_, journal_, registry_, numbers_, tombstones_, sessions_,
                   services.processes, lifecycle_, applier_, programs_, parent_loss_, writer_),
        drain_(context_, registry_, queries_, registrar_, handoff_, [this] { Leave(); }) {
    RestoreTasks(recovered.live, context_, registry_, lifecycle_, sessions_, programs_, applier_);
    if (services.coordinator != nullptr) {
      agent_.emplace(context_.info, context_.executor, random_, *services.coordinator, Hooks());
    }
  }

  void Start(std::function<void()> joined, std::function<void(Error)> refused) {
    joined_ = std::move(joined);
    refused_ = std::move(refused);
    if (agent_) agent_->Start();
  }

  void Stop(std::function<void()> done) {
    writer_.Flush();
    await_table_.Close();
    auto leave = [this, done = std::move(done)] {
      programs_.CloseAll();
      done();
    };
    if (agent_) return agent_->Stop(std::move(leave));
    context_.executor.Post(context_.lifetime.Guard(std::move(leave)));
  }

  void OnRequest(NodeRequest request, const Principal& who, MonoTime deadline,
                 std::shared_ptr<ReplyWriter> writer) {
    if (Status may = Authorize(who, Permission::kNodeAsk); !may) {
      return writer->Finish(may.error());
    }
    if (auto* list = std::get_if<ListRequest>(&request)) {
      queries_.List(std::move(*list), deadline, std::move(writer));
    } else if (const auto* get = std::get_if<GetRequest>(&request)) {
      queries_.Get(get->number, std::move(writer));
    } else if (auto* apply = std::get_if<ApplyRequest>(&request)) {
      Apply(std::move(*apply), std::move(writer));
    } else if (auto* await = std::get_if<AwaitRequest>(&request)) {
      await_table_.Await(std::move(*await), deadline, std::move(writer));
    } else if (const auto* drain = std::get_if<DrainRequest>(&request)) {
      drain_.OnRequest(*drain, std::move(writer));
    } else {
      writer->Finish(ProbeReply{context_.info.id, context_.info.incarnation});
    }
  }

  const NodeInfo& info() const { return context_.info; }
  const NodeId& coordinator() const { return coordinator_; }
  Programs& programs() { return programs_; }
  Registrar& registrar() { return registrar_; }

 private:
  MembershipAgent::Hooks Hooks() {
    return {
        .next_number = [this] { return numbers_.next(); },
        .former_lives = [this] { return lives_.Former(); },
        .cancelled_running = [this] { return overdue_.counts(); },
        .handoff = [this] { return handoff_.Next(); },
        .host_load = [this] { return host_load_ ? host_load_() : HostLoad(); },
        .live_tasks = [this] { return registry_.size(); },
        .draining = [this] { return registrar_.intake() != Intake::kAll; },
        .joined = [this](JoinReply reply, BootTime sent) { OnJoined(std::move(reply), sent); },
        .heard =
            [this](HeartbeatReply reply, BootTime sent) {
              CompareClocks(reply.clock, sent);
              handoff_.Settle(reply.settled);
              Pull(std::move(reply.pending));
            },
        .refused =
            [this](Error error) {
              if (refused_) refused_(std::move(error));
            },
        .on_error =
            [this](const Error& error) {
              if (on_error_) on_error_(error);
            },
    };
  }

  void Leave() {
    if (!agent_) return;
    agent_->Leave([this] {
      if (left_) left_();
    });
  }

  void OnJoined(JoinReply reply, BootTime sent) {
    coordinator_ = reply.coordinator;
    numbers_.RaiseTo(reply.next_number);
    if (lives_.Joined(numbers_.next())) {
      journal_.RecordJoined(numbers_.next());
    }
    CompareClocks(reply.clock, sent);
    Pull(std::move(reply.pending));
    if (joined_) joined_();
  }

  void CompareClocks(const BootMoment& clock, BootTime sent) {
    coordinator_clock_.Sample(clock, sent, context_.boot());
    if (coordinator_clock_.ready()) applier_.OnClockReady();
  }

  // What this node has missed. Each is acknowledged with a heartbeat once it is journaled; what
  // fails comes again.
  void Pull(std::vector<Intent> pending) {
    for (Intent& intent : pending) {
      applier_.Apply(std::move(intent), Way::kHandedOver,
                     [this](Result<IntentApplier::Applied> applied) {
                       if (applied) return agent_->Acknowledge(std::move(applied->ack));
                       if (on_error_) on_error_(applied.error());
                     });
    }
  }

  struct Push {
    std::size_t left = 0;
    std::optional<Error> error;
    ApplyReply reply;
    std::vector<std::uint64_t> hits;
    std::shared_ptr<ReplyWriter> writer;
  };

  void Apply(ApplyRequest request, std::shared_ptr<ReplyWriter> writer) {
    const auto push = std::make_shared<Push>();
    push->left = request.intents.size();
    push->writer = std::move(writer);
    if (push->left == 0) return push->writer->Finish(ApplyReply{});
    for (Intent& intent : request.intents) {
      applier_.Apply(
          std::move(intent), Way::kPushed, [this, push](Result<IntentApplier::Applied> applied) {
            if (applied) {
              push->reply.acks.push_back(std::move(applied->ack));
              push->hits.insert(push->hits.end(), applied->hits.begin(), applied->hits.end());
            } else {
              push->error = applied.error();
            }
            if (--push->left > 0) return;
            if (push->error) return push->writer->Finish(*push->error);
            std::sort(push->hits.begin(), push->hits.end());
            push->hits.erase(std::unique(push->hits.begin(), push->hits.end()), push->hits.end());
            queries_.Show(
                {std::move(push->hits)}, [push](std::uint64_t) { return std::move(push->reply); },
                push->writer);
          });
    }
  }

  // The parts, from the lowest folder up: each is handed what it uses.
  const NodeContext context_;
  Random& random_;
  Journal& journal_;
  const std::function<void(const Error&)> on_error_;
  const std::function<HostLoad()> host_load_;
  const std::function<void()> left_;
  // node/tasks/
  TaskIdAllocator numbers_;
  Registry registry_;
  TaskLifecycle lifecycle_;
  LiveTaskWriter writer_;
  TaskQueries queries_;
  AwaitTable await_table_;
  // node/cancels/
  Tombstones tombstones_;
  Lives lives_;
  CoordinatorClock coordinator_clock_;
  IntentOrder order_;
  IntentApplier applier_;
  Overdue overdue_;
  HandoffSender handoff_;
  // node/programs/
  Sessions sessions_;
  ParentLossPolicy parent_loss_;
  Programs programs_;
  Registrar registrar_;
  // node/membership/
  Drain drain_;
  std::optional<MembershipAgent> agent_;
  NodeId coordinator_;
  std::function<void()> joined_;
  std::function<void(Error)> refused_;
};

Node::Node(NodeOptions options, const NodeServices& services, JournalState recovered)
    : impl_(std::make_unique<Impl>(std::move(options), services, recovered)) {}

Node::~Node() = default;

void Node::Start(std::function<void()> joined, std::function<void(Error)> refused) {
  impl_->Start(std::move(joined), std::move(refused));
}

void Node::Stop(std::function<void()> done) {
  impl_->Stop(std::move(done));
}

void Node::Register(RegisterRequest request, const Principal& who,
                    std::function<void(Result<RegisterReply>)> done) {
  impl_->registrar().Register(std::move(request), who, std::move(done));
}

Result<ReportReply> Node::Report(const TaskId& task, std::optional<SessionToken> session,
                                 const Principal& who, ReportRequest report) {
  return impl_->programs().Report(task, session, who, report);
}

void Node::Finish(std::vector<TaskEnd> ends, std::optional<SessionToken> session,
                  const Principal& who, std::function<void(std::vector<Status>)> done) {
  impl_->programs().Finish(std::move(ends), session, who, std::move(done));
}

Status Node::OpenCommands(const SessionToken& session, const Principal& who,
                          std::shared_ptr<CommandSink> sink) {
  return impl_->programs().OpenCommands(session, who, std::move(sink));
}

void Node::CloseCommands(const SessionToken& session, const CommandSink* sink) {
  impl_->programs().CloseCommands(session, sink);
}

void Node::OnRequest(NodeRequest request, const Principal& who, MonoTime deadline,
                     std::shared_ptr<ReplyWriter> writer) {
  impl_->OnRequest(std::move(request), who, deadline, std::move(writer));
}

const NodeId& Node::coordinator() const {
  return impl_->coordinator();
}

const NodeInfo& Node::info() const {
  return impl_->info();
}

}  // namespace quell
