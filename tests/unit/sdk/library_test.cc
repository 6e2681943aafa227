// Goal: the library is safe from many threads, over restarts of the daemon, and after a fork, and
// says to the node what the program said.
// Method: the C interface beside a node with a real local API, in one process, so that the
// sanitizers see both ends and all that happens between them.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/system_clock.h"
#include "quell/quell.h"
#include "tests/support/burn.h"
#include "tests/unit/sdk/local_api_node.h"

namespace quell {
namespace {

using namespace std::chrono_literals;
using testing::IsEmpty;
using testing::SizeIs;

// The library finds its node once, by the environment: one for all tests of this program.
LocalApiNode& TheNode() {
  static LocalApiNode node([] {
    std::string name = testing::TempDir() + "/quell-sdk-XXXXXX";
    const std::string path = std::string(::mkdtemp(name.data())) + "/quell.sock";
    ::setenv("QUELL_SOCKET", path.c_str(), 1);
    return path;
  }());
  return node;
}

quell_task* StartTask(const char* action, quell_task* parent = nullptr) {
  quell_task_options options{};
  options.size = sizeof(options);
  options.action = action;
  return parent != nullptr ? quell_task_start_child(parent, &options) : quell_task_start(&options);
}

// Polls: what it waits for happens on other threads. Returns whether it has come.
bool Until(const std::function<bool()>& done) {
  const SystemClock clock;
  const MonoTime end = clock.Now() + 60s;
  while (!done()) {
    if (clock.Now() > end) return false;
    std::this_thread::yield();
  }
  return true;
}

std::string IdOf(quell_task* task) {
  char text[64] = {};
  return std::string(text, std::min(quell_task_id(task, text, sizeof(text)), sizeof(text) - 1));
}

class LibraryTest : public testing::Test {
 protected:
  LibraryTest() { node_.List(); }
  ~LibraryTest() override {
    EXPECT_EQ(quell_flush(60'000), 1);
    EXPECT_THAT(node_.List(), SizeIs(0)) << "a task was left behind";
  }
  const SeenTask* Seen(const std::vector<SeenTask>& tasks, quell_task* task) const {
    const std::string id = IdOf(task);
    for (const SeenTask& one : tasks) {
      if (one.id.ToString() == id) return &one;
    }
    return nullptr;
  }
  void Cancel(quell_task* task, const std::string& reason) {
    ASSERT_TRUE(Until([&] { return !IdOf(task).empty(); })) << "it is not registered";
    node_.Cancel(*TaskId::Parse(IdOf(task)), reason);
  }

  LocalApiNode& node_ = TheNode();
};

TEST_F(LibraryTest, TellsTheNodeAndHearsFromIt) {
  quell_task* task = StartTask("sdk/one");
  quell_task* child = StartTask("sdk/child", task);
  quell_task_progress(task, 1, 2, "rows");
  quell_task_phase(task, "loading");
  EXPECT_EQ(quell_task_cancelled(task), 0);
  EXPECT_EQ(quell_flush(60'000), 1);
  const auto tasks = node_.List();
  ASSERT_THAT(tasks, SizeIs(2));
  const SeenTask* seen = Seen(tasks, task);
  ASSERT_NE(seen, nullptr);
  EXPECT_EQ(seen->action, "sdk/one");
  EXPECT_THAT(seen->status_json, testing::HasSubstr("loading"));
  EXPECT_TRUE(seen->last_check.has_value()) << "the look travels together with the status";
  EXPECT_EQ(Seen(tasks, child)->parent, seen->id);
  Cancel(task, "enough");
  EXPECT_TRUE(Until([&] { return quell_task_cancelled(child) == 1; }));
  quell_cancel info{};
  info.size = sizeof(info);
  EXPECT_EQ(quell_task_cancel_info(child, &info), 1);
  EXPECT_STREQ(info.reason, "enough");
  quell_task_finish(child, QUELL_CANCELLED);
  quell_task_release(child);
  quell_task_release(task);
}

TEST_F(LibraryTest, ManyEndsAreToldTogether) {
  std::vector<quell_task*> tasks;
  for (int i = 0; i < 1200; ++i)
    tasks.push_back(StartTask("sdk/many"));
  EXPECT_EQ(quell_flush(60'000), 1);
  node_.CancelAll();
  EXPECT_TRUE(Until([&] { return quell_task_cancelled(tasks.back()) == 1; }));
  for (quell_task* task : tasks) {
    quell_task_finish(task, QUELL_CANCELLED);
    quell_task_release(task);
  }
  EXPECT_EQ(quell_flush(60'000), 1);
  EXPECT_THAT(node_.List(), IsEmpty());
}

TEST_F(LibraryTest, AnEndThatTheDiskRefusesIsToldAgain) {
  quell_task* task = StartTask("sdk/full");
  EXPECT_EQ(quell_flush(60'000), 1);
  node_.SetDiskFull(true);
  quell_task_finish(task, QUELL_SUCCESS);
  EXPECT_EQ(quell_flush(100), 0) << "the node has not kept it";
  node_.SetDiskFull(false);
  EXPECT_EQ(quell_flush(60'000), 1);
  quell_task_release(task);
}

TEST_F(LibraryTest, AShieldHoldsACancelBack) {
  quell_task* task = StartTask("sdk/shield");
  quell_task_shield_begin(task, "swapping files");
  Cancel(task, "now");
  // That the library has heard of it shows in what it says.
  EXPECT_TRUE(Until([&] { return quell_flush(100) == 1; }));
  EXPECT_EQ(quell_task_cancelled(task), 0);
  quell_task_shield_end(task);
  EXPECT_TRUE(Until([&] { return quell_task_cancelled(task) == 1; }));
  quell_task_release(task);
}

TEST_F(LibraryTest, ACallbackRunsOnceAndNotAfterItWasTakenBack) {
  quell_task* task = StartTask("sdk/callback");
  std::atomic<int> kept{0};
  std::atomic<int> taken{0};
  const auto count = [](void* arg) { ++*static_cast<std::atomic<int>*>(arg); };
  quell_subscription* one = quell_task_on_cancel(task, count, &kept);
  quell_subscription_release(quell_task_on_cancel(task, count, &taken));
  Cancel(task, "now");
  EXPECT_TRUE(Until([&] { return kept == 1; }));
  quell_subscription* late = quell_task_on_cancel(task, count, &kept);
  EXPECT_EQ(kept, 2) << "at once, since it is cancelled already";
  quell_subscription_release(late);
  quell_subscription_release(one);
  EXPECT_EQ(taken, 0);
  quell_task_release(task);
}

// ---- What goes wrong costs itself alone.

// What the library says while it lives. One at a time.
class RecordHeartbeat {
 public:
  RecordHeartbeat() {
    quell_on_error(
        [](void* arg, const char* message) {
          auto* here = static_cast<RecordHeartbeat*>(arg);
          const std::lock_guard lock(here->mutex_);
          here->all_.emplace_back(message);
        },
        this);
  }
  ~RecordHeartbeat() { quell_on_error(nullptr, nullptr); }
  // With these words in it.
  std::size_t Count(const std::string& words) {
    const std::lock_guard lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        all_.begin(), all_.end(),
        [&words](const std::string& one) { return one.find(words) != std::string::npos; }));
  }

 private:
  std::mutex mutex_;
  std::vector<std::string> all_;
};

TEST_F(LibraryTest, ACallbackThatThrowsEndsThereAndOthersRun) {
  RecordHeartbeat heard;
  quell_task* task = StartTask("sdk/throws");
  quell_task* other = StartTask("sdk/others");
  std::atomic<int> ran{0};
  quell_subscription* throws = quell_task_on_cancel(
      task, [](void*) { throw std::runtime_error("no rows"); }, nullptr);
  quell_subscription* counts = quell_task_on_cancel(
      task, [](void* arg) { ++*static_cast<std::atomic<int>*>(arg); }, &ran);
  Cancel(task, "now");
  EXPECT_TRUE(Until([&] { return ran == 1; }));
  EXPECT_TRUE(Until([&] { return heard.Count("has thrown: no rows") == 1; }));
  // At once, since it is cancelled already.
  quell_subscription* late = quell_task_on_cancel(
      task, [](void*) { throw 7; }, nullptr);
  Cancel(other, "now");
  EXPECT_TRUE(Until([&] { return quell_task_cancelled(other) == 1; }));
  for (quell_subscription* subscription : {throws, counts, late})
    quell_subscription_release(subscription);
  quell_task_release(other);
  quell_task_release(task);
}

TEST_F(LibraryTest, AMemberThatIsNoJsonOrHasNoRoomLeavesTheStatusAndIsNamedOnce) {
  RecordHeartbeat heard;
  quell_task* task = StartTask("sdk/members");
  const auto shows = [&](const std::string& status) {
    return Until([&] { return Seen(node_.List(), task)->status_json == status; });
  };
  quell_task_field(task, "loss", "0.5");
  quell_task_field(task, "step", "1");
  EXPECT_EQ(quell_flush(60'000), 1);
  EXPECT_TRUE(shows(R"({"loss":0.5,"step":1})"));
  for (int i = 0; i < 3; ++i) {
    quell_task_field(task, "loss", "nan");
    quell_task_field(task, "long", ("\"" + std::string(20'000, 'x') + "\"").c_str());
  }
  quell_task_field(task, "step", "2");
  EXPECT_EQ(quell_flush(60'000), 1);
  EXPECT_TRUE(shows(R"({"step":2})"));
  EXPECT_EQ(heard.Count("no member loss"), 1u);
  EXPECT_EQ(heard.Count("no member long"), 1u);
  for (int i = 0; i < 70; ++i)
    quell_task_field(task, ("member" + std::to_string(i)).c_str(), "1");
  EXPECT_EQ(heard.Count("64 members"), 7u);
  quell_task_release(task);
}

TEST_F(LibraryTest, WhatTheNodeAloneFindsBadCostsNoAcknowledgement) {
  RecordHeartbeat heard;
  quell_task* task = StartTask("sdk/deep");
  quell_task_field(task, "deep", (std::string(31, '[') + std::string(31, ']')).c_str());
  quell_task_field(task, "step", "1");
  Cancel(task, "now");
  EXPECT_TRUE(Until([&] { return quell_task_cancelled(task) == 1; }));
  EXPECT_EQ(quell_flush(60'000), 1);
  EXPECT_TRUE(Until([&] {
    const auto tasks = node_.List();
    const SeenTask* seen = Seen(tasks, task);
    return seen->state == TaskState::kStopping && seen->status_json == R"({"step":1})";
  }));
  EXPECT_EQ(heard.Count("no member deep"), 1u);
  quell_task_release(task);
}

TEST_F(LibraryTest, AParentThatNobodyKnowsHoldsUpNobody) {
  RecordHeartbeat heard;
  quell_task* before = StartTask("sdk/before");
  ASSERT_EQ(quell_flush(60'000), 1);
  const std::string id = IdOf(before);
  const std::string unknown = id.substr(0, id.find(':') + 1) + "900000000";
  quell_context* context = quell_context_extract(
      [](void* arg, const char* name) -> const char* {
        const bool wanted = std::string(name) == "Quell-Task-Id";
        return wanted ? static_cast<const std::string*>(arg)->c_str() : nullptr;
      },
      const_cast<std::string*>(&unknown));
  quell_task_options options = QUELL_TASK_OPTIONS_INIT;
  options.action = "sdk/orphan";
  options.context = context;
  quell_task* orphan = quell_task_start(&options);
  quell_context_free(context);
  quell_task* after = StartTask("sdk/after");
  EXPECT_EQ(quell_flush(60'000), 1);
  EXPECT_THAT(node_.List(), SizeIs(3));
  EXPECT_EQ(IdOf(before), id) << "its session has begun anew";
  EXPECT_EQ(heard.Count(unknown), 1u);
  for (quell_task* task : {after, orphan, before})
    quell_task_release(task);
}

// What one thread of a busy program does.
void Work(quell_task* shared, int rounds) {
  std::atomic<int> heard{0};
  for (int round = 0; round < rounds; ++round) {
    quell_task* task = StartTask("sdk/busy", round % 3 == 0 ? nullptr : shared);
    quell_subscription* subscription = quell_task_on_cancel(
        task, [](void* arg) { ++*static_cast<std::atomic<int>*>(arg); }, &heard);
    for (std::uint64_t i = 0; i < 20; ++i) {
      quell_task_progress(task, i, 20, "steps");
      quell_task_phase(shared, "busy");
      (void)quell_task_cancelled(task);
      (void)quell_task_cancelled(shared);
      quell_measure* measure = quell_task_measure_this_thread(shared);
      quell_task_shield_begin(task, "a moment");
      (void)IdOf(task);
      quell_context_free(quell_task_context(shared));
      quell_task_shield_end(task);
      quell_measure_end(measure);
    }
    quell_subscription_release(subscription);
    if (round % 2 == 0) quell_task_finish(task, QUELL_FAILURE);
    quell_task_release(task);
  }
}

TEST_F(LibraryTest, ManyThreadsUseOneTaskAndTheirOwnWhileAllIsCancelled) {
  quell_task* shared = StartTask("sdk/shared");
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i)
    threads.emplace_back(Work, quell_task_retain(shared), 10);
  for (int i = 0; i < 5; ++i)
    node_.CancelAll();
  for (std::thread& thread : threads) {
    thread.join();
    quell_task_release(shared);
  }
  quell_task_release(shared);
}

TEST_F(LibraryTest, ManyThreadsGoOnWhileTheDaemonComesAndGoes) {
  quell_task* shared = StartTask("sdk/survivor");
  EXPECT_EQ(quell_flush(60'000), 1);
  const std::string id = IdOf(shared);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back(Work, quell_task_retain(shared), 10);
  for (int i = 0; i < 3; ++i) {
    node_.Stop();
    node_.Start();
  }
  for (std::thread& thread : threads) {
    thread.join();
    quell_task_release(shared);
  }
  EXPECT_TRUE(Until([&] {
    const auto tasks = node_.List();
    return std::any_of(tasks.begin(), tasks.end(),
                       [&id](const SeenTask& task) { return task.id.ToString() == id; });
  })) << "it has not come back under its id";
  quell_task_release(shared);
}

// ---- What a task uses

constexpr auto kBurnt = 30ms;

TEST_F(LibraryTest, OnlyWhatAProgramMeasuresIsToldAndAllOfIt) {
  quell_task* task = StartTask("sdk/measured");
  quell_task* other = StartTask("sdk/not-measured");
  for (int i = 0; i < 2; ++i) {
    std::thread([task] {
      Burn(kBurnt);  // Before it measures: not the task's.
      quell_measure* measure = quell_task_measure_this_thread(task);
      Burn(kBurnt);
      quell_measure_end(measure);
    }).join();
  }
  std::optional<CpuUse> cpu;
  EXPECT_TRUE(Until([&] {
    cpu = Seen(node_.List(), task)->resources.cpu;
    return cpu && cpu->executions == 2 && cpu->active == 0;
  }));
  EXPECT_GE(cpu->least, kBurnt);
  EXPECT_GE(cpu->total, 2 * kBurnt);
  EXPECT_FALSE(Seen(node_.List(), other)->resources.measured());
  quell_task_release(other);
  quell_task_release(task);
}

TEST_F(LibraryTest, AThreadThatIsStillAtWorkIsCountedAndComesBackWithARestartedNode) {
  quell_task* task = StartTask("sdk/at-work");
  std::atomic<bool> enough{false};
  std::thread thread([&] {
    quell_measure* measure = quell_task_measure_this_thread(task);
    Burn(kBurnt);
    while (!enough)
      std::this_thread::yield();
    quell_measure_end(measure);
  });
  const auto is_counted = [&] {
    const auto tasks = node_.List();
    const SeenTask* seen = Seen(tasks, task);
    return seen != nullptr && seen->resources.cpu && seen->resources.cpu->active == 1 &&
           seen->resources.cpu->total >= kBurnt;
  };
  EXPECT_TRUE(Until(is_counted));
  node_.Stop();
  node_.Start();
  EXPECT_TRUE(Until(is_counted));
  enough = true;
  thread.join();
  quell_task_release(task);
}

TEST_F(LibraryTest, AForkedChildHasInertTasksAndMayStartItsOwn) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "the thread sanitizer ends a forked child that starts a thread";
#endif
  quell_task* task = StartTask("sdk/fork");
  quell_measure* measure = quell_task_measure_this_thread(task);
  EXPECT_EQ(quell_flush(60'000), 1);
  const pid_t child = ::fork();
  if (child == 0) {
    const bool inert = IdOf(task).empty() && quell_task_cancelled(task) == 0 &&
                       quell_task_measure_this_thread(task) == nullptr;
    quell_measure_end(measure);
    quell_task_finish(task, QUELL_FAILURE);
    quell_task* own = StartTask("sdk/forked");
    quell_task_finish(own, QUELL_SUCCESS);
    const bool told = quell_flush(60'000) == 1;
    ::_exit(inert && told ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_NE(Seen(node_.List(), task), nullptr) << "the child has ended its parent's task";
  quell_measure_end(measure);
  quell_task_release(task);
}

TEST_F(LibraryTest, NothingIsAllowedEverywhere) {
  EXPECT_EQ(quell_task_cancelled(nullptr), 0);
  EXPECT_EQ(quell_task_id(nullptr, nullptr, 0), 0u);
  quell_task_finish(nullptr, QUELL_SUCCESS);
  quell_task_progress(nullptr, 1, 2, nullptr);
  quell_task_release(nullptr);
  quell_context_free(nullptr);
  quell_measure_end(quell_task_measure_this_thread(nullptr));
  quell_task* task = quell_task_start(nullptr);
  quell_task_field(task, "bad", "{no json");
  quell_task_release(task);
}

}  // namespace
}  // namespace quell
