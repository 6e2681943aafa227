// Goal: each cause has the name that a real server gives it. Method: the table, and each cause
// there is.
#include "coordinator/api/opensearch/request/failures.h"

#include <gtest/gtest.h>

#include "coordinator/fan_out/failures.h"
#include "tests/unit/coordinator/fixtures.h"

namespace quell::opensearch {
namespace {

TEST(OpenSearchFailuresTest, AnErrorOfANodeHasTheTypeOfARealServers) {
  struct Case {
    ErrorCode code;
    bool connected;
    const char* type;
  };
  const Case cases[] = {
      {ErrorCode::kUnavailable, true, "node_disconnected_exception"},
      {ErrorCode::kUnavailable, false, "node_not_connected_exception"},
      {ErrorCode::kDraining, true, "node_disconnected_exception"},
      {ErrorCode::kDeadlineExceeded, true, "receive_timeout_transport_exception"},
      {ErrorCode::kDeadlineExceeded, false, "receive_timeout_transport_exception"},
      {ErrorCode::kInternal, true, "transport_serialization_exception"},
      {ErrorCode::kResourceExhausted, true, "rejected_execution_exception"},
      {ErrorCode::kNotFound, true, "resource_not_found_exception"},
      {ErrorCode::kInvalidArgument, true, "illegal_argument_exception"},
      {ErrorCode::kPermissionDenied, true, "security_exception"},
      {ErrorCode::kUnauthenticated, true, "security_exception"},
      {ErrorCode::kCancelled, true, "task_cancelled_exception"},
  };
  for (const Case& c : cases) {
    for (const Presence presence :
         {Presence::kAlive, Presence::kStopped, Presence::kNotJoined, Presence::kSilent}) {
      EXPECT_EQ(
          TypeOf(FailureOf(Info(1), {presence, c.connected, {}}, kListAction, {c.code, "why"})),
          c.type);
    }
  }
}

TEST(OpenSearchFailuresTest, WhatTheCoordinatorSaysOfANodeOrATaskHasItsTypeToo) {
  EXPECT_EQ(TypeOf(NoSuchNode("x")), "no_such_node_exception");
  EXPECT_EQ(TypeOf(NotResponding(Info(1), kListAction, WallFromMicros(1))),
            "receive_timeout_transport_exception");
  EXPECT_EQ(TypeOf(WaitRanOut(Info(1), "late")), "timeout_exception");
  EXPECT_EQ(TypeOf(NoRoom(Info(1), "full")), "circuit_breaking_exception");
  EXPECT_EQ(TypeOf(TaskNotFound(Info(1), "a:1")), "resource_not_found_exception");
  EXPECT_EQ(TypeOf(TaskEnded(Info(1), "a:1", std::nullopt)), "illegal_state_exception");
  EXPECT_EQ(TypeOf(NotCancellable(Info(1), "a:1")), "illegal_argument_exception");
  EXPECT_EQ(TypeOf(FilterMismatch(Info(1), "a:1")), "illegal_argument_exception");
}

}  // namespace
}  // namespace quell::opensearch
