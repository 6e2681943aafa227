// The requests and replies themselves.
#include <algorithm>
#include <cassert>
#include <iterator>

#include "core/limits.h"
#include "core/validity.h"
#include "transport/grpc/convert.h"
#include "transport/grpc/fields.h"

namespace quell {

using fields::Garbage;
using fields::ParseId;
using fields::Reader;
using fields::SetText;
using fields::Valid;

namespace {

template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};
template <typename... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

template <typename T>
Status AsStatus(const Result<T>& result) {
  if (!result) return result.error();
  return {};
}

Result<std::vector<Intent>> Intents(const google::protobuf::RepeatedPtrField<v1::Intent>& from) {
  if (static_cast<std::size_t>(from.size()) > limits::kIntentsPerReply) {
    return Garbage("the intents", "are too many");
  }
  std::vector<Intent> intents;
  intents.reserve(static_cast<std::size_t>(from.size()));
  for (const v1::Intent& intent : from) {
    Result<Intent> converted = FromProto(intent);
    if (!converted) return std::move(converted).error();
    intents.push_back(std::move(*converted));
  }
  return intents;
}

void WriteInfo(const NodeInfo& from, v1::NodeInfo* to) {
  to->set_id(from.id.ToString());
  to->set_incarnation(static_cast<std::uint64_t>(from.incarnation));
  SetText(from.name, to->mutable_name());
  SetText(from.address, to->mutable_address());
  SetText(from.host, to->mutable_host());
  for (const std::string& role : from.roles)
    SetText(role, to->add_roles());
  for (const Header& attribute : from.attributes) {
    v1::Header* added = to->add_attributes();
    SetText(attribute.name, added->mutable_name());
    SetText(attribute.value, added->mutable_value());
  }
  SetText(from.version, to->mutable_version());
  SetText(from.boot_id, to->mutable_boot_id());
  if (!from.life.is_null()) to->set_life(from.life.ToString());
}

Result<NodeInfo> ReadInfo(const v1::NodeInfo& from) {
  // Each field again is the coordinator's matter; what cannot be read at all is refused here.
  if (from.ByteSizeLong() > limits::kNodeInfoMax) {
    return Garbage("what the node says of itself", "is too long");
  }
  Reader reader;
  NodeInfo info;
  reader.Take(ParseId<NodeId>("the node's id", from.id()), &info.id);
  reader.Take(fields::Life("the node's incarnation", from.incarnation()), &info.incarnation);
  reader.Check(Valid(CheckText("node's name", from.name(), limits::kNodeNameMax)));
  info.name = from.name();
  info.address = from.address();
  info.host = from.host();
  info.roles.assign(from.roles().begin(), from.roles().end());
  for (const v1::Header& attribute : from.attributes())
    info.attributes.push_back({attribute.name(), attribute.value()});
  info.version = from.version();
  info.boot_id = from.boot_id();
  if (!from.life().empty())
    reader.Take(ParseId<LifeId>("the node's life", from.life()), &info.life);
  return reader.Finish(std::move(info));
}

Result<ApplyReply> Applied(const v1::ApplyReply& from, std::vector<IntentAck> acks) {
  ApplyReply reply{std::move(acks)};
  const Status appended = AppendAcks(from.acks(), &reply.acks);
  if (!appended) return appended.error();
  return reply;
}

Result<GetReply> Got(const v1::GetReply& from) {
  GetReply reply;
  reply.ended = from.ended();
  if (from.has_receipt()) {
    Result<Receipt> receipt = FromProto(from.receipt());
    if (!receipt) return std::move(receipt).error();
    reply.receipt = std::move(*receipt);
  }
  if (!from.life().empty()) {
    const Result<LifeId> life = ParseId<LifeId>("the node's life", from.life());
    if (!life) return life.error();
    reply.life = *life;
  }
  return reply;
}

Result<ProbeReply> Probed(const v1::ProbeReply& from) {
  Reader reader;
  ProbeReply reply;
  reader.Take(ParseId<NodeId>("the node's id", from.node()), &reply.node);
  reader.Take(fields::Life("the node's incarnation", from.incarnation()), &reply.incarnation);
  return reader.Finish(reply);
}

void WriteRequestTask(const RequestTask& from, v1::RequestTask* to) {
  SetText(from.action, to->mutable_action());
  if (from.parent) ToProto(*from.parent, to->mutable_parent());
  for (const Header& header : from.headers) {
    v1::Header* added = to->add_headers();
    SetText(header.name, added->mutable_name());
    SetText(header.value, added->mutable_value());
  }
}

Result<RequestTask> ReadRequestTask(const v1::RequestTask& from) {
  Reader reader;
  RequestTask request;
  reader.Check(Valid(CheckAction(from.action())));
  request.action = from.action();
  if (from.has_parent()) reader.Take(FromProto(from.parent()), &request.parent.emplace());
  if (static_cast<std::size_t>(from.headers_size()) > limits::kHeadersMax) {
    return Garbage("a request's headers", "are too many");
  }
  for (const v1::Header& header : from.headers())
    request.headers.push_back({header.name(), header.value()});
  reader.Check(Valid(CheckHeaders(request.headers)));
  return reader.Finish(std::move(request));
}

void WriteAwait(const AwaitRequest& from, v1::AwaitRequest* to) {
  if (const auto* numbers = std::get_if<std::vector<std::uint64_t>>(&from.which)) {
    to->mutable_numbers()->mutable_numbers()->Add(numbers->begin(), numbers->end());
  } else {
    ToProto(std::get<TaskFilter>(from.which), to->mutable_filter());
  }
  to->set_descendants(from.descendants);
  to->set_detailed(from.detailed);
  to->set_limit_micros(static_cast<std::uint64_t>(std::max<std::int64_t>(from.limit.count(), 0)));
  if (from.as_task) WriteRequestTask(*from.as_task, to->mutable_as_task());
}

Result<AwaitRequest> Awaited(const v1::AwaitRequest& from) {
  Reader reader;
  AwaitRequest request;
  if (from.has_numbers()) {
    const auto& numbers = from.numbers().numbers();
    if (static_cast<std::size_t>(numbers.size()) > limits::kTasksPerNodeMax) {
      return Garbage("the awaited numbers", "are too many");
    }
    for (const std::uint64_t number : numbers)
      reader.Check(AsStatus(fields::TaskNumber("awaited number", number)));
    request.which.emplace<0>(numbers.begin(), numbers.end());
  } else if (from.has_filter()) {
    TaskFilter filter;
    reader.Take(FromProto(from.filter()), &filter);
    request.which = std::move(filter);
  } else {
    return Garbage("which tasks are awaited", "is absent or unknown");
  }
  request.descendants = from.descendants();
  request.detailed = from.detailed();
  constexpr std::uint64_t kLongest = std::chrono::microseconds(limits::kWaitMax).count();
  request.limit = std::chrono::microseconds(std::min(from.limit_micros(), kLongest));
  if (from.has_as_task()) {
    reader.Take(ReadRequestTask(from.as_task()), &request.as_task.emplace());
  }
  return reader.Finish(std::move(request));
}

void WriteList(const ListRequest& from, v1::ListRequest* to) {
  ToProto(from.filter, to->mutable_filter());
  to->set_detailed(from.detailed);
  to->set_after(from.after);
  to->set_limit(from.limit);
  to->set_ended_since_micros(fields::Micros(from.ended_since));
  if (from.as_task) WriteRequestTask(*from.as_task, to->mutable_as_task());
}

Result<ListRequest> Listed(const v1::ListRequest& from) {
  Reader reader;
  ListRequest request;
  reader.Take(FromProto(from.filter()), &request.filter);
  request.detailed = from.detailed();
  request.after = from.after();
  request.limit = from.limit();
  reader.Take(fields::MaybeWall("beginning of a list", from.ended_since_micros()),
              &request.ended_since);
  if (from.has_as_task()) {
    reader.Take(ReadRequestTask(from.as_task()), &request.as_task.emplace());
  }
  return reader.Finish(std::move(request));
}

template <typename T>
Result<NodeReply> AsReply(Result<T> from) {
  if (!from) return std::move(from).error();
  return NodeReply(std::move(*from));
}

}  // namespace

