// The coordinator's end of SimNetwork's way to the nodes, and the node's end of each ask. To be
// made by SimNetwork::MakeNodeClient() only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tests/support/seen_task.h"
#include "tests/support/sim_network.h"

namespace quell {

class SimNodeClient final : public NodeClient {
 public:
  SimNodeClient(SimNetwork& network, std::string host, SimExecutor& executor);
  ~SimNodeClient() override;

  void Connect(const NodeInfo& node) override;
  void Disconnect(const NodeId& node) override;
  void Ask(const NodeId& node, NodeRequest request, MonoTime deadline,
           std::shared_ptr<ReplySink> sink) override;
  void Withdraw(const NodeId& node, const ReplySink& sink) override;

 private:
  friend class SimReplyWriter;
  // One message of an answer: a page, or the end.
  struct Frame {
    std::vector<SeenTask> page;
    std::optional<Result<NodeReply>> end;
  };
  // An answer as its messages arrive: they reach the sink in their order, whatever the network
  // does. A request that arrived twice is answered twice: the answer whose start comes first
  // counts.
  struct Assembly {
    std::uint64_t next = 0;
    std::map<std::uint64_t, std::shared_ptr<const Frame>> waiting;
  };
  struct OpenAsk {
    NodeId node;
    std::string address;  // Empty: it was never sent.
    std::shared_ptr<ReplySink> sink;
    TimerId deadline = TimerId::kNone;
    std::map<std::uint64_t, Assembly> answers;  // By execution.
    std::uint64_t bound = 0;                    // The execution that counts; 0: none yet.
  };
  struct State {
    SimNetwork& network;
    std::string host;
    SimExecutor& executor;
    std::map<NodeId, std::string> addresses;
    std::map<std::uint64_t, OpenAsk> asks;

    void End(std::uint64_t ask, Result<NodeReply> reply);
    void EndSoon(std::uint64_t ask, Error error);
    // The node is told that nobody listens.
    void TellGone(const OpenAsk& open, std::uint64_t ask, SimNetwork::Care care) const;
    void EndAllOf(const NodeId& node, const std::string& why);
    void Arrived(std::uint64_t ask, std::uint64_t execution, std::uint64_t number,
                 std::shared_ptr<const Frame> frame);
  };
  static void Serve(SimNetwork& network, const std::string& address,
                    const std::weak_ptr<State>& weak, const std::string& client_host,
                    std::uint64_t ask, const NodeRequest& request, MonoClock::duration left);

  std::shared_ptr<State> state_;  // Shared with messages in flight, weakly.
  std::uint64_t number_;
};

class SimReplyWriter final : public ReplyWriter {
 public:
  SimReplyWriter(SimNetwork& network, std::string address, std::uint64_t life,
                 std::weak_ptr<SimNodeClient::State> client, std::string client_host,
                 std::uint64_t ask, std::uint64_t execution);
  ~SimReplyWriter() override;
  void Tasks(std::span<const TaskView> page, std::function<void()> then) override;
  void Finish(Result<NodeReply> reply) override;
  void OnGone(std::function<void()> gone) override;

 private:
  void SendFrame(std::shared_ptr<const SimNodeClient::Frame> frame);
  bool Wanted() const;

  SimNetwork& network_;
  const std::string address_;
  const std::uint64_t life_;
  const std::weak_ptr<SimNodeClient::State> client_;
  const std::string client_host_;
  const std::uint64_t ask_;
  const std::uint64_t execution_;
  std::uint64_t next_frame_ = 0;
  bool finished_ = false;
  std::shared_ptr<bool> busy_ = std::make_shared<bool>(false);  // A page is on its way out.
};

}  // namespace quell
