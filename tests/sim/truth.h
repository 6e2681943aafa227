// What really happened, as nobody in the cluster can know it, and the judge who compares what the
// daemons say and do with it. Everything here is computed from what programs and operators did,
// never from what the code under test decided.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "tests/sim/hosts.h"
#include "tests/support/seen_task.h"

namespace quell::sim {

// Orders tasks as TaskId does not: by number first, which is quick also in a debug build.
struct ByNumber {
  bool operator()(const TaskId& a, const TaskId& b) const {
    return a.number != b.number ? a.number < b.number : a.node.view() < b.node.view();
  }
};

// One task, from the moment at which a node gave out its number.
struct TrueTask {
  TaskId id;
  std::size_t host = 0;  // Its index.
  std::uint64_t program = 0;
  NewTask spec;
  std::vector<TaskId> ancestors;
  // When it began, by true time, also if it was registered later: the node set the start itself
  // somewhere between the two if the program named none.
  MonoTime began_first;
  MonoTime began_last;
  MonoTime first_admitted;
  MonoTime admitted;  // In `life` of its node.
  std::uint64_t life = 0;
  std::optional<MonoTime> ended;   // The node took note of its end.
  std::optional<MonoTime> fading;  // Its program is gone: the node may note its end any time now.
  bool ending = false;             // As above: its program has said so to the present life.
  bool said_end = false;  // Its program has said so, perhaps to a life that could not keep it.
  std::optional<CancelCommand> told;  // As its program heard it first.
  bool may_have_ended() const { return ended || fading || ending; }
};

// What an operator asked for, and what became of it.
struct Request {
  enum class Kind : std::uint8_t { kList, kGet, kCancelTask, kCancelMatching, kAwait };

  std::uint64_t number = 0;
  Kind kind = Kind::kList;
  std::string reason;  // Of a cancel; unlike that of any other request.
  TaskIdText id;
  std::vector<TaskIdText> awaited;
  NodeSelection nodes;
  TaskFilter filter;
  bool detailed = false;
  bool wait = false;  // Until the tasks have ended.

  std::uint64_t life = 0;  // Of the coordinator.
  MonoTime called;
  MonoTime deadline;
  std::size_t answers = 0;
  std::set<NodeId> must;  // Certainly selected; and the lives of their daemons at the call.
  std::set<NodeId> may;   // Possibly selected.
  std::map<NodeId, std::uint64_t> lives;

  bool promised = false;  // A cancel was acknowledged with an intent.
  std::optional<IntentId> intent;
  bool nothing_done = false;  // The answer says for sure that nothing was committed.
};

class Truth {
 public:
  Truth(World& world, CoordinatorHost& coordinator,
        const std::vector<std::unique_ptr<NodeHost>>& nodes);

  // Programs. ------------------------------------------------------------------------------------
  // A registration begins at the node.
  struct Registration {
    std::size_t host = 0;
    std::uint64_t program = 0;
    std::uint64_t life = 0;
    RegisterRequest request;
    std::vector<std::optional<MonoTime>> began;  // Where it names the start.
    MonoTime called;
    // It, or a task above it, is durably cancelled there.
    std::vector<bool> cancelled;
  };
  Registration BeginRegistration(std::size_t host, std::uint64_t program, RegisterRequest request,
                                 std::vector<std::optional<MonoTime>> began);
  // The node has answered it.
  void Registered(const Registration& registration, const Result<RegisterReply>& reply);
  void Ended(const TaskId& id);
  void Ending(const TaskId& id);
  void Fading(const TaskId& id);
  // The program heard of a cancel. To be told of one that the node delivered to nobody is fine.
  void Told(const CancelCommand& command);

  // The node has left the fleet: nothing may live on it.
  void Left(const NodeHost& host) const;

  // Operators. -----------------------------------------------------------------------------------
  Request& Open(Request request);  // Fills in what holds at the call.
  void Answered(Request& request, const Result<Gathered>& answer,
                const std::vector<std::vector<SeenTask>>& slots);
  void AnsweredGet(Request& request, const Result<GetAnswer>& answer,
                   const std::vector<SeenTask>& tasks);