void ToProto(const NodeRequest& from, v1::NodeRequest* to) {
  std::visit(Overloaded{[to](const ListRequest& list) { WriteList(list, to->mutable_list()); },
                        [to](const GetRequest& get) { to->mutable_get()->set_number(get.number); },
                        [to](const ApplyRequest& apply) {
                          v1::ApplyRequest* message = to->mutable_apply();
                          for (const Intent& intent : apply.intents)
                            ToProto(intent, message->add_intents());
                        },
                        [to](const ProbeRequest&) { to->mutable_probe(); },
                        [to](const AwaitRequest& await) { WriteAwait(await, to->mutable_await()); },
                        [to](const DrainRequest& drain) {
                          to->mutable_drain()->set_off(drain.off);
                          to->mutable_drain()->set_leave(drain.leave);
                        }},
             from);
}

Result<NodeRequest> FromProto(const v1::NodeRequest& from) {
  switch (from.ask_case()) {
    case v1::NodeRequest::kList: {
      Result<ListRequest> list = Listed(from.list());
      if (!list) return std::move(list).error();
      return NodeRequest(std::move(*list));
    }
    case v1::NodeRequest::kGet: {
      const Result<std::uint64_t> number = fields::TaskNumber("wanted task", from.get().number());
      if (!number) return number.error();
      return NodeRequest(GetRequest{*number});
    }
    case v1::NodeRequest::kApply: {
      Result<std::vector<Intent>> intents = Intents(from.apply().intents());
      if (!intents) return std::move(intents).error();
      return NodeRequest(ApplyRequest{std::move(*intents)});
    }
    case v1::NodeRequest::kProbe:
      return NodeRequest(ProbeRequest{});
    case v1::NodeRequest::kAwait: {
      Result<AwaitRequest> await = Awaited(from.await());
      if (!await) return std::move(await).error();
      return NodeRequest(std::move(*await));
    }
    case v1::NodeRequest::kDrain:
      return NodeRequest(DrainRequest{from.drain().off(), from.drain().leave()});
    case v1::NodeRequest::kWithdraw:
    case v1::NodeRequest::ASK_NOT_SET:
      break;
  }
  return Garbage("what is asked", "is absent or unknown");
}

