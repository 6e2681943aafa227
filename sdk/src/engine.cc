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

namespace quell::sdk {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstStart{250};
constexpr milliseconds kExit{250};
constexpr milliseconds kCall{5000};
constexpr milliseconds kCoalesce{100};
constexpr milliseconds kBackoffMin{100};
constexpr milliseconds kBackoffMax{2000};
// When the program last looked for a cancel travels with other reports; alone, only so often.
constexpr milliseconds kLook{10'000};
constexpr milliseconds kLookCancelled{1000};  // Somebody waits for it.
constexpr std::size_t kLooksASecond = 100;
constexpr milliseconds kMeasure{1000};  // Figures that travel alone.
constexpr std::size_t kBatch = 500;
constexpr std::size_t kEndedUntracked = 1000;  // Kept for a daemon that may come back.

Steady Now() {
  return std::chrono::steady_clock::now();
}

std::string SocketPath() {
  const char* path = std::getenv("QUELL_SOCKET");
  return path != nullptr && *path != '\0' ? path : "/run/quell/node.sock";
}

// The daemon will not say otherwise however often it is asked.
bool IsFinal(int status) {
  return status >= 400 && status < 500 && status != 408 && status != 429;
}

// When a coarse moment was, in milliseconds since 1970.
std::int64_t WallMillisOf(std::int64_t coarse) {
  const auto wall = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<milliseconds>(wall -
                                                  std::chrono::nanoseconds(CoarseNow() - coarse))
      .count();
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
  for (const unsigned char byte : bytes) {
    text += kHex[byte >> 4];
    text += kHex[byte & 15];
  }
  return text + "-";
}

}  // namespace

void Subscription::Run() {
  std::lock_guard lock(mutex_);
  if (done_) return;
  done_ = true;
  fn_(arg_);
}

void Subscription::Stop() {
  std::lock_guard lock(mutex_);
  done_ = true;
}

// The engine of this process; replaced in a forked child.
static std::atomic<Engine*> g_engine{nullptr};
static std::mutex g_engine_mutex;

struct ForkHooks {
  static void Prepare() {
    g_engine_mutex.lock();
    if (Engine* engine = g_engine.load()) engine->mutex_.lock();
  }
  static void Parent() {
    if (Engine* engine = g_engine.load()) engine->mutex_.unlock();
    g_engine_mutex.unlock();
  }
  // The engine's thread is not there: its copy is left as it is, and the child begins anew. Its
  // sockets must go, or the parent's streams would outlive the parent.
  static void Child() {
    if (Engine* engine = g_engine.load()) {
      for (const auto& record : engine->records_)
        record->inert.store(true);
      if (engine->door_.fd() >= 0) ::close(engine->door_.fd());
      if (engine->stream_.fd() >= 0) ::close(engine->stream_.fd());
      ::close(engine->wake_fd_);
      engine->mutex_.unlock();
      g_engine.store(nullptr);
    }
    g_engine_mutex.unlock();
  }
};

Engine& Engine::Get() {
  if (Engine* engine = g_engine.load()) return *engine;
  std::lock_guard lock(g_engine_mutex);
  if (Engine* engine = g_engine.load()) return *engine;
  static const bool hooked = [] {
    pthread_atfork(&ForkHooks::Prepare, &ForkHooks::Parent, &ForkHooks::Child);
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
      wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      key_prefix_(RandomPrefix()),
      door_(socket_path_) {}

void Engine::Add(const std::shared_ptr<Record>& record) {
  std::unique_lock lock(mutex_);
  record->key = key_prefix_ + std::to_string(++added_);
  records_.push_back(record);
  ++asked_;
  const bool first = !started_;
  if (first) {
    started_ = true;
    // The program's signal handlers must not run on this thread.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    // lint: allow(detached): the engine is never destroyed, and must not hold up a program's exit
    std::thread(&Engine::Run, this).detach();
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  eventfd_write(wake_fd_, 1);
  if (first) changed_.wait_for(lock, kFirstStart, [this] { return tried_; });
}

void Engine::Wake(const std::shared_ptr<Record>&) {
  std::lock_guard lock(mutex_);
  ++asked_;
  eventfd_write(wake_fd_, 1);
}

bool Engine::Flush(milliseconds timeout) {
  std::unique_lock lock(mutex_);
  if (!started_) return true;
  const std::uint64_t until = asked_;
  eventfd_write(wake_fd_, 1);
  return changed_.wait_for(lock, timeout, [&] { return served_ >= until; });
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
  if (RegisterNew() && TellReports() && TellEnds()) return true;
  Disconnect();
  return false;
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
  door_.Close();
  stream_.Close();
  session_.clear();  // A daemon that was restarted does not know it.
  resources_refused_ = false;
  connected_ = false;
  backoff_ = std::clamp(backoff_ * 2, kBackoffMin, kBackoffMax);
  retry_at_ = Now() + backoff_;
  next_due_ = retry_at_;
  std::vector<std::shared_ptr<Record>> ended;
  for (const auto& record : Snapshot()) {
    std::lock_guard lock(record->mutex);
    record->registered = false;
    if (record->outcome && record->id.empty()) ended.push_back(record);
  }
  // Work that began and ended without a daemon must not pile up.
  ended.resize(ended.size() - std::min(ended.size(), kEndedUntracked));
  Forget(ended);
}

bool Engine::RegisterNew() {
  for (;;) {
    std::vector<std::shared_ptr<Record>> batch;
    for (const auto& record : Snapshot()) {
      if (record->parent) {
        std::lock_guard parent_lock(record->parent->mutex);
        // A parent that has an id, or never will have one, holds nobody up.
        if (record->parent->id.empty() && !record->parent->refused) continue;
      }
      std::lock_guard lock(record->mutex);
      if (record->registered || record->refused) continue;
      if (record->outcome && record->told_end) continue;
      batch.push_back(record);
      if (batch.size() == kBatch) break;
    }
    if (batch.empty()) return true;
    if (!RegisterBatch(batch)) return false;
  }
}

bool Engine::RegisterBatch(const std::vector<std::shared_ptr<Record>>& batch) {
  std::string body = "[";
  for (const auto& record : batch) {
    std::string parent = record->origin.task;
    std::vector<std::string> chain = record->origin.ancestors;
    if (record->parent) {
      std::lock_guard parent_lock(record->parent->mutex);
      parent = record->parent->id;
      chain.clear();  // The node knows it.
    }
    std::lock_guard lock(record->mutex);
    if (body.size() > 1) body += ',';
    body += NewTaskJson(*record, parent, chain);
  }
  body += ']';
  const auto reply = door_.Post("/v1/tasks", session_, body, Now() + kCall);
  if (!reply) return false;
  if (reply->status == 404 && !session_.empty()) return false;  // The session is over: begin anew.
  if (IsFinal(reply->status)) {
    // One bad task spoils its batch: find it by asking for each alone.
    if (batch.size() > 1) {
      return std::all_of(batch.begin(), batch.end(),
                         [this](const auto& record) { return RegisterBatch({record}); });
    }
    std::lock_guard lock(batch.front()->mutex);
    batch.front()->refused = true;
    return true;
  }
  const auto answer = reply->status == 200 ? ParseRegisterAnswer(reply->body) : std::nullopt;
  if (!answer || answer->tasks.size() != batch.size()) return false;

  session_ = answer->session;
  backoff_ = milliseconds(0);
  for (std::size_t i = 0; i < batch.size(); ++i) {
    {
      std::lock_guard lock(batch[i]->mutex);
      batch[i]->registered = true;
      if (batch[i]->id != answer->tasks[i].id) by_id_.erase(batch[i]->id);
      batch[i]->id = answer->tasks[i].id;
      batch[i]->ancestors = answer->tasks[i].ancestors;
      batch[i]->fields_dirty = batch[i]->fields_dirty || !batch[i]->fields.empty();
      batch[i]->fields_told = {};
      batch[i]->figures_told = {};
      batch[i]->engine_measures = batch[i]->meter.used();
      batch[i]->checked_told_ns = 0;
      batch[i]->check_told = Now();
      batch[i]->told_stopping = false;
      if (answer->tasks[i].cancel) batch[i]->cancel = answer->tasks[i].cancel;
    }
    by_id_[answer->tasks[i].id] = batch[i];
    if (answer->tasks[i].cancel) Deliver(batch[i]);
  }
  if (!stream_.open() && !stream_.Open(socket_path_, session_, Now() + kCall)) return false;
  HearCommands();
  return stream_.open();
}

bool Engine::TellReports() {
  const Steady now = Now();
  for (const auto& record : Snapshot()) {
    if (!TellReport(record, now)) return false;
  }
  return true;
}

bool Engine::TellReport(const std::shared_ptr<Record>& record, Steady now) {
  std::string body = "{";
  std::string resources;
  std::string id;
  {
    std::lock_guard lock(record->mutex);
    if (!record->registered || record->told_end) return true;
    id = record->id;
    if (record->fields_dirty) {
      const Steady due = record->fields_told + kCoalesce;
      if (due <= now || record->outcome) {
        body += "\"status\":" + StatusJson(*record);
        record->fields_dirty = false;
        record->fields_told = now;
      } else if (!next_due_ || due < *next_due_) {
        next_due_ = due;
      }
    }
    if (record->tell_deferred && record->shields > 0)
      AppendField(body, "deferred", record->shield_why);
    if (record->knows.load() && !record->told_stopping) {
      if (body.size() > 1) body += ',';
      body += "\"stopping\":true";
      record->told_stopping = true;
    }
    record->tell_deferred = false;
    const std::int64_t checked = record->checked_ns.load(std::memory_order_relaxed);
    if (IsLookDue(*record, now, checked != record->checked_told_ns, body.size() > 1)) {
      if (body.size() > 1) body += ',';
      body += "\"last_check_millis\":" + std::to_string(WallMillisOf(checked));
      record->checked_told_ns = checked;
      record->check_told = now;
    }
    if (record->engine_measures) resources = NewFigures(*record, now, body.size() > 1);
  }
  return SendReport("/v1/tasks/" + id + "/report", body, resources);
}

// An older node refuses a report with what it does not know: the rest must get through.
bool Engine::SendReport(const std::string& target, const std::string& body,
                        const std::string& resources) {
  if (!resources.empty() && !resources_refused_) {
    const std::string all =
        body + (body.size() > 1 ? "," : "") + "\"resources\":" + resources + "}";
    const auto reply = door_.Post(target, session_, all, Now() + kCall);
    if (!reply) return false;
    if (reply->status != 400) return reply->status == 200 || IsFinal(reply->status);
    resources_refused_ = true;
  }
  if (body.size() == 1) return true;
  const auto reply = door_.Post(target, session_, body + "}", Now() + kCall);
  return reply && (reply->status == 200 || IsFinal(reply->status));
}

// What is to be told now of the CPU time that is counted to the task, if anything: `together` with
// something else, or for its own sake; the last figures go with the end. The caller holds the
// record's mutex.
std::string Engine::NewFigures(Record& record, Steady now, bool together) {
  const Steady due = record.figures_told_at + kMeasure;
  if (record.outcome) return {};
  if (due > now && !together) {
    if (!next_look_ || due < *next_look_) next_look_ = due;
    return {};
  }
  const CpuFigures figures = record.meter.Read();
  record.engine_measures = figures.active > 0;
  if (record.engine_measures && (!next_look_ || now + kMeasure < *next_look_)) {
    next_look_ = now + kMeasure;
  }
  record.figures_told_at = now;
  if (figures == record.figures_told) return {};
  record.figures_told = figures;
  return ResourcesJson(figures);
}

// Whether the last look, if it `is_new`, is to be told now: `together` with something else, or for
// its own sake. The caller holds the record's mutex.
bool Engine::IsLookDue(const Record& record, Steady now, bool is_new, bool together) {
  const bool awaited = record.cancel.has_value();
  const milliseconds pause = awaited ? kLookCancelled : kLook;
  if (now - looks_since_ >= std::chrono::seconds(1)) {
    looks_since_ = now;
    looks_ = 0;
  }
  Steady again = now + pause;
  bool tell = is_new && together;
  if (is_new && !together) {
    const bool crowded = !awaited && looks_ >= kLooksASecond;
    tell = record.check_told + pause <= now && !crowded;
    if (tell) ++looks_;
    if (!tell) again = crowded ? looks_since_ + std::chrono::seconds(1) : record.check_told + pause;
  }
  if (!next_look_ || again < *next_look_) next_look_ = again;
  return tell;
}

bool Engine::TellEnds() {
  std::vector<std::shared_ptr<Record>> over;
  const bool told = TellEnds(over);
  Forget(over);
  return told;
}

bool Engine::TellEnds(std::vector<std::shared_ptr<Record>>& over) {
  std::vector<std::shared_ptr<Record>> batch;
  for (const auto& record : Snapshot()) {
    {
      std::lock_guard lock(record->mutex);
      if (!record->outcome || (!record->registered && !record->refused)) continue;
      record->told_end = record->refused;
    }
    (record->refused ? over : batch).push_back(record);
    if (batch.size() == kBatch && !TellEndsOf(std::exchange(batch, {}), over)) return false;
  }
  return batch.empty() || TellEndsOf(batch, over);
}

bool Engine::TellEndsOf(const std::vector<std::shared_ptr<Record>>& batch,
                        std::vector<std::shared_ptr<Record>>& over) {
  std::string body = "[";
  for (const auto& record : batch) {
    std::lock_guard lock(record->mutex);
    body += body.size() > 1 ? ",{" : "{";
    AppendField(body, "id", record->id);
    AppendField(body, "outcome", OutcomeText(*record->outcome));
    if (record->meter.used()) body += ",\"resources\":" + ResourcesJson(record->meter.Read());
    body += '}';
  }
  const auto reply = door_.Post("/v1/tasks/finish", session_, body + "]", Now() + kCall);
  const auto statuses =
      reply && reply->status == 200 ? ParseFinishAnswer(reply->body) : std::nullopt;
  if (!statuses || statuses->size() != batch.size()) return false;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if ((*statuses)[i] == 200 || IsFinal((*statuses)[i])) {
      std::lock_guard lock(batch[i]->mutex);
      batch[i]->told_end = true;
      over.push_back(batch[i]);
    } else {
      next_due_ = Now() + kBackoffMax;  // Its disk is full, say: once more.
    }
  }
  return true;
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
  if (connected_ && !stream_.open() && !session_.empty()) {
    if (Snapshot().empty()) {
      door_.Close();
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
  poll(items, stream_.open() ? 2 : 1, timeout);
  eventfd_t count = 0;
  eventfd_read(wake_fd_, &count);
}

}  // namespace quell::sdk
