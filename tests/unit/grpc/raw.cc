#include "tests/unit/grpc/raw.h"

#include <deque>

#include <grpc/support/time.h>

#include "transport/grpc/channel.h"
#include "transport/grpc/link_metadata.h"
#include "transport/grpc/operation.h"

namespace quell {

grpc::ByteBuffer BytesOf(const std::string& text) {
  const grpc::Slice slice(text);
  return {&slice, 1};
}

namespace {

using RawService = v1::Node::WithRawMethod_Link<v1::Node::Service>;

class RawStream final : public std::enable_shared_from_this<RawStream> {
 public:
  RawStream(CqLoop& loop, std::shared_ptr<RawService> service, RawNode::Script script)
      : loop_(loop), service_(std::move(service)), script_(std::move(script)) {}

  void Accept() {
    if (!loop_.queue().Begin()) return;
    grpc::ServerCompletionQueue& queue = loop_.queue().completion_queue();
    service_->RequestLink(&context_, &stream_, &queue, &queue, accepted_.Tag(shared_from_this()));
  }

 private:
  void OnAccepted(bool ok) {
    if (!ok) return;
    std::make_shared<RawStream>(loop_, service_, script_)->Accept();
    Read();
  }
  void Read() {
    loop_.queue().Begin();
    stream_.Read(&bytes_, read_.Tag(shared_from_this()));
  }
  void OnRead(bool ok) {
    if (!ok) return;
    v1::NodeRequest request;
    grpc::Slice slice;
    EXPECT_EQ(bytes_.DumpToSingleSlice(&slice).ok(), true);
    EXPECT_TRUE(request.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
    for (grpc::ByteBuffer& message : script_(request))
      waiting_.push_back(std::move(message));
    if (!written_.in_flight()) WriteNext();
    Read();
  }
  void WriteNext() {
    if (waiting_.empty()) return;
    loop_.queue().Begin();
    stream_.Write(waiting_.front(), written_.Tag(shared_from_this()));
  }
  void OnWritten(bool ok) {
    waiting_.pop_front();
    if (ok) WriteNext();
  }

  CqLoop& loop_;
  const std::shared_ptr<RawService> service_;
  const RawNode::Script script_;
  grpc::ServerContext context_;
  grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer> stream_{&context_};
  MemberOperation<RawStream> accepted_{&RawStream::OnAccepted};
  MemberOperation<RawStream> read_{&RawStream::OnRead};
  MemberOperation<RawStream> written_{&RawStream::OnWritten};
  grpc::ByteBuffer bytes_;
  std::deque<grpc::ByteBuffer> waiting_;
};

}  // namespace

class RawNode::Service final : public GrpcService {
 public:
  std::shared_ptr<grpc::Service> service() override { return raw; }
  void Close() override {}

  const std::shared_ptr<RawService> raw = std::make_shared<RawService>();
};

RawNode::RawNode(Script script) : service_(std::make_unique<Service>()) {
  auto server = GrpcServer::Listen(*loop_, "127.0.0.1:0", {service_.get()});
  if (!server) {
    ADD_FAILURE() << server.error();
    return;
  }
  server_ = std::move(*server);
  loop_->Post([this, script = std::move(script)] {
    std::make_shared<RawStream>(*loop_, service_->raw, script)->Accept();
  });
}

RawNode::~RawNode() {
  server_->Shutdown();
  loop_->Stop();
}

NodeInfo RawNode::info() const {
  NodeInfo info;
  info.id = NodeOf(1);
  info.incarnation = Incarnation{1};
  info.address = server_->address();
  return info;
}

RawLink::RawLink(const std::string& address, const std::string& node)
    : channel_(rpc::MakeChannel(*rpc::ParseAddress(address))), stub_(channel_) {
  if (!node.empty()) context_.AddMetadata(rpc::kWantedNode, node);
  stream_ = stub_.PrepareCall(&context_, rpc::kLinkMethod, &queue_);
  stream_->StartCall(this);
  EXPECT_TRUE(Await());
}

RawLink::~RawLink() {
  context_.TryCancel();
  if (!finished_) Finish();
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool RawLink::Await() {
  void* tag = nullptr;
  bool ok = false;
  const gpr_timespec until = gpr_time_from_seconds(kForever.count(), GPR_TIMESPAN);
  EXPECT_EQ(queue_.AsyncNext(&tag, &ok, until), grpc::CompletionQueue::GOT_EVENT)
      << "waited in vain";
  return ok;
}

bool RawLink::Write(const grpc::ByteBuffer& bytes) {
  stream_->Write(bytes, this);
  return Await();
}

std::optional<v1::NodeReply> RawLink::Read() {
  grpc::ByteBuffer bytes;
  stream_->Read(&bytes, this);
  if (!Await()) return std::nullopt;
  grpc::Slice slice;
  v1::NodeReply reply;
  EXPECT_EQ(bytes.DumpToSingleSlice(&slice).ok(), true);
  EXPECT_TRUE(reply.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
  return reply;
}

void RawLink::HalfClose() {
  stream_->WritesDone(this);
  EXPECT_TRUE(Await());
}

grpc::Status RawLink::Finish() {
  grpc::Status status;
  stream_->Finish(&status, this);
  Await();
  finished_ = true;
  return status;
}

}  // namespace quell