void ToProto(const NodeReply& from, v1::NodeReply* to) {
  std::visit(Overloaded{[to](const ListReply& list) {
                          to->mutable_list()->set_count(list.count);
                          to->mutable_list()->set_more(list.more);
                        },
                        [to](const GetReply& get) {
                          v1::GetReply* message = to->mutable_get();
                          message->set_ended(get.ended);
                          if (get.receipt) ToProto(*get.receipt, message->mutable_receipt());
                          if (!get.life.is_null()) message->set_life(get.life.ToString());
                        },
                        [to](const ApplyReply& apply) {
                          v1::ApplyReply* message = to->mutable_apply();
                          for (const IntentAck& ack : apply.acks)
                            ToProto(ack, message->add_acks());
                        },
                        [to](const ProbeReply& probe) {
                          v1::ProbeReply* message = to->mutable_probe();
                          message->set_node(probe.node.ToString());
                          message->set_incarnation(static_cast<std::uint64_t>(probe.incarnation));
                        },
                        [to](const AwaitReply& await) {
                          to->mutable_await()->set_count(await.count);
                          to->mutable_await()->set_running(await.running);
                        },
                        [to](const DrainReply& drain) {
                          to->mutable_drain()->set_live(drain.live);
                          to->mutable_drain()->set_draining(drain.draining);
                          to->mutable_drain()->set_leaving(drain.leaving);
                        }},
             from);
}

