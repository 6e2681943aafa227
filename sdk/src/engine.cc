#include "engine.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>
#include <unordered_set>
#include <utility>

#include "bodies.h"
#include "descriptors.h"
#include "guard.h"
#include "notices.h"

namespace quell::sdk {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstStart{250};
constexpr milliseconds kExit{250};
constexpr milliseconds kBackoffMin{100};
constexpr milliseconds kBackoffMax{2000};
constexpr milliseconds kBusy{2000};        // The node has no room now.
constexpr milliseconds kStartAgain{1000};  // No thread could be made.
constexpr milliseconds kWithoutWake{50};   // No descriptor was left to wake the thread by.
constexpr std::size_t kBatch = 500;
constexpr std::size_t kBatchBytes = 512 * 1024;
constexpr std::size_t kEndedUntracked = 1000;  // Kept for a daemon that may come back.

std::string SocketPath() {
  const char* path = std::getenv("QUELL_SOCKET");
  return path != nullptr && *path != '\0' ? path : "/run/quell/node.sock";
}

// The daemon will not say otherwise however often it is asked.
bool IsFinal(int status) {
  return status >= 400 && status < 500 && status != 408 && !IsBusy(status);
}

// Differs from that of any other process.
std::string RandomPrefix() {
  std::array<unsigned char, 12> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
    const std::int64_t now = CoarseNow();
    std::memcpy(bytes.data(), &now, sizeof(now));
    const pid_t pid = ::getpid();
    std::memcpy(bytes.data() + sizeof(now), &pid, sizeof(pid));
  }
  static constexpr std::string_view kHex = "0123456789abcdef";
  std::string text;
  for (const unsigned char byte : bytes)
    text.append({kHex[byte >> 4], kHex[byte & 15]});
  return text + "-";
}

}  // namespace

void Subscription::Run() {
  std::string thrown;
  {
    std::lock_guard lock(mutex_);
    if (done_) return;
    done_ = true;
    thrown = Survives([this] { fn_(arg_); });
  }
  if (thrown.empty()) return;
  WarnOnce("callback " + record_->action,
           "a callback of the task " + record_->action + " has thrown: " + thrown);
}

void Subscription::Stop() {
  std::lock_guard lock(mutex_);
  done_ = true;
}

// The engine of this process; replaced in a forked child.
static std::atomic<Engine*> g_engine{nullptr};
static std::mutex g_engine_mutex;

namespace {

void BeforeFork() {
  g_engine_mutex.lock();
  LockNotices();
  LockDescriptors();
}

void AfterForkInParent() {
  UnlockDescriptors();
  UnlockNotices();
  g_engine_mutex.unlock();
}

// The engine's thread is not there: its copy is left as it is, whatever it was about, and the child
// begins anew.
void AfterForkInChild() {
  present_generation.fetch_add(1);
  g_engine.store(nullptr);
  CloseAllDescriptors();
  UnlockNotices();
  g_engine_mutex.unlock();
}

}  // namespace

Engine& Engine::Get() {
  if (Engine* engine = g_engine.load()) return *engine;
  std::lock_guard lock(g_engine_mutex);
  if (Engine* engine = g_engine.load()) return *engine;
  static const bool hooked = [] {
    pthread_atfork(&BeforeFork, &AfterForkInParent, &AfterForkInChild);
    std::atexit([] {
      if (Engine* engine = g_engine.load()) engine->Flush(kExit);
    });
    return true;
  }();
  (void)hooked;
  g_engine.store(new Engine());
  return *g_engine.load();
}

Engine::Engine()
    : socket_path_(SocketPath()),
      wake_fd_(OpenDescriptor([] { return ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); })),
      key_prefix_(RandomPrefix()),
      api_(socket_path_) {}

