// Goal: long computations run beside the executor and in order, what follows runs on the executor;
// descriptors are shared out, and the lack of them is told now and then. Method: real threads; a
// clock that stands still.
#include "host/worker_thread.h"

#include <new>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/limits.h"
#include "host/descriptors.h"
#include "tests/unit/host/fixtures.h"

namespace quell {
namespace {

using testing::ElementsAre;

TEST(WorkerThreadTest, RunsWorkInOrderElsewhereAndWhatFollowsOnTheExecutor) {
  Loop loop;
  std::vector<int> done;
  std::vector<std::thread::id> worked(3);
  std::thread::id followed;
  WorkerThread worker(loop.executor);
  for (int i = 0; i < 3; ++i) {
    worker.Run([&worked, i] { worked[static_cast<std::size_t>(i)] = std::this_thread::get_id(); },
               [&, i] {
                 followed = std::this_thread::get_id();
                 done.push_back(i);
               });
  }
  ASSERT_TRUE(loop.RunUntil([&] { return done.size() == 3; }));
  EXPECT_THAT(done, ElementsAre(0, 1, 2));
  EXPECT_EQ(worked[0], worked[2]);
  EXPECT_NE(worked[0], followed);
}

TEST(WorkerThreadTest, WorkThatThrowsCostsItselfOnly) {
  Loop loop;
  bool followed = false;
  bool dropped = true;
  WorkerThread worker(loop.executor);
  worker.Run([] { throw std::bad_alloc(); }, [&] { dropped = false; });
  worker.Run([] {}, [&] { followed = true; });
  ASSERT_TRUE(loop.RunUntil([&] { return followed; }));
  EXPECT_TRUE(dropped);
}

TEST(DescriptorsTest, AreSharedOutBetweenClientsAndTheRest) {
  EXPECT_EQ(ConnectionsWithin(0, 1024), 1024u) << "not known";
  EXPECT_EQ(ConnectionsWithin(1'000'000, 1024), 1024u);
  EXPECT_EQ(ConnectionsWithin(1024, 1024), (1024 - limits::kDescriptorsKept) / 2);
  EXPECT_EQ(ConnectionsWithin(24, 1024), limits::kConnectionsMin);
  EXPECT_EQ(DescriptorsForClients(0), 0u);
  EXPECT_EQ(DescriptorsForClients(1024), 1024 - limits::kDescriptorsKept);
  EXPECT_EQ(DescriptorsForClients(40), 30u);
}

}  // namespace
}  // namespace quell