Status AppendAcks(const google::protobuf::RepeatedPtrField<v1::IntentAck>& from,
                  std::vector<IntentAck>* to) {
  for (const v1::IntentAck& message : from) {
    Result<IntentAck> ack = FromProto(message);
    if (!ack) return std::move(ack).error();
    if (to->empty() || to->back().intent != ack->intent) {
      to->push_back(std::move(*ack));
      continue;
    }
    IntentAck& last = to->back();
    last.receipts.insert(last.receipts.end(), std::move_iterator(ack->receipts.begin()),
                         std::move_iterator(ack->receipts.end()));
    last.doubtful.insert(last.doubtful.end(), ack->doubtful.begin(), ack->doubtful.end());
  }
  return {};
}

Result<NodeReply> FromProto(const v1::NodeReply& from, std::vector<IntentAck> acks) {
  switch (from.end_case()) {
    case v1::NodeReply::kList:
      return NodeReply(ListReply{from.list().count(), from.list().more()});
    case v1::NodeReply::kGet:
      return AsReply(Got(from.get()));
    case v1::NodeReply::kApply:
      return AsReply(Applied(from.apply(), std::move(acks)));
    case v1::NodeReply::kProbe:
      return AsReply(Probed(from.probe()));
    case v1::NodeReply::kAwait:
      return NodeReply(AwaitReply{from.await().count(), from.await().running()});
    case v1::NodeReply::kDrain:
      return NodeReply(
          DrainReply{from.drain().live(), from.drain().draining(), from.drain().leaving()});
    case v1::NodeReply::kError:
      return FromProto(from.error());
    case v1::NodeReply::END_NOT_SET:
      break;
  }
  return Garbage("the end of an answer", "is absent or unknown");
}

void ToProto(const JoinRequest& from, v1::JoinRequest* to) {
  WriteInfo(from.node, to->mutable_node());
  to->set_next_number(from.next_number);
  for (const LifeId& life : from.former_lives)
    to->add_former_lives(life.ToString());
}

Result<JoinRequest> FromProto(const v1::JoinRequest& from) {
  Reader reader;
  JoinRequest request;
  reader.Take(ReadInfo(from.node()), &request.node);
  reader.Check(Valid(CheckNextNumber(from.next_number())));
  request.next_number = from.next_number();
  if (static_cast<std::size_t>(from.former_lives_size()) > limits::kLivesKept) {
    return Garbage("the node's former lives", "are too many");
  }
  for (const std::string& life : from.former_lives())
    reader.Take(ParseId<LifeId>("a former life", life), &request.former_lives.emplace_back());
  return reader.Finish(std::move(request));
}

void ToProto(const JoinReply& from, v1::JoinReply* to) {
  to->set_coordinator(from.coordinator.ToString());
  SetText(from.coordinator_name, to->mutable_coordinator_name());
  to->set_next_number(from.next_number);
  for (const Intent& intent : from.pending)
    ToProto(intent, to->add_pending());
  to->set_wall_micros(MicrosSinceEpoch(from.wall));
  if (!from.clock.known()) return;
  SetText(from.clock.boot_id, to->mutable_boot_id());
  ToProto(from.clock, to->mutable_clock());
}

Result<JoinReply> FromProto(const v1::JoinReply& from) {
  Reader reader;
  JoinReply reply;
  reader.Take(ParseId<NodeId>("the coordinator's id", from.coordinator()), &reply.coordinator);
  reader.Check(
      Valid(CheckText("coordinator's name", from.coordinator_name(), limits::kNodeNameMax)));
  reply.coordinator_name = from.coordinator_name();
  reader.Check(Valid(CheckNextNumber(from.next_number())));
  reply.next_number = from.next_number();
  reader.Take(Intents(from.pending()), &reply.pending);
  reader.Take(fields::Wall("coordinator's clock", from.wall_micros()), &reply.wall);
  if (from.has_clock()) reader.Take(FromProto(from.clock()), &reply.clock);
  return reader.Finish(std::move(reply));
}