void Engine::Add(const std::shared_ptr<Record>& record) {
  {
    std::unique_lock lock(mutex_);
    record->key = NewKey();
    records_.push_back(record);
    ++asked_;
    const bool first = !started_;
    if (StartThread()) {
      eventfd_write(wake_fd_, 1);
      if (first) changed_.wait_for(lock, kFirstStart, [this] { return tried_; });
      return;
    }
  }
  TrimUntracked();
  WarnOnce("thread",
           "no thread can be made: the tasks of this program stay untracked until one can");
}

std::string Engine::NewKey() {
  return key_prefix_ + std::to_string(++added_);
}

bool Engine::StartThread() {
  if (started_ || Now() < start_at_) return started_;
  start_at_ = Now() + kStartAgain;
  // The program's signal handlers must not run on this thread.
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  try {
    // lint: allow(detached): the engine is never destroyed, and must not hold up a program's exit
    std::thread(&Engine::Run, this).detach();
    started_ = true;
  } catch (const std::exception&) {
    // No more threads, or no memory for one.
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started_;
}

void Engine::Wake(const std::shared_ptr<Record>&) {
  std::lock_guard lock(mutex_);
  ++asked_;
  if (StartThread()) eventfd_write(wake_fd_, 1);
}

bool Engine::Flush(milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (records_.empty()) return true;
  if (!StartThread()) return false;
  const std::uint64_t until = asked_;
  eventfd_write(wake_fd_, 1);
  return changed_.wait_for(lock, timeout, [&] { return served_ >= until; });
}

// Work that began and ended without a daemon must not pile up.
void Engine::TrimUntracked() {
  std::vector<std::shared_ptr<Record>> ended;
  for (const auto& record : Snapshot()) {
    std::lock_guard lock(record->mutex);
    if (record->outcome && record->id.empty()) ended.push_back(record);
  }
  ended.resize(ended.size() - std::min(ended.size(), kEndedUntracked));
  for (const auto& record : ended) {
    std::lock_guard lock(record->mutex);
    record->refused = true;  // Its children wait for it no longer.
  }
  Forget(ended);
}

void Engine::Deliver(const std::shared_ptr<Record>& record) {
  std::vector<std::shared_ptr<Subscription>> run;
  {
    std::lock_guard lock(record->mutex);
    if (!record->cancel || record->outcome || record->cancelled.load()) return;
    if (record->shields > 0) {
      record->tell_deferred = true;
    } else {
      record->cancelled.store(true, std::memory_order_release);
      run.swap(record->subscriptions);
      if (!run.empty()) {
        record->checked_ns.store(CoarseNow(), std::memory_order_relaxed);
        record->knows.store(true);
      }
    }
  }
  for (const auto& subscription : run)
    subscription->Run();
}

std::vector<std::shared_ptr<Record>> Engine::Snapshot() {
  std::lock_guard lock(mutex_);
  return records_;
}

void Engine::Run() {
  for (;;) {
    std::uint64_t asked = 0;
    {
      std::lock_guard lock(mutex_);
      asked = asked_;
    }
    next_due_.reset();
    next_look_.reset();
    const bool told = Step();
    {
      std::lock_guard lock(mutex_);
      tried_ = true;
      if (told && !next_due_) served_ = asked;
    }
    changed_.notify_all();
    WaitForWork();
  }
}

// Tells all that is to be told. False: the daemon is away.
bool Engine::Step() {
  if (Snapshot().empty() && !connected_) return true;
  if (!connected_ && !Connect()) return false;
  if (stream_.open()) HearCommands();
  for (const auto part : {&Engine::RegisterNew, &Engine::Listen, &Engine::TellReports,
                          static_cast<Told (Engine::*)()>(&Engine::TellEnds)}) {
    const Told told = (this->*part)();
    if (told == Told::kAway) Disconnect();
    if (told == Told::kBusy) DueAt(Now() + kBusy);
    if (told != Told::kYes) return false;
  }
  return true;
}

bool Engine::Connect() {
  if (Now() < retry_at_) {
    next_due_ = retry_at_;
    return false;
  }
  connected_ = true;  // The door connects with its first call.
  return true;
}

void Engine::Disconnect() {
  api_.Close();
  stream_.Close();
  session_.clear();  // A daemon that was restarted does not know it.
  resources_refused_ = false;
  connected_ = false;
  backoff_ = std::clamp(backoff_ * 2, kBackoffMin, kBackoffMax);
  retry_at_ = Now() + backoff_;
  next_due_ = retry_at_;
  full_until_ = {};
  listen_at_.reset();
  for (const auto& record : Snapshot()) {
    std::lock_guard lock(record->mutex);
    record->registered = false;
  }
  TrimUntracked();
}

Engine::Told Engine::RegisterNew() {
  for (;;) {
    if (Now() < full_until_) {
      DueAt(full_until_);
      return Told::kYes;
    }
    const std::vector<Entry> batch = NextBatch();
    if (batch.empty()) return Told::kYes;
    const Told told = RegisterBatch(batch);
    if (told != Told::kYes) return told;
  }
}

// What the node knows, or should know, comes back first, in batches of its own.
std::vector<Engine::Entry> Engine::NextBatch() {
  std::vector<Entry> batch;
  std::size_t bytes = 0;
  const std::vector<RecordPtr> records = Snapshot();
  for (const bool known : {true, false}) {
    for (const RecordPtr& record : records) {
      std::optional<Entry> entry = EntryOf(record, known);
      if (!entry) continue;
      bytes += entry->json.size();
      if (!batch.empty() && bytes > kBatchBytes) return batch;
      batch.push_back(std::move(*entry));
      if (batch.size() == kBatch) return batch;
    }
    if (!batch.empty()) break;
  }
  return batch;
}

// How it is registered, if it is to be, and the node knows it or not.
std::optional<Engine::Entry> Engine::EntryOf(const RecordPtr& record, bool known) {
  std::string parent;
  if (record->parent) {
    std::lock_guard lock(record->parent->mutex);
    if (!record->parent->registered && !record->parent->refused && !record->parent->told_end) {
      return std::nullopt;
    }
    parent = record->parent->id;
  }
  std::lock_guard lock(record->mutex);
  if (record->registered || record->refused || record->told_end) return std::nullopt;
  if (record->id.empty() == known) return std::nullopt;
  const bool elsewhere = !record->parent;
  if (elsewhere) parent = record->origin.task;
  return Entry{record,
               NewTaskJson(*record, parent,
                           elsewhere ? record->origin.ancestors : std::vector<std::string>())};
}

Engine::Told Engine::RegisterBatch(const std::vector<Entry>& batch) {
  std::string body = "[";
  for (const Entry& entry : batch)
    body += (body.size() > 1 ? "," : "") + entry.json;
  const auto reply = api_.Post("/v1/tasks", session_, body + "]", Now() + kCall);
  if (!reply) return Told::kAway;
  if (reply->status == 200) return TakeAnswer(batch, reply->body);
  const Refusal why = ParseRefusal(reply->body);
  if (why.type == "session_not_found") return Told::kAway;
  const bool busy = IsBusy(reply->status) || why.type == "draining";
  if (!busy && !IsFinal(reply->status)) return Told::kAway;
  if (batch.size() > 1) {
    // One bad task makes its whole batch fail; some may have room where all have none.
    const auto middle = batch.begin() + static_cast<std::ptrdiff_t>(batch.size() / 2);
    const Told told = RegisterBatch({batch.begin(), middle});
    if (told != Told::kYes || Now() < full_until_) return told;
    return RegisterBatch({middle, batch.end()});
  }
  if (busy) {
    full_until_ = Now() + kBusy;
    WarnOnce("full " + why.reason, "the node takes no more tasks now: " + why.reason);
  } else {
    Refuse(batch.front().record, why);
  }
  return Told::kYes;
}

Engine::Told Engine::TakeAnswer(const std::vector<Entry>& batch, const std::string& body) {
  const auto answer = ParseRegisterAnswer(body);
  if (!answer || answer->tasks.size() != batch.size()) return Told::kAway;
  session_ = answer->session;
  backoff_ = milliseconds(0);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const RecordPtr& record = batch[i].record;
    const RegisteredTask& task = answer->tasks[i];
    {
      std::lock_guard lock(record->mutex);
      record->registered = true;
      if (record->id != task.id) by_id_.erase(record->id);
      record->id = task.id;
      record->ancestors = task.ancestors;
      record->fields_dirty = record->fields_dirty || !record->fields.empty();
      record->fields_told = {};
      record->figures_told = {};
      record->engine_measures = record->meter.used();
      record->checked_told_ns = 0;
      record->check_told = Now();
      record->told_stopping = false;
      if (task.cancel) record->cancel = task.cancel;
    }
    by_id_[task.id] = record;
    if (!task.warning.type.empty()) {
      WarnOnce(task.warning.type + " " + record->action,
               "task " + record->action + ": " + task.warning.reason);
    }
    if (task.cancel) Deliver(record);
  }
  return Told::kYes;
}

