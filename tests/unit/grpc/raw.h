// Ends of Node.Link that say whatever a test wants, bytes that are no message included.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include "quell/v1/node.grpc.pb.h"
#include "tests/unit/grpc/support.h"

namespace quell {

grpc::ByteBuffer BytesOf(const std::string& text);
template <typename Message>
grpc::ByteBuffer BytesOf(const Message& message) {
  return BytesOf(message.SerializeAsString());
}

// A node whose answers a function makes: for each request the messages to write.
class RawNode {
 public:
  using Script = std::function<std::vector<grpc::ByteBuffer>(const v1::NodeRequest&)>;
  explicit RawNode(Script script);
  ~RawNode();
  NodeInfo info() const;

 private:
  class Service;
  RunningLoop loop_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<GrpcServer> server_;
};

// A coordinator that does one thing after the other and waits for each.
class RawLink {
 public:
  // `node`: the metadata by which it says whom it means; empty: none.
  explicit RawLink(const std::string& address, const std::string& node = "");
  ~RawLink();

  // False: the stream is broken.
  bool Write(const grpc::ByteBuffer& bytes);
  bool Write(const v1::NodeRequest& request) { return Write(BytesOf(request)); }
  // The next message; nullopt: the stream has ended.
  std::optional<v1::NodeReply> Read();
  void HalfClose();
  void Cancel() { context_.TryCancel(); }
  // How the stream ended.
  grpc::Status Finish();

 private:
  bool Await();

  grpc::CompletionQueue queue_;
  std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool finished_ = false;
};

}  // namespace quell