void ToProto(const HeartbeatRequest& from, v1::HeartbeatRequest* to) {
  to->set_node(from.node.ToString());
  to->set_incarnation(static_cast<std::uint64_t>(from.incarnation));
  to->set_next_number(from.next_number);
  if (!from.life.is_null()) to->set_life(from.life.ToString());
  for (const IntentAck& ack : from.acks)
    ToProto(ack, to->add_acks());
  for (const Intent& intent : from.handoff)
    ToProto(intent, to->add_handoff());
  if (from.host_load.measured()) ToProto(from.host_load, to->mutable_host_load());
  if (from.live_tasks) to->set_live_tasks(*from.live_tasks);
  to->set_draining(from.draining);
  if (!from.cancelled_running) return;
  to->mutable_cancelled_running()->set_now(from.cancelled_running->now);
  to->mutable_cancelled_running()->set_total(from.cancelled_running->total);
}

Result<HeartbeatRequest> FromProto(const v1::HeartbeatRequest& from) {
  Reader reader;
  HeartbeatRequest request;
  reader.Take(ParseId<NodeId>("the node's id", from.node()), &request.node);
  reader.Take(fields::Life("the node's incarnation", from.incarnation()), &request.incarnation);
  reader.Check(Valid(CheckNextNumber(from.next_number())));
  request.next_number = from.next_number();
  if (!from.life().empty()) {
    reader.Take(ParseId<LifeId>("the node's life", from.life()), &request.life);
  }
  reader.Check(AppendAcks(from.acks(), &request.acks));
  reader.Take(Intents(from.handoff()), &request.handoff);
  if (from.has_cancelled_running()) {
    request.cancelled_running =
        CancelledRunning{from.cancelled_running().now(), from.cancelled_running().total()};
  }
  reader.Take(FromProto(from.host_load()), &request.host_load);
  if (from.has_live_tasks()) request.live_tasks = from.live_tasks();
  request.draining = from.draining();
  return reader.Finish(std::move(request));
}

void ToProto(const HeartbeatReply& from, v1::HeartbeatReply* to) {
  for (const IntentId& id : from.settled)
    to->add_settled(id.ToString());
  to->set_rejoin(from.rejoin);
  for (const Intent& intent : from.pending)
    ToProto(intent, to->add_pending());
  to->set_wall_micros(MicrosSinceEpoch(from.wall));
  if (from.clock.known()) ToProto(from.clock, to->mutable_clock());
}

Result<HeartbeatReply> FromProto(const v1::HeartbeatReply& from) {
  Reader reader;
  HeartbeatReply reply;
  reply.rejoin = from.rejoin();
  reader.Take(Intents(from.pending()), &reply.pending);
  reader.Take(fields::Wall("coordinator's clock", from.wall_micros()), &reply.wall);
  if (from.has_clock()) reader.Take(FromProto(from.clock()), &reply.clock);
  for (const std::string& id : from.settled())
    reader.Take(ParseId<IntentId>("a settled intent", id), &reply.settled.emplace_back());
  return reader.Finish(std::move(reply));
}

void ToProto(const LeaveRequest& from, v1::LeaveRequest* to) {
  to->set_node(from.node.ToString());
  to->set_incarnation(static_cast<std::uint64_t>(from.incarnation));
  to->set_for_good(from.for_good);
}

Result<LeaveRequest> FromProto(const v1::LeaveRequest& from) {
  Reader reader;
  LeaveRequest request;
  reader.Take(ParseId<NodeId>("the node's id", from.node()), &request.node);
  reader.Take(fields::Life("the node's incarnation", from.incarnation()), &request.incarnation);
  request.for_good = from.for_good();
  return reader.Finish(request);
}

}  // namespace quell
