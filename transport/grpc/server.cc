#include "transport/grpc/server.h"

#include <arpa/inet.h>
#include <cerrno>
#include <cstring>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include <grpcpp/resource_quota.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "core/limits.h"
#include "transport/grpc/address.h"
#include "transport/grpc/keepalive.h"
#include "transport/grpc/operation.h"
#include "transport/grpc/server_queue.h"

namespace quell {
namespace {

constexpr std::size_t kMemoryMax = 256 * 1024 * 1024;
constexpr int kStreamsPerConnectionMax = 100;
constexpr int kMetadataMax = 8 * 1024;
constexpr int kHandshakeMillis = 5000;
constexpr std::int64_t kGraceMillis = 200;  // For services that were closed a moment ago.

template <typename Duration>
int Millis(Duration duration) {
  return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

Error Taken(const rpc::Address& address) {
  return {ErrorCode::kAlreadyExists, "port " + std::to_string(address.port) + " on " +
                                         address.host +
                                         " is taken: end the process that has it, or choose "
                                         "another (port 0 picks a free one)"};
}

// gRPC does not say why it could not listen, and writes its own words to stderr; so the port is
// tried first.
std::optional<Error> TryToBind(const rpc::Address& address) {
  const int family = address.v6 ? AF_INET6 : AF_INET;
  const int fd = ::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Error{ErrorCode::kInternal, std::string("socket: ") + std::strerror(errno)};
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_storage storage{};
  socklen_t length = 0;
  if (address.v6) {
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(address.port);
    ::inet_pton(AF_INET6, address.host.c_str(), &v6->sin6_addr);
    length = sizeof *v6;
  } else {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    v4->sin_family = AF_INET;
    v4->sin_port = htons(address.port);
    ::inet_pton(AF_INET, address.host.c_str(), &v4->sin_addr);
    length = sizeof *v4;
  }
  const bool bound =
      ::bind(fd, reinterpret_cast<sockaddr*>(&storage), length) == 0 && ::listen(fd, 1) == 0;
  const int code = errno;
  ::close(fd);
  if (bound) return std::nullopt;
  if (code == EADDRINUSE) return Taken(address);
  if (code == EACCES) {
    return Error{ErrorCode::kPermissionDenied,
                 "may not listen on " + address.ToString() + ": choose a port from 1024 on"};
  }
  return Error{ErrorCode::kInvalidArgument, "cannot listen on " + address.ToString() + ": " +
                                                std::strerror(code) + "; choose another address"};
}

void SetArguments(grpc::ServerBuilder& builder) {
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMetadataMax);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMillis);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, Millis(rpc::kKeepaliveTime));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, Millis(rpc::kKeepaliveTimeout));
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             Millis(rpc::kPingIntervalMin));
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PING_STRIKES, rpc::kPingStrikesMax);
  builder.SetMaxReceiveMessageSize(static_cast<int>(limits::kGrpcMessageMax));
  builder.SetMaxSendMessageSize(static_cast<int>(limits::kGrpcMessageMax));
  grpc::ResourceQuota quota("quell");
  quota.Resize(kMemoryMax);
  builder.SetResourceQuota(quota);
}

}  // namespace

ServerQueue MakeServerQueue() {
  auto builder = std::make_shared<grpc::ServerBuilder>();
  std::unique_ptr<grpc::ServerCompletionQueue> queue = builder->AddCompletionQueue();
  return {std::move(builder), std::move(queue), nullptr};
}

class GrpcServer::Impl {
 public:
  Impl(std::unique_ptr<grpc::Server> server, std::vector<GrpcService*> services)
      : services_(std::move(services)), server_(std::move(server)) {
    for (GrpcService* service : services_)
      served_.push_back(service->service());
  }

  void Shutdown() {
    // gRPC waits for calls that it took in and we did not end.
    for (GrpcService* service : std::exchange(services_, {}))
      service->Close();
    server_->Shutdown(gpr_time_from_millis(kGraceMillis, GPR_TIMESPAN));
  }

 private:
  std::vector<GrpcService*> services_;
  std::vector<std::shared_ptr<grpc::Service>> served_;  // The server must not outlive them.
  std::unique_ptr<grpc::Server> server_;
};

Result<std::unique_ptr<GrpcServer>> GrpcServer::Listen(
    CqLoop& loop, std::string_view address, std::initializer_list<GrpcService*> services) {
  Result<rpc::Address> parsed = rpc::ParseAddress(address);
  if (!parsed) return std::move(parsed).error();
  if (!parsed->IsLoopback()) {
    return Error{ErrorCode::kPermissionDenied,
                 "will not listen on " + parsed->ToString() +
                     ": without authentication only loopback is safe; listen on 127.0.0.1:" +
                     std::to_string(parsed->port)};
  }
  if (std::optional<Error> error = TryToBind(*parsed)) return *std::move(error);
  const std::shared_ptr<void> maker = std::exchange(loop.queue().server_queue().maker, nullptr);
  if (!maker) return Error{ErrorCode::kInternal, "the loop has a server already"};
  auto& builder = *static_cast<grpc::ServerBuilder*>(maker.get());
  SetArguments(builder);
  int port = 0;
  builder.AddListeningPort(parsed->ToString(), grpc::InsecureServerCredentials(), &port);
  for (GrpcService* service : services)
    builder.RegisterService(service->service().get());
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server || port <= 0) return Taken(*parsed);
  parsed->port = static_cast<std::uint16_t>(port);
  auto impl = std::make_shared<Impl>(std::move(server), services);
  loop.queue().server_queue().server = impl;
  return std::unique_ptr<GrpcServer>(new GrpcServer(std::move(impl), parsed->ToString()));
}

GrpcServer::GrpcServer(std::shared_ptr<Impl> impl, std::string address)
    : impl_(std::move(impl)), address_(std::move(address)) {}

GrpcServer::~GrpcServer() {
  Shutdown();
}

void GrpcServer::Shutdown() {
  impl_->Shutdown();
}

}  // namespace quell
