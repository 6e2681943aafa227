// Goal: a server listens where it may and nowhere else, says what is wrong and what to do, and
// never shares a port in silence. Addresses, callers and statuses are read and written as they
// should be. Method: real servers on loopback; tables of examples.
#include "transport/grpc/server.h"

#include <gtest/gtest.h>

#include "tests/unit/grpc/support.h"
#include "transport/grpc/address.h"
#include "transport/grpc/permissions.h"
#include "transport/grpc/status.h"

namespace quell {
namespace {

using testing::HasSubstr;
using testing::Not;

// What comes of listening on `address`.
Result<std::string> Listen(const std::string& address) {
  RunningLoop loop;
  GrpcNodeServer node(*loop);
  const auto server = GrpcServer::Listen(*loop, address, {&node});
  if (!server) return server.error();
  return (*server)->address();
}

TEST(GrpcServerTest, PicksAFreePortAndSaysWhich) {
  const Result<std::string> address = Listen("127.0.0.1:0");
  ASSERT_THAT(address, IsOkAnd(HasSubstr("127.0.0.1:")));
  EXPECT_THAT(*address, Not(HasSubstr(":0")));
}

TEST(GrpcServerTest, RefusesAPortThatAnotherServerHas) {
  const TestNode first(AnswerProbes);
  const std::string address = first.info().address;
  const Result<std::string> second = Listen(address);
  EXPECT_THAT(second, FailsWith(ErrorCode::kAlreadyExists, address.substr(address.find(':') + 1)));
  EXPECT_THAT(second, FailsWith(ErrorCode::kAlreadyExists, "another"));
}

TEST(GrpcServerTest, RefusesAPortThatAnythingElseHas) {
  const DeadEnd taken(true);
  EXPECT_THAT(Listen(taken.address()), FailsWith(ErrorCode::kAlreadyExists));
}

TEST(GrpcServerTest, TakesAPortAgainAtOnceAfterAServerHasGone) {
  auto first = std::make_unique<TestNode>(AnswerProbes);
  const std::string address = first->info().address;
  {
    TestClient client;  // Leaves a connection behind that the kernel remembers for a while.
    client.client.Connect(first->info());
    EXPECT_THAT(client.Ask(NodeOf(1), ProbeRequest{})->Wait(), IsOk());
    first = nullptr;
  }
  EXPECT_THAT(Listen(address), IsOkAnd(address));
}

TEST(GrpcServerTest, RefusesToListenOffLoopbackAndNamesTheRemedy) {
  for (const char* address : {"0.0.0.0:0", "192.0.2.1:0", "[::]:0", "128.0.0.1:0"})
    EXPECT_THAT(Listen(address), FailsWith(ErrorCode::kPermissionDenied, "127.0.0.1")) << address;
}

TEST(GrpcServerTest, RefusesWhatIsNoAddressAndShowsTheForm) {
  for (const char* address : {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536",
                              "node-1:9300", "::1:9300", ":9300", "127.0.0.1:-1", "[::1:9300"}) {
    EXPECT_THAT(Listen(address), FailsWith(ErrorCode::kInvalidArgument, "HOST:PORT")) << address;
  }
}

TEST(GrpcServerTest, ShutsDownWithoutEverHavingHadAHandler) {
  RunningLoop loop;
  GrpcNodeServer node(*loop);
  const auto server = GrpcServer::Listen(*loop, "127.0.0.1:0", {&node});
  ASSERT_THAT(server, IsOk());
  // A coordinator is waiting already.
  TestClient client;
  NodeInfo info;
  info.id = NodeOf(1);
  info.address = (*server)->address();
  client.client.Connect(info);
  const auto sink = client.Ask(NodeOf(1), ProbeRequest{}, std::chrono::hours(1));
  (*server)->Shutdown();
  (*server)->Shutdown();
  EXPECT_THAT(sink->Wait(), FailsWith(ErrorCode::kUnavailable));
}

TEST(GrpcServerTest, CallsThatCameBeforeTheHandlerAreServed) {
  RunningLoop loop;
  GrpcNodeServer node(*loop);
  ScriptedNode handler(AnswerProbes);
  const auto server = GrpcServer::Listen(*loop, "127.0.0.1:0", {&node});
  ASSERT_THAT(server, IsOk());
  TestClient client;
  NodeInfo info;
  info.id = NodeOf(1);
  info.address = (*server)->address();
  client.client.Connect(info);
  const auto sink = client.Ask(NodeOf(1), ProbeRequest{});
  node.Serve(handler, NodeOf(1));
  EXPECT_THAT(sink->Wait(), IsOk());
  (*server)->Shutdown();
}

TEST(AddressTest, KnowsCallersOnLoopbackFromOthers) {
  const auto transport = [](const char* peer) { return rpc::PeerOf(peer).transport; };
  for (const char* peer : {"ipv4:127.0.0.1:1", "ipv4:127.200.3.4:40212", "ipv6:%5B::1%5D:7",
                           "ipv6:[::1]:7", "ipv6:%5B::ffff:127.0.0.1%5D:7"}) {
    EXPECT_EQ(transport(peer), Principal::Transport::kLoopback) << peer;
  }
  for (const char* peer : {"ipv4:10.0.0.7:1", "ipv4:128.0.0.1:1", "ipv6:%5Bfe80::1%5D:7",
                           "ipv6:%5B::ffff:10.0.0.1%5D:7", "unix:/tmp/x", "unix:", "",
                           "127.0.0.1:1", "ipv4:127.0.0.1", "ipv4:loopback:1", "ipv4:"}) {
    EXPECT_EQ(transport(peer), Principal::Transport::kRemote) << peer;
  }
  EXPECT_EQ(rpc::PeerOf("ipv6:%5B::1%5D:7").address, "[::1]:7");
}

TEST(AddressTest, EachMethodHasAPermissionThatRemoteCallersLack) {
  const Principal remote = rpc::PeerOf("ipv4:10.0.0.7:1");
  const Principal local = rpc::PeerOf("ipv4:127.0.0.1:1");
  for (const rpc::Method method :
       {rpc::Method::kNodeLink, rpc::Method::kMembershipJoin, rpc::Method::kMembershipHeartbeat,
        rpc::Method::kMembershipLeave}) {
    EXPECT_THAT(Authorize(remote, rpc::PermissionOf(method)),
                FailsWith(ErrorCode::kPermissionDenied));
    EXPECT_THAT(Authorize(local, rpc::PermissionOf(method)), IsOk());
  }
}

TEST(StatusTest, EachErrorOfOursComesBackAsItWas) {
  for (int i = 0; i <= static_cast<int>(ErrorCode::kOutcomeUnknown); ++i) {
    const Error error{static_cast<ErrorCode>(i), "what is wrong"};
    if (error.code == ErrorCode::kDraining) continue;  // Never on the wire: it is for programs.
    EXPECT_FALSE(rpc::ToStatus(error).ok()) << error;
    EXPECT_EQ(rpc::FromStatus(rpc::ToStatus(error)), error);
  }
}

TEST(StatusTest, EveryStatusOfOthersIsAnErrorAndNonePromisesAnOutcome) {
  for (int i = 0; i <= 20; ++i) {
    const grpc::Status status(static_cast<grpc::StatusCode>(i), "of somebody else");
    EXPECT_NE(rpc::FromStatus(status).code, ErrorCode::kOutcomeUnknown) << i;
  }
  EXPECT_EQ(rpc::FromStatus({grpc::StatusCode::UNKNOWN, "x"}).code, ErrorCode::kInternal);
  EXPECT_THAT(rpc::FromStatus({grpc::StatusCode::UNIMPLEMENTED, ""}).message, HasSubstr("version"));
}

}  // namespace
}  // namespace quell