// What the node does not take: a context from elsewhere, an id of before. Else the task stays
// untracked.
void Engine::Refuse(const RecordPtr& record, const Refusal& why) {
  std::string key;
  {
    std::lock_guard lock(mutex_);
    key = NewKey();
  }
  std::string what;
  {
    std::lock_guard lock(record->mutex);
    const Context& origin = record->origin;
    if (!record->id.empty() && record->outcome) {
      record->refused = true;  // It has heard of the end, and its answer was lost.
      return;
    }
    if (!record->id.empty()) {
      what =
          "the node does not give the task " + record->action + " its id back, it gets another one";
      by_id_.erase(record->id);
      record->id.clear();
      record->ancestors.clear();
      record->key = key;
    } else if (!origin.task.empty() || !origin.opaque_id.empty() || !origin.traceparent.empty()) {
      what = "the task " + record->action + " is registered without its context";
      record->origin = {};
    } else {
      what = "the node refuses the task " + record->action + ", it stays untracked";
      record->refused = true;
    }
  }
  WarnOnce(what, what + ": " + why.reason);
}

Engine::Told Engine::Listen() {
  if (session_.empty() || stream_.open()) return Told::kYes;
  if (listen_at_ && Now() < *listen_at_) {
    DueAt(*listen_at_);
    return Told::kYes;
  }
  listen_at_.reset();
  switch (stream_.Open(socket_path_, session_, Now() + kCall)) {
    case CommandStream::Opened::kYes:
      break;
    case CommandStream::Opened::kRefused:
      listen_at_ = Now() + kBusy;
      DueAt(*listen_at_);
      return Told::kYes;
    case CommandStream::Opened::kOver:
      return Told::kAway;
  }
  HearCommands();
  return stream_.open() ? Told::kYes : Told::kAway;
}

