#include "tests/support/sim_node_client.h"

#include <utility>

#include "core/limits.h"

namespace quell {
namespace {

const char* NameOf(const NodeRequest& request) {
  constexpr const char* kNames[] = {"list", "get", "apply", "probe", "await", "drain"};
  return kNames[request.index()];
}

Error Unavailable(std::string message) {
  return {ErrorCode::kUnavailable, std::move(message)};
}

}  // namespace

SimNodeClient::SimNodeClient(SimNetwork& network, std::string host, SimExecutor& executor)
    : state_(std::make_shared<State>(State{network, std::move(host), executor, {}, {}})),
      number_(network.next_++) {
  network.clients_[number_] = {state_->host, [state = state_.get()](const std::string& other) {
                                 for (const auto& [id, address] : state->addresses) {
                                   if (SimNetwork::HostOf(address) == other) {
                                     state->EndAllOf(id, "the connection broke");
                                   }
                                 }
                               }};
}

SimNodeClient::~SimNodeClient() {
  for (const auto& [ask, open] : state_->asks)
    state_->TellGone(open, ask, SimNetwork::Care::kSure);
  state_->network.clients_.erase(number_);
}

void SimNodeClient::Connect(const NodeInfo& node) {
  state_->EndAllOf(node.id, "the connection was replaced");
  state_->addresses[node.id] = node.address;
}

void SimNodeClient::Disconnect(const NodeId& node) {
  state_->EndAllOf(node, "disconnected");
  state_->addresses.erase(node);
}

void SimNodeClient::Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
                        std::shared_ptr<ReplySink> sink) {
  State& state = *state_;
  SimNetwork& network = state.network;
  std::size_t waiting = 0;
  for (const auto& [number, open] : state.asks)
    waiting += open.node == node ? 1 : 0;

  const std::uint64_t ask = network.next_++;
  state.asks.emplace(ask, OpenAsk{node, {}, std::move(sink), TimerId::kNone, {}, 0});
  const auto known = state.addresses.find(node);
  if (known == state.addresses.end()) return state.EndSoon(ask, Unavailable("not connected"));
  if (waiting >= limits::kAsksPerNodeMax) {
    return state.EndSoon(ask, {ErrorCode::kResourceExhausted, "too much is waiting for the node"});
  }
  const MonoTime fires = deadline + network.Upto(network.weather.late_deadline_max);
  const std::weak_ptr<State> weak = state_;
  state.asks.at(ask).deadline = state.executor.At(fires, [weak, ask] {
    const auto alive = weak.lock();
    if (!alive) return;
    const auto late = alive->asks.find(ask);
    if (late == alive->asks.end()) return;
    alive->TellGone(late->second, ask, SimNetwork::Care::kMayBeLost);
    alive->End(ask, Error{ErrorCode::kDeadlineExceeded, "the node did not answer in time"});
  });
  state.asks.at(ask).address = known->second;
  const MonoClock::duration left = deadline - state.executor.clock().Now();
  network.Send(state.host, SimNetwork::HostOf(known->second),
               NameOf(request) + (" " + std::to_string(ask)),
               [&network, address = known->second, weak, host = state.host, ask,
                request = std::move(request),
                left] { Serve(network, address, weak, host, ask, request, left); });
}

void SimNodeClient::Withdraw(const NodeId& node, const ReplySink& sink) {
  for (const auto& [ask, open] : state_->asks) {
    if (open.node != node || open.sink.get() != &sink) continue;
    state_->TellGone(open, ask, SimNetwork::Care::kMayBeLost);
    return state_->EndSoon(ask, {ErrorCode::kCancelled, "nobody waits for the answer any more"});
  }
}

void SimNodeClient::Serve(SimNetwork& network, const std::string& address,
                          const std::weak_ptr<State>& weak, const std::string& client_host,
                          std::uint64_t ask, const NodeRequest& request, MonoClock::duration left) {
  const std::string host = SimNetwork::HostOf(address);
  const auto tell = [&network, host, client_host, weak, ask](const std::string& why) {
    network.Send(
        host, client_host, why + " " + std::to_string(ask),
        [weak, ask, why] {
          if (const auto alive = weak.lock()) alive->EndSoon(ask, Unavailable(why));
        },
        SimNetwork::Care::kSure);
  };
  SimNetwork::Endpoint* endpoint = network.Find(address);
  if (endpoint == nullptr || endpoint->node == nullptr) {
    ++network.counters_.refused;
    return tell("connection refused");
  }
  const std::uint64_t execution = network.next_++;
  endpoint->open[execution] = [tell] { tell("connection broke"); };
  auto writer = std::make_shared<SimReplyWriter>(network, address, endpoint->life, weak,
                                                 client_host, ask, execution);
  endpoint->executor->Post([&network, address, life = endpoint->life, request, left, client_host,
                            writer = std::move(writer)]() mutable {
    SimNetwork::Endpoint* still = network.Find(address, life);
    if (still == nullptr) return;
    Principal who;
    who.transport = Principal::Transport::kLoopback;
    who.address = client_host;
    const MonoTime deadline = still->executor->clock().Now() + left;
    still->node->OnRequest(request, who, deadline, std::move(writer));
  });
}

void SimNodeClient::State::End(std::uint64_t ask, Result<NodeReply> reply) {
  auto ended = asks.extract(ask);
  if (ended.empty()) return;
  executor.Cancel(ended.mapped().deadline);
  ended.mapped().sink->OnDone(std::move(reply));
}

