#include "coordinator/members/member_table.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "core/limits.h"
#include "core/validity.h"

namespace quell {
namespace {

bool Before(const Member* a, const Member* b) {
  return std::tie(a->info.name, a->info.id) < std::tie(b->info.name, b->info.id);
}

std::size_t TextOf(const NodeInfo& node) {
  std::size_t bytes = node.name.size() + node.address.size() + node.host.size() +
                      node.version.size() + node.boot_id.size();
  for (const std::string& role : node.roles)
    bytes += role.size() + 1;
  for (const Header& one : node.attributes)
    bytes += one.name.size() + one.value.size() + 2;
  return bytes;
}

Status Validate(const NodeInfo& node) {
  auto refuse = [](std::string what) {
    return Error{ErrorCode::kInvalidArgument, std::move(what)};
  };
  if (node.id.is_null()) return refuse("the node has no id");
  if (node.incarnation == Incarnation::kNone) return refuse("the node names no incarnation");
  if (Status name = CheckNodeName(node.name); !name) return name;
  if (node.address.empty()) return refuse("the node names no address");
  if (TextOf(node) > limits::kNodeInfoMax) {
    return refuse("the node's roles and attributes have more than " +
                  std::to_string(limits::kNodeInfoMax) + " bytes: start it with fewer");
  }
  return {};
}

}  // namespace

MemberTable::MemberTable(NodeInfo self, std::vector<KnownNode> recovered, WallTime started)
    : started_(started) {
  for (KnownNode& known : recovered) {
    NodeId id = known.info.id;
    if (id == self.id) continue;
    Member& member = members_[id];
    member.info = std::move(known.info);
    member.next_number = member.stored_number = known.next_number;
    member.told_number = known.told_number;
    member.left = known.left;
    member.stopped = known.stopped;
    if (!member.left) Show(member);
  }
  Member& own = members_[self.id];
  own.info = std::move(self);
  own.is_self = own.joined = true;
  self_ = &own;
  Show(own);
}

Result<JoinVerdict> MemberTable::DecideJoin(const NodeInfo& newcomer, MonoTime now) const {
  if (Status valid = Validate(newcomer); !valid) return valid.error();
  const Member* known = Find(newcomer.id);
  if (known == nullptr) {
    if (members_.size() > limits::kNodesMax) {
      return Error{ErrorCode::kResourceExhausted,
                   "the coordinator knows " + std::to_string(limits::kNodesMax) +
                       " nodes already: forget some that are gone (DELETE /quell/v1/nodes/ID)"};
    }
    return JoinVerdict::kNew;
  }
  if (known->is_self) return Duplicate(newcomer, "this coordinator");
  if (known->left) return JoinVerdict::kNew;
  if (known->stopped) return JoinVerdict::kReplace;  // The known life has said that it is over.

  const NodeInfo& old = known->info;
  const bool alive = IsAlive(*known, now);
  const bool same_place = newcomer.address == old.address;
  if (newcomer.incarnation > old.incarnation) {
    // Nobody else can hold the address that the newcomer listens on: there the older life is over.
    return alive && !same_place ? JoinVerdict::kProbeFirst : JoinVerdict::kReplace;
  }
  if (newcomer.incarnation == old.incarnation && same_place) return JoinVerdict::kSame;
  // An older life, or a twin of the known one: a message that was delayed, or a copied or restored
  // data directory. What was heard lately may be dead by now: only a probe can tell. And a twin's
  // heartbeats would not tell it from the known one, so there silence is not enough either.
  const bool twin = newcomer.incarnation == old.incarnation;
  return alive || twin ? JoinVerdict::kProbeFirst : JoinVerdict::kReplace;
}

bool MemberTable::Holds(const ProbeReply& answer, const NodeInfo& known, const NodeInfo& newcomer) {
  if (answer.node != known.id) return false;  // The port has found a new owner.
  return newcomer.address != known.address || answer.incarnation != newcomer.incarnation;
}

Error MemberTable::Duplicate(const NodeInfo& newcomer, const std::string& holder) {
  return Error{ErrorCode::kAlreadyExists,
               "the node id " + newcomer.id.ToString() + " of " + newcomer.name + " at " +
                   newcomer.address + " belongs to " + holder +
                   ", which is running: a data directory serves one daemon only; stop the other, "
                   "or give this one a data directory of its own"};
}

bool MemberTable::IsRestored(const JoinRequest& newcomer) const {
  const Member* known = Find(newcomer.node.id);
  if (known == nullptr || known->info.life.is_null() || newcomer.node.life.is_null()) return false;
  if (known->info.life == newcomer.node.life) return false;
  const std::vector<LifeId>& former = newcomer.former_lives;
  return std::find(former.begin(), former.end(), known->info.life) == former.end() ||
         newcomer.next_number < known->told_number;
}

std::uint64_t MemberTable::FirstNumberFor(const JoinRequest& newcomer) const {
  const Member* known = Find(newcomer.node.id);
  if (known == nullptr) return newcomer.next_number;
  const std::uint64_t highest = std::max(known->next_number, newcomer.next_number);
  // What the other life gave out since its last heartbeat, nobody has told.
  if (!IsRestored(newcomer)) return highest;
  return std::min(highest + limits::kNumbersSkipped, TaskId::kNumberMax);
}

const Member& MemberTable::Admit(const JoinRequest& newcomer, MonoTime now) {
  const NodeInfo& node = newcomer.node;
  const bool restored = IsRestored(newcomer);
  const std::uint64_t first_number = FirstNumberFor(newcomer);
  auto [it, added] = members_.try_emplace(node.id);
  Member& member = it->second;
  if (!added && !member.left) Hide(member);
  if (node.life.is_null() || member.info.life != node.life) {
    member.restored = restored;
    member.told_number = newcomer.next_number;
  }
  member.info = node;
  member.next_number = first_number;
  member.told_number = std::max(member.told_number, newcomer.next_number);
  member.stored_number = member.next_number;
  member.left = false;
  member.stopped.reset();
  member.joined = true;
  member.heard = now;
  member.broke.reset();
  member.lost = false;
  member.cancelled_running.reset();
  member.host_load = {};
  member.live_tasks.reset();
  member.draining = false;
  Show(member);
  return member;
}

bool MemberTable::RecordHeartbeat(const HeartbeatRequest& beat, MonoTime now) {
  auto it = members_.find(beat.node);
  if (it == members_.end()) return false;
  Member& member = it->second;
  if (member.is_self || member.left || member.stopped || !member.joined ||
      member.info.incarnation != beat.incarnation || member.info.life != beat.life) {
    return false;
  }
  member.heard = now;
  member.broke.reset();
  member.lost = false;
  member.next_number = std::max(member.next_number, beat.next_number);
  member.told_number = std::max(member.told_number, beat.next_number);
  member.cancelled_running = beat.cancelled_running;
  member.host_load = beat.host_load;
  member.live_tasks = beat.live_tasks;
  member.draining = beat.draining;
  return true;
}

void MemberTable::RecordConnectionFailure(const NodeId& node, MonoTime began, MonoTime now) {
  const auto it = members_.find(node);
  if (it == members_.end()) return;
  Member& member = it->second;
  if (!member.broke) {
    member.broke = now;
  } else if (began > *member.broke) {
    member.lost = true;
  }
}

bool MemberTable::TakeNumbersToStore(const NodeId& node) {
  auto it = members_.find(node);
  if (it == members_.end()) return false;
  Member& member = it->second;
  if (member.next_number < member.stored_number + limits::kIdBlock) return false;
  member.stored_number = member.next_number;
  return true;
}

void MemberTable::MarkLeft(const NodeId& node) {
  auto it = members_.find(node);
  if (it == members_.end() || it->second.left) return;
  Hide(it->second);
  it->second.left = true;
  it->second.stopped.reset();
  it->second.joined = false;
  it->second.heard.reset();
}

void MemberTable::MarkStopped(const NodeId& node, WallTime when) {
  auto it = members_.find(node);
  if (it == members_.end() || it->second.left) return;
  it->second.stopped = when;
  it->second.joined = false;
  it->second.heard.reset();
}

void MemberTable::Forget(const NodeId& node) {
  auto it = members_.find(node);
  if (it == members_.end()) return;
  if (!it->second.left) Hide(it->second);
  members_.erase(it);
}

const Member* MemberTable::Find(const NodeId& node) const {
  auto it = members_.find(node);
  return it == members_.end() ? nullptr : &it->second;
}

const Member* MemberTable::FindPresent(std::string_view node) const {
  std::optional<NodeId> id = NodeId::Parse(node);
  const Member* member = id ? Find(*id) : nullptr;
  return member != nullptr && !member->left ? member : nullptr;
}

bool MemberTable::IsAlive(const Member& member, MonoTime now) const {
  if (member.is_self) return true;
  return member.heard && now - *member.heard <= limits::kSilentAfter;
}

Standing MemberTable::StandingOf(const Member& member, const Clock& clock) const {
  const MonoTime now = clock.Now();
  Standing standing{Presence::kAlive, member.connected(), std::nullopt};
  if (IsAlive(member, now)) return standing;
  if (member.stopped) {
    standing.presence = Presence::kStopped;
    if (*member.stopped > WallTime()) standing.since = member.stopped;
  } else if (member.heard) {
    standing.presence = Presence::kSilent;
    standing.since =
        clock.Wall() - std::chrono::duration_cast<WallClock::duration>(now - *member.heard);
  } else {
    standing.presence = Presence::kNotJoined;
    standing.since = started_;
  }
  return standing;
}

void MemberTable::Show(const Member& member) {
  ++version_;
  present_.insert(std::lower_bound(present_.begin(), present_.end(), &member, Before), &member);
}

void MemberTable::Hide(const Member& member) {
  ++version_;
  auto it = std::lower_bound(present_.begin(), present_.end(), &member, Before);
  if (it != present_.end() && *it == &member) present_.erase(it);
}

KnownNode ToKnown(const Member& member) {
  return KnownNode{member.info, member.next_number, member.told_number, member.left,
                   member.stopped};
}

PendingAt PendingOf(const Member& member) {
  PendingAt at{member.info.id, {}};
  if (!member.info.life.is_null()) at.horizon = {member.info.life, member.told_number};
  return at;
}

}  // namespace quell
