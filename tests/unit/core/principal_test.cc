// Goal: nobody from beyond this host may do anything, and records name everybody.
// Method: all permissions against all transports.
#include "core/principal.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace quell {
namespace {

using Transport = Principal::Transport;

const std::vector<Permission> kAllPermissions = {Permission::kNone,         Permission::kTaskList,
                                                 Permission::kTaskGet,      Permission::kTaskCancel,
                                                 Permission::kTaskRegister, Permission::kNodeManage,
                                                 Permission::kClusterJoin,  Permission::kNodeAsk};

const Principal kRemote{Transport::kRemote, 0, 0, "10.0.0.7:1234"};

TEST(AuthorizeTest, LetsLoopbackAndTheUnixSocketDoEverything) {
  for (const Permission permission : kAllPermissions) {
    EXPECT_TRUE(Authorize({Transport::kLoopback, 0, 0, "127.0.0.1:1"}, permission))
        << ToString(permission);
    EXPECT_TRUE(Authorize({Transport::kUnixSocket, 1000, 42, "unix"}, permission))
        << ToString(permission);
  }
}

TEST(AuthorizeTest, LetsAStrangerAskOnlyWhetherSomebodyIsThere) {
  for (const Permission permission : kAllPermissions) {
    const Status status = Authorize(kRemote, permission);
    EXPECT_EQ(status.has_value(), permission == Permission::kNone) << ToString(permission);
    if (status) continue;
    EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
  }
}

TEST(AuthorizeTest, SaysWhoLacksWhat) {
  const Status status = Authorize(kRemote, Permission::kTaskCancel);
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, testing::HasSubstr("remote 10.0.0.7:1234"));
  EXPECT_THAT(status.error().message, testing::HasSubstr("task_cancel"));
}

TEST(AuthorizeTest, TakesACallerOfUnknownOriginForAStranger) {
  EXPECT_FALSE(Authorize(Principal(), Permission::kTaskList));
}

TEST(PrincipalTest, IsNamedAsRecordsNameIt) {
  EXPECT_EQ((Principal{Transport::kLoopback, 0, 0, "127.0.0.1:40212"}).name(), "loopback");
  EXPECT_EQ((Principal{Transport::kUnixSocket, 1000, 42, "unix"}).name(), "uid:1000");
  EXPECT_EQ(kRemote.name(), "remote 10.0.0.7:1234");
}

TEST(PermissionTest, HasANameOfItsOwn) {
  std::set<std::string_view> names;
  for (const Permission permission : kAllPermissions) {
    EXPECT_TRUE(names.insert(ToString(permission)).second) << ToString(permission);
  }
}

}  // namespace
}  // namespace quell
