#include "cli/run/tracker.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <new>
#include <pthread.h>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include "host/process/signal_queue.h"
#include "host/process/tree_use.h"
#include "host/system_clock.h"

namespace quell::cli {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBackoffMin{50};
constexpr milliseconds kBackoffMax{2000};
// A registration that was sent stays under way for as long as the daemon holds the connection: to
// send it again could register the job twice. A daemon that dies breaks the connection.
constexpr milliseconds kRegisterTimeout = seconds(24 * 3600);
constexpr milliseconds kCallTimeout{5000};

}  // namespace

struct Tracker::State {
  State(http::Address address, JobTask job, bool required)
      : api(std::move(address)), task(std::move(job)), parent_required(required) {
    task.parent_required = !task.parent.empty();
    event_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  }
  ~State() {
    if (event_fd >= 0) ::close(event_fd);
  }

  // The session's thread.
  void RunSession();
  bool RegisterOnce();
  void ReadCommands(const JobSession& known);
  void Pause(milliseconds& backoff);
  // The reports' thread.
  void RunReports();
  bool SendReport(const JobSession& to, const JobReport& what);
  void Measure(std::unique_lock<std::mutex>& lock);
  bool HasNews() const;

  void PushCancel(JobCancel next);
  void Fail(Error error);

  const LocalApiClient api;
  JobTask task;  // The session's thread only.
  const bool parent_required;
  milliseconds parent_waited{0};  // The session's thread only.
  int event_fd = -1;

  std::mutex mutex;
  std::condition_variable changed;
  bool given_up = false;  // There will be no session.
  bool tried = false;     // The first registration has an answer.
  std::optional<JobSession> session;
  std::optional<Error> failure;
  std::optional<JobCancel> cancel;
  JobReport report;  // What the node should know...
  JobReport told;    // ...and what it has heard.
  process::UsePace pace;
  const SystemClock clock;
  bool measuring = true;  // Until the command has ended.
  MonoTime next_look = clock.Now() + pace.pause();
};

namespace {

// Small: what it reserves counts where the address space is limited, and ten thousand may be idle.
constexpr std::size_t kStackSize = std::size_t{1} << 20;

struct Work {
  std::shared_ptr<Tracker::State> state;
  void (Tracker::State::*run)();
};

// Memory that is short now may be there later.
void* RunThread(void* argument) {
  const std::unique_ptr<Work> work(static_cast<Work*>(argument));
  process::SetSignalMask(
      process::EverySignalSet());  // The C library unblocks one of its own in each thread.
  for (;;) {
    try {
      (*work->state.*work->run)();
      return nullptr;
    } catch (const std::bad_alloc&) {
      std::this_thread::sleep_for(kBackoffMax);
    }
  }
}

// Nobody joins it: a call to a node that hangs cannot be cut short, and must not hold up the job's
// end. The process ends without its threads.
bool StartThread(std::shared_ptr<Tracker::State> state, void (Tracker::State::*run)()) {
  auto work = std::make_unique<Work>(Work{std::move(state), run});
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) != 0) return false;
  ::pthread_attr_setstacksize(&attributes, kStackSize);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  pthread_t thread;
  const bool started = ::pthread_create(&thread, &attributes, &RunThread, work.get()) == 0;
  if (started) (void)work.release();
  ::pthread_attr_destroy(&attributes);
  process::SetSignalMask(process::EverySignalSet());  // The first one has unblocked it here, too.
  return started;
}

bool SameOfCancel(const JobReport& a, const JobReport& b) {
  return a.stopping == b.stopping && a.killed == b.killed && a.ignoring == b.ignoring;
}

}  // namespace

void Tracker::State::PushCancel(JobCancel next) {
  {
    const std::lock_guard lock(mutex);
    cancel = std::move(next);
  }
  const std::uint64_t one = 1;
  (void)!::write(event_fd, &one, sizeof one);
}

void Tracker::State::Fail(Error error) {
  {
    const std::lock_guard lock(mutex);
    failure = std::move(error);
    tried = true;
  }
  changed.notify_all();
}

void Tracker::State::Pause(milliseconds& backoff) {
  std::this_thread::sleep_for(backoff);
  backoff = std::min(backoff * 2, kBackoffMax);
}

// Whether it is worth another try, if it failed.
bool Tracker::State::RegisterOnce() {
  auto registered = api.Register(task, kRegisterTimeout);
  if (registered) {
    task.id = registered->task;
    const auto cancelled_on_registration = registered->cancel;
    if (cancelled_on_registration) PushCancel(*cancelled_on_registration);
    {
      const std::lock_guard lock(mutex);
      session = std::move(*registered);
      failure.reset();
      tried = true;
      told = JobReport{};  // A daemon that was restarted has to hear it again.
    }
    changed.notify_all();
    return true;
  }
  const Error error = registered.error();
  Fail(error);
  switch (error.code) {
    case ErrorCode::kUnavailable:
    case ErrorCode::kOutcomeUnknown:
    case ErrorCode::kResourceExhausted:
    case ErrorCode::kInternal:
      return true;
    default:
      break;
  }
  // After a restart the outer `quell run` may come back later than this one.
  if (error.code == ErrorCode::kNotFound) {
    if (parent_waited < kParentPatience) return true;
    if (parent_required) return false;
    task.parent_required = false;
    return true;
  }
  // An id that the node does not give back: the job goes on under a new one.
  if (task.id) {
    task.id.reset();
    return true;
  }
  return false;
}