Engine::Told Engine::TellEnds() {
  std::vector<RecordPtr> over;
  const Told told = TellEnds(over);
  Forget(over);
  return told;
}

Engine::Told Engine::TellEnds(std::vector<RecordPtr>& over) {
  std::vector<RecordPtr> batch;
  for (const auto& record : Snapshot()) {
    {
      std::lock_guard lock(record->mutex);
      if (!record->outcome || (!record->registered && !record->refused)) continue;
      record->told_end = record->refused;
    }
    (record->refused ? over : batch).push_back(record);
    if (batch.size() < kBatch) continue;
    const Told told = TellEndsOf(std::exchange(batch, {}), over);
    if (told != Told::kYes) return told;
  }
  return batch.empty() ? Told::kYes : TellEndsOf(batch, over);
}

// `bare`: without figures, which an older node does not know.
Engine::Told Engine::TellEndsOf(const std::vector<RecordPtr>& batch, std::vector<RecordPtr>& over,
                                bool bare) {
  std::string body = "[";
  for (const auto& record : batch) {
    std::lock_guard lock(record->mutex);
    body += body.size() > 1 ? ",{" : "{";
    AppendField(body, "id", record->id);
    AppendField(body, "outcome", OutcomeText(*record->outcome));
    if (record->meter.used() && !bare && !resources_refused_) {
      body += ",\"resources\":" + ResourcesJson(record->meter.Read());
    }
    body += '}';
  }
  const auto reply = api_.Post("/v1/tasks/finish", session_, body + "]", Now() + kCall);
  if (reply && IsBusy(reply->status)) return Told::kBusy;
  if (reply && IsFinal(reply->status)) {
    if (batch.size() > 1) {  // One bad end makes its whole batch fail.
      for (const auto& record : batch) {
        const Told told = TellEndsOf({record}, over);
        if (told != Told::kYes) return told;
      }
      return Told::kYes;
    }
    if (!bare) return TellEndsOf(batch, over, true);
    WarnOnce("end " + batch.front()->action, "the node does not take the end of the task " +
                                                 batch.front()->action + ": " +
                                                 ParseRefusal(reply->body).reason);
  }
  const bool refused = reply && IsFinal(reply->status);
  const auto statuses = refused                         ? std::vector<int>{reply->status}
                        : reply && reply->status == 200 ? ParseFinishAnswer(reply->body)
                                                        : std::nullopt;
  if (!statuses || statuses->size() != batch.size()) return Told::kAway;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if ((*statuses)[i] == 200 || IsFinal((*statuses)[i])) {
      std::lock_guard lock(batch[i]->mutex);
      batch[i]->told_end = true;
      over.push_back(batch[i]);
    } else {
      DueAt(Now() + kBusy);  // Its disk is full, say: once more.
    }
  }
  return Told::kYes;
}