void SimNodeClient::State::EndSoon(std::uint64_t ask, Error error) {
  const auto open = asks.find(ask);
  if (open == asks.end()) return;
  // The sink outlives the client's state, if its process does.
  auto ended = asks.extract(open);
  executor.Cancel(ended.mapped().deadline);
  executor.Post(
      [sink = std::move(ended.mapped().sink), error = std::move(error)] { sink->OnDone(error); });
}

void SimNodeClient::State::TellGone(const OpenAsk& open, std::uint64_t ask,
                                    SimNetwork::Care care) const {
  if (!open.address.empty()) network.SendWithdraw(host, open.address, ask, care);
}

void SimNodeClient::State::EndAllOf(const NodeId& node, const std::string& why) {
  std::vector<std::uint64_t> doomed;
  for (const auto& [ask, open] : asks) {
    if (open.node == node) doomed.push_back(ask);
  }
  for (const std::uint64_t ask : doomed) {
    TellGone(asks.at(ask), ask, SimNetwork::Care::kSure);
    EndSoon(ask, Unavailable(why));
  }
}

void SimNodeClient::State::Arrived(std::uint64_t ask, std::uint64_t execution, std::uint64_t number,
                                   std::shared_ptr<const Frame> frame) {
  auto open = asks.find(ask);
  if (open == asks.end()) return;  // Late, or the end has been heard.
  if (open->second.bound == 0 && number == 0) open->second.bound = execution;
  Assembly& answer = open->second.answers[execution];
  if (number >= answer.next) answer.waiting.emplace(number, std::move(frame));
  if (open->second.bound != execution) return;
  // The sink may do anything, also ask again: look the ask up anew each time.
  while (open != asks.end()) {
    Assembly& bound = open->second.answers[execution];
    auto next = bound.waiting.extract(bound.next);
    if (next.empty()) return;
    ++bound.next;
    const Frame& arrived = *next.mapped();
    if (arrived.end) return End(ask, *arrived.end);
    std::vector<TaskView> views;
    for (const SeenTask& task : arrived.page)
      views.push_back(task.View());
    const std::shared_ptr<ReplySink> sink = open->second.sink;
    sink->OnTasks(views);
    open = asks.find(ask);
  }
}

SimReplyWriter::SimReplyWriter(SimNetwork& network, std::string address, std::uint64_t life,
                               std::weak_ptr<SimNodeClient::State> client, std::string client_host,
                               std::uint64_t ask, std::uint64_t execution)
    : network_(network),
      address_(std::move(address)),
      life_(life),
      client_(std::move(client)),
      client_host_(std::move(client_host)),
      ask_(ask),
      execution_(execution) {}

SimReplyWriter::~SimReplyWriter() {
  SimNetwork::Endpoint* endpoint = network_.Find(address_, life_);
  if (finished_ || endpoint == nullptr) return;
  endpoint->open.erase(execution_);
  endpoint->gone.erase(execution_);
  if (Wanted()) network_.Violation("a ReplyWriter was dropped, unfinished, at " + address_);
}

bool SimReplyWriter::Wanted() const {
  const auto client = client_.lock();
  return client && client->executor.alive() && client->asks.count(ask_) > 0;
}

void SimReplyWriter::Tasks(std::span<const TaskView> page, std::function<void()> then) {
  if (finished_) return network_.Violation("a page after the end, at " + address_);
  if (*busy_) return network_.Violation("a page before the one before it was sent");
  if (page.size() > limits::kPageTasks) return network_.Violation("a page of too many tasks");
  SimNetwork::Endpoint* endpoint = network_.Find(address_, life_);
  if (endpoint == nullptr) return;
  if (network_.taps.page) network_.taps.page(address_, page);
  auto frame = std::make_shared<SimNodeClient::Frame>();
  for (const TaskView& view : page)
    frame->page.emplace_back(view);
  SendFrame(std::move(frame));
  *busy_ = true;
  const MonoClock::duration sent = network_.Upto(network_.weather.delay_max);
  endpoint->executor->After(sent,
                            [busy = busy_, then = std::move(then), client = client_, ask = ask_] {
                              const auto alive = client.lock();
                              if (!alive || !alive->executor.alive() || alive->asks.count(ask) == 0)
                                return;
                              *busy = false;
                              then();
                            });
}

void SimReplyWriter::Finish(Result<NodeReply> reply) {
  if (finished_) return network_.Violation("an answer was finished twice, at " + address_);
  finished_ = true;
  SimNetwork::Endpoint* endpoint = network_.Find(address_, life_);
  if (endpoint == nullptr) return;
  endpoint->open.erase(execution_);
  endpoint->gone.erase(execution_);
  if (network_.taps.reply) network_.taps.reply(address_, reply);
  auto frame = std::make_shared<SimNodeClient::Frame>();
  frame->end = std::move(reply);
  SendFrame(std::move(frame));
}

void SimReplyWriter::OnGone(std::function<void()> gone) {
  if (SimNetwork::Endpoint* endpoint = network_.Find(address_, life_)) {
    endpoint->gone[execution_] = {ask_, std::move(gone)};
  }
}

void SimReplyWriter::SendFrame(std::shared_ptr<const SimNodeClient::Frame> frame) {
  const std::uint64_t number = next_frame_++;
  const std::string what = (frame->end ? "end " : "page ") + std::to_string(ask_);
  network_.Send(SimNetwork::HostOf(address_), client_host_, what,
                [client = client_, ask = ask_, execution = execution_, number, frame] {
                  const auto alive = client.lock();
                  if (!alive) return;
                  alive->executor.Post([client, ask, execution, number, frame] {
                    const auto still = client.lock();
                    if (still) still->Arrived(ask, execution, number, frame);
                  });
                });
}

}  // namespace quell
