// A gRPC server on one address, for the services of this folder.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>

#include "core/result.h"

namespace grpc {
class Service;
}

namespace quell {

class CqLoop;

// What a GrpcServer serves: GrpcNodeServer, GrpcMembershipServer.
class GrpcService {
 public:
  virtual ~GrpcService() = default;
  virtual std::shared_ptr<grpc::Service> service() = 0;
  // Ends the open calls as kUnavailable, and all that come later. Thread-safe.
  virtual void Close() = 0;
};

class GrpcServer {
 public:
  // Listens on `address`, "127.0.0.1:9300"; port 0 picks one. Calls are taken in once a service has
  // a handler and the loop runs; until then they wait. `loop` and services must outlive the server;
  // a loop can have one. Also serves the standard health service (SERVING until Shutdown()).
  // Errors, each naming the remedy: kInvalidArgument (no numeric HOST:PORT), kPermissionDenied (not
  // loopback, until there is authentication), kAlreadyExists (the port is taken), kInternal.
  static Result<std::unique_ptr<GrpcServer>> Listen(CqLoop& loop, std::string_view address,
                                                    std::initializer_list<GrpcService*> services);
  // Shuts it down.
  ~GrpcServer();
  GrpcServer(const GrpcServer&) = delete;
  GrpcServer& operator=(const GrpcServer&) = delete;

  // With the port it got: "127.0.0.1:40123".
  const std::string& address() const { return address_; }

  // Closes the services, takes no more calls, and cuts what is still open a moment later. Blocks
  // until gRPC is done with them. Not on the loop's thread, which must be running, or never have
  // run.
  void Shutdown();

 private:
  class Impl;
  GrpcServer(std::shared_ptr<Impl> impl, std::string address);

  std::shared_ptr<Impl> impl_;  // Shared with the loop.
  std::string address_;
};

}  // namespace quell