void Engine::DueAt(Steady moment) {
  if (!next_due_ || moment < *next_due_) next_due_ = moment;
}

void Engine::Forget(const std::vector<std::shared_ptr<Record>>& over) {
  if (over.empty()) return;
  std::unordered_set<const Record*> gone;
  for (const auto& record : over) {
    gone.insert(record.get());
    std::lock_guard lock(record->mutex);
    by_id_.erase(record->id);
  }
  std::lock_guard lock(mutex_);
  std::erase_if(records_, [&gone](const auto& record) { return gone.count(record.get()) > 0; });
}

void Engine::HearCommands() {
  const bool alive = stream_.Pump();
  while (const auto line = stream_.NextLine()) {
    if (const auto cancel = ParseCommand(*line)) Arrived(*cancel);
  }
  if (!alive) stream_.Close();
}

void Engine::Arrived(const Cancel& cancel) {
  const auto found = by_id_.find(cancel.task);
  if (found == by_id_.end()) return;
  const std::shared_ptr<Record> record = found->second;
  {
    std::lock_guard lock(record->mutex);
    record->cancel = cancel;
  }
  Deliver(record);
}

void Engine::WaitForWork() {
  // The stream broke while there is something to hear: the daemon went away, so begin anew.
  if (connected_ && !stream_.open() && !session_.empty() && !listen_at_) {
    if (Snapshot().empty()) {
      api_.Close();
      connected_ = false;
      session_.clear();
    } else {
      Disconnect();
    }
  }
  pollfd items[2] = {{wake_fd_, POLLIN, 0}, {stream_.fd(), POLLIN, 0}};
  int timeout = -1;
  const auto next = next_due_ && next_look_ ? std::min(next_due_, next_look_)
                    : next_due_             ? next_due_
                                            : next_look_;
  if (next) {
    const auto left = std::chrono::ceil<milliseconds>(*next - Now()).count();
    timeout = static_cast<int>(std::clamp<std::int64_t>(left, 0, 60'000));
  }
  if (wake_fd_ < 0) {
    const auto most = static_cast<int>(kWithoutWake.count());
    timeout = timeout < 0 ? most : std::min(timeout, most);
  }
  poll(items, stream_.open() ? 2 : 1, timeout);
  eventfd_t count = 0;
  eventfd_read(wake_fd_, &count);
}

}  // namespace quell::sdk