  // `seen`: what each of the awaited tasks showed.
  void AnsweredAwait(Request& request, const Result<std::vector<AwaitedTask>>& answer,
                     const std::vector<std::vector<SeenTask>>& seen);

  // The end: everything is healed for long enough. -----------------------------------------------
  // `still_runs`: its program lives, has not finished it, and is known to the node's present life.
  void JudgeTheEnd(const std::function<bool(const TrueTask&)>& still_runs);
  // After a cancel that hit nothing more: each node has forgotten what it may forget.
  void JudgeTombstones() const;
  // A last list of everything, asked for at `asked`, must show exactly what runs.
  void JudgeLastList(MonoTime asked, const std::vector<SeenTask>& seen,
                     const std::function<bool(const TrueTask&)>& still_runs);

  const std::map<TaskId, TrueTask, ByNumber>& tasks() const { return tasks_; }
  const std::map<std::uint64_t, Request>& requests() const { return requests_; }
  // Some task, live or not; nullptr if there is none yet.
  const TrueTask* Any(Dice& dice) const;
  // The one that was cancelled by its id last: what registers below it now runs a race.
  const TrueTask* LastTarget() const;

 private:
  void WatchNetwork();
  void CheckPage(const std::string& address, std::span<const TaskView> page);
  void CheckAcks(NodeHost& host, const std::vector<IntentAck>& acks);
  void CheckMark(const TaskId& id, const std::string& reason, const char* where,
                 bool has_ended = false);
  // Whether a cancel that was born at a node was born rightly.
  bool WasOrphaned(const TaskId& id, const std::string& reason) const;
  void JudgeOwed(NodeHost& host) const;
  void CheckSlots(Request& request, const Gathered& answer);
  void CheckListed(const Request& request, const Gathered& answer,
                   const std::vector<std::vector<SeenTask>>& slots);
  void CheckPromise(Request& request, const Result<Gathered>& answer);
  void CheckGotten(const Request& request, const SeenTask& task, const GetAnswer& answer);
  void CheckDeadline(std::uint64_t number, MonoTime due);

  // May the request, taken literally, hit the task? Must it, or name it as spared?
  bool MayHit(const Request& request, const TrueTask& task) const;
  bool MustHit(const Request& request, const TrueTask& task) const;
  bool Justified(const Request& request, const TrueTask& task) const;
  // It does not live for sure, and the node keeps few tombstones: it may have forgotten this one.
  bool MayBeForgotten(const NodeHost& host, std::uint64_t number) const;
  static bool Matches(const TaskFilter& filter, const TrueTask& task);
  void Select(Request& request) const;
  NodeHost* HostOf(const NodeId& id) const;
  const NodeHost& HostOf(const TrueTask& task) const { return *nodes_[task.host]; }
  std::vector<TaskId> ChainOf(const NewTask& spec) const;
  bool IsCancelled(std::size_t host, const NewTask& spec) const;
  // A task may be shown before its registration is answered.
  bool MayBeRegistering(const TaskId& id) const;
  const StoreFile::Kept* StoredFor(const std::string& reason) const;
  void JudgeBooks(const std::set<TaskId, ByNumber>& listed) const;
  void JudgePromise(const Request& request, const std::function<bool(const TrueTask&)>& still_runs);

  World& world_;
  CoordinatorHost& coordinator_;
  const std::vector<std::unique_ptr<NodeHost>>& nodes_;
  std::map<TaskId, TrueTask, ByNumber> tasks_;
  std::map<std::uint64_t, Request> requests_;
  std::map<std::string, std::uint64_t> by_reason_;
  std::optional<TaskId> last_target_;
  // Registrations under way, by host and its life.
  std::map<std::pair<std::size_t, std::uint64_t>, std::size_t> registering_;
};

// Matches as TaskFilter's actions are documented to: written here once more, in another way.
bool PatternMatches(const std::string& pattern, const std::string& text);

}  // namespace quell::sim