void Tracker::State::ReadCommands(const JobSession& known) {
  milliseconds backoff = kBackoffMin;
  for (;;) {
    auto stream = api.OpenCommands(known.token, kCallTimeout);
    if (stream) {
      backoff = kBackoffMin;
      while (auto line = (*stream)->ReadLine()) {
        if (auto command = ParseCommand(*line, known.task)) PushCancel(std::move(*command));
      }
    } else if (stream.error().code == ErrorCode::kNotFound) {
      return;  // The node does not know the session any more: register again.
    }
    Pause(backoff);
  }
}

void Tracker::State::RunSession() {
  milliseconds backoff = kBackoffMin;
  for (;;) {
    const bool again = RegisterOnce();
    std::optional<JobSession> known;
    {
      const std::lock_guard lock(mutex);
      if (!failure) known = session;
    }
    if (!again) return;
    if (known) {
      backoff = kBackoffMin;
      parent_waited = milliseconds(0);
      ReadCommands(*known);
    } else {
      parent_waited += backoff;
      Pause(backoff);
    }
  }
}

void Tracker::State::RunReports() {
  milliseconds backoff = kBackoffMin;
  std::unique_lock lock(mutex);
  while (!given_up) {
    if (!HasNews()) {
      Measure(lock);
      if (!HasNews()) continue;
    }
    const JobSession to = *session;
    const JobReport what = report;
    lock.unlock();
    const bool sent = SendReport(to, what);
    if (!sent) Pause(backoff);
    lock.lock();
    // What the node does not know is the session's thread's to mend: then the report goes out
    // again.
    if (sent) {
      told = what;
      backoff = kBackoffMin;
    }
    changed.notify_all();
  }
}

// An older node refuses a report with what it does not know: the rest must not wait for that.
bool Tracker::State::SendReport(const JobSession& to, const JobReport& what) {
  const Status sent = api.Report(to, what, kCallTimeout);
  if (sent) return true;
  if (sent.error().code != ErrorCode::kInvalidArgument) return false;
  JobReport rest = what;
  rest.resources = {};
  return rest != what && static_cast<bool>(api.Report(to, rest, kCallTimeout));
}

bool Tracker::State::HasNews() const {
  return session && !failure && report != told;
}

// Waits for news, or till the next look at what the tree uses.
void Tracker::State::Measure(std::unique_lock<std::mutex>& lock) {
  const auto news = [this] { return given_up || HasNews(); };
  if (!measuring) return changed.wait(lock, news);
  if (changed.wait_for(lock, next_look - clock.Now(), news)) return;
  lock.unlock();
  const ResourceReport look = process::LookAtTreeUse();
  lock.lock();
  if (!measuring) return;
  if (auto worth = pace.Take(clock.Now(), look)) report.resources = std::move(*worth);
  next_look = clock.Now() + pace.pause();
}

Result<std::unique_ptr<Tracker>> Tracker::Start(http::Address address, JobTask task,
                                                bool parent_required) {
  const Error refused{ErrorCode::kResourceExhausted,
                      "no room for Quell's threads (ulimit -u, -v, -n)"};
  try {
    auto state = std::make_shared<State>(std::move(address), std::move(task), parent_required);
    // The session's comes last: it registers.
    if (state->event_fd < 0 || !StartThread(state, &State::RunReports)) return refused;
    if (StartThread(state, &State::RunSession)) {
      return std::unique_ptr<Tracker>(new Tracker(std::move(state)));
    }
    const std::lock_guard lock(state->mutex);
    state->given_up = true;
    state->changed.notify_all();
  } catch (const std::bad_alloc&) {
  }
  return refused;
}

std::optional<JobSession> Tracker::WaitForTask(milliseconds budget) {
  std::unique_lock lock(state_->mutex);
  state_->changed.wait_for(lock, budget, [this] { return state_->tried; });
  return state_->session;
}

std::optional<Error> Tracker::failure() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failure;
}

int Tracker::fd() const {
  return state_->event_fd;
}

std::optional<JobCancel> Tracker::TakeCancel() {
  std::uint64_t count = 0;
  (void)!::read(state_->event_fd, &count, sizeof count);
  const std::lock_guard lock(state_->mutex);
  return std::exchange(state_->cancel, std::nullopt);
}

void Tracker::Report(const JobReport& report) {
  {
    const std::lock_guard lock(state_->mutex);
    const ResourceReport measured = state_->report.resources;
    state_->report = report;
    state_->report.resources = measured;
  }
  state_->changed.notify_all();
}

void Tracker::Finish(const std::string& outcome, milliseconds budget) {
  std::optional<JobSession> session;
  ResourceReport last = process::LookAtTreeUse();
  {
    std::unique_lock lock(state_->mutex);
    state_->measuring = false;
    last = state_->pace.Last(last);
    // What was said of the cancel comes before the end, so that the receipt is whole.
    state_->changed.wait_for(lock, budget / 2, [this] {
      return !state_->session || state_->failure || SameOfCancel(state_->report, state_->told);
    });
    session = state_->session;
    const JobReport& untold = state_->report;
    if (!last.memory && untold != state_->told) last.memory = untold.resources.memory;
  }
  if (session) (void)state_->api.Finish(*session, outcome, last, budget);
}

}  // namespace quell::cli
