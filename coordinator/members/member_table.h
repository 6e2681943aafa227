// Who is a member: known, alive, away, left; and whether a newcomer may be. Plain data and
// decisions; the asking, storing and connecting is done by joins.cc.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/members/standing.h"
#include "coordinator/store/store.h"
#include "core/clock.h"
#include "core/host_load.h"
#include "core/node_info.h"
#include "core/result.h"
#include "transport/messages.h"

namespace quell {

struct Member {
  NodeInfo info;
  std::uint64_t next_number = 0;    // The highest it has told, or must begin with.
  std::uint64_t told_number = 0;    // The highest it has told in this life.
  std::uint64_t stored_number = 0;  // The highest of these that the store was given.
  bool is_self = false;             // This coordinator.
  bool restored = false;            // This life began on another copy of its data directory.
  bool left = false;                // For good: not selected until it joins again.
  // Its daemon said that it stops: the node is away, and still selected.
  std::optional<WallTime> stopped = {};
  bool joined = false;            // In this life of the coordinator.
  std::optional<MonoTime> heard;  // As above; a join or a heartbeat.
  std::optional<MonoTime> broke;  // When a request first found no way to it, since it was heard.
  bool lost = false;              // So has another that began later.

  // What a request that fails now finds broken; else it had no way to the node from the start.
  bool connected() const { return joined && !lost; }
  std::optional<CancelledRunning> cancelled_running;  // As its last heartbeat told.
  HostLoad host_load;                                 // As above.
  std::optional<std::uint64_t> live_tasks;            // As above.
  bool draining = false;                              // As above.
};

// What to do with a join.
enum class JoinVerdict {
  kNew,         // Unknown, or it had left: admit it once that is durable.
  kReplace,     // The known life is over: admit it at once.
  kSame,        // The life that is known: nothing changes.
  kProbeFirst,  // Ask at the known life's address who lives there: see Holds().
};

// Not thread-safe.
class MemberTable {
 public:
  // `started`: when this coordinator did.
  MemberTable(NodeInfo self, std::vector<KnownNode> recovered, WallTime started = {});

  // Errors: kInvalidArgument (what it says of itself cannot be), kAlreadyExists (it has this
  // coordinator's id), kResourceExhausted (limits::kNodesMax).
  Result<JoinVerdict> DecideJoin(const NodeInfo& newcomer, MonoTime now) const;
  // What answered at the address of `known` is a daemon that holds the id, and not the newcomer:
  // then that is refused.
  static bool Holds(const ProbeReply& answer, const NodeInfo& known, const NodeInfo& newcomer);
  // The refusal itself: `holder` names the daemon that lives.
  static Error Duplicate(const NodeInfo& newcomer, const std::string& holder);

  // The life that is known is none of the newcomer's former ones, or has told of numbers that the
  // newcomer does not know of: its data directory was restored from an older copy.
  bool IsRestored(const JoinRequest& newcomer) const;
  // The lowest number that it may give out: none that another life has given out.
  std::uint64_t FirstNumberFor(const JoinRequest& newcomer) const;
  // The newcomer is a member from now on. Returns its record.
  const Member& Admit(const JoinRequest& newcomer, MonoTime now);
  // A sign of life. False if this life is not the one that joined: it must join (again).
  bool RecordHeartbeat(const HeartbeatRequest& beat, MonoTime now);
  // A request that began at `began` has found no way to it.
  void RecordConnectionFailure(const NodeId& node, MonoTime began, MonoTime now);
  // True if its numbers have grown by limits::kIdBlock since the store was told; then takes them as
  // told.
  bool TakeNumbersToStore(const NodeId& node);
  // For good.
  void MarkLeft(const NodeId& node);
  // Its daemon stops: the node is away from now on.
  void MarkStopped(const NodeId& node, WallTime when);
  void Forget(const NodeId& node);

  // Null if nobody has it. A node that has left is found, with `left` set.
  const Member* Find(const NodeId& node) const;
  // As Find(), by the id as text, and not those that have left.
  const Member* FindPresent(std::string_view node) const;
  bool IsAlive(const Member& member, MonoTime now) const;
  Standing StandingOf(const Member& member, const Clock& clock) const;

  // Those that a request can select: known and not left, this coordinator among them, ordered by
  // name and then id. Valid until the next change.
  const std::vector<const Member*>& present() const { return present_; }
  const NodeInfo& self() const { return self_->info; }
  // How often those who are present have changed, in this life of the coordinator.
  std::uint64_t version() const { return version_; }

 private:
  void Show(const Member& member);
  void Hide(const Member& member);

  std::map<NodeId, Member> members_;
  std::vector<const Member*> present_;
  const Member* self_ = nullptr;
  const WallTime started_;
  std::uint64_t version_ = 0;
};

// As the store keeps it.
KnownNode ToKnown(const Member& member);
// An intent that is committed now is pending at this node.
PendingAt PendingOf(const Member& member);

}  // namespace quell
