// The C interface: handles to records, and nothing else.
#include "quell/quell.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <new>
#include <utility>

#include "context.h"
#include "engine.h"
#include "json.h"
#include "notices.h"
#include "record.h"

using quell::sdk::AppendQuoted;
using quell::sdk::Context;
using quell::sdk::Engine;
using quell::sdk::Record;
using quell::sdk::Subscription;

struct quell_task {
  std::shared_ptr<Record> record;
};

namespace {

constexpr std::size_t kActionMax = 128;
constexpr std::size_t kDescriptionMax = 4096;
constexpr std::size_t kFieldsMax = 64;
constexpr std::size_t kStatusMax = 16 * 1024;

// At most `max` bytes, not cutting a UTF-8 sequence.
std::string Cut(const char* text, std::size_t max) {
  if (text == nullptr) return {};
  std::size_t length = strnlen(text, max + 1);
  if (length > max) {
    length = max;
    while (length > 0 && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
      --length;
  }
  return std::string(text, length);
}

// The same once it is UTF-8: what a replacement makes longer must not be too long for the node.
std::string CutUtf8(const char* text, std::size_t max) {
  return Cut(quell::sdk::ToUtf8(Cut(text, max)).c_str(), max);
}

// A node refuses control characters in an action.
std::string OneLine(std::string text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7F) text[i] = ' ';
    if (byte != 0xC2 || i + 1 == text.size()) continue;
    if (static_cast<unsigned char>(text[i + 1]) <= 0x9F) text.replace(i, 2, " ");
  }
  return text;
}

void CopyTo(char* to, std::size_t capacity, const std::string& text) {
  const std::string cut = Cut(text.c_str(), capacity - 1);
  std::memcpy(to, cut.c_str(), cut.size() + 1);
}

bool Usable(const quell_task* task) {
  return task != nullptr && !task->record->inert();
}

quell_task* Start(const quell_task_options* options, std::shared_ptr<Record> parent) {
  auto record = std::make_shared<Record>();
  record->start_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
  timespec since_boot{};
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  record->start_boot_us = since_boot.tv_sec * 1'000'000 + since_boot.tv_nsec / 1000;
  const bool has_action =
      options != nullptr && options->action != nullptr && *options->action != '\0';
  record->action = has_action ? OneLine(CutUtf8(options->action, kActionMax)) : "unnamed";
  if (options != nullptr) {
    record->description = CutUtf8(options->description, kDescriptionMax);
    record->cancellable = options->uncancellable == 0;
    record->cancel_on_parent_lost = options->cancel_on_parent_lost != 0;
  }
  if (parent) {
    // try_lock: in a forked child the mutex may have been held by a thread that is not there.
    std::unique_lock lock(parent->mutex, std::defer_lock);
    if (parent->inert() ? lock.try_lock() : (lock.lock(), true)) {
      record->origin = parent->origin;
      record->origin.task = parent->id;
      record->origin.ancestors = parent->ancestors;
    }
  } else if (options != nullptr && options->context != nullptr) {
    record->origin = options->context->context;
  } else {
    record->origin = Context::FromEnvironment();
  }
  // After a fork the parent's task lives in another process: only its id counts.
  if (parent && !parent->inert()) record->parent = std::move(parent);
  Engine::Get().Add(record);
  return new quell_task{std::move(record)};
}

// The program has seen that it is cancelled: the node is to hear that, once.
void See(const std::shared_ptr<Record>& record) {
  if (!record->knows.load() && !record->knows.exchange(true)) Engine::Get().Wake(record);
}

// Why the status has no room for this member; empty: it has. The caller holds the record's mutex.
std::string WhyNoRoom(const std::map<std::string, std::string>& fields, const std::string& name,
                      const std::string& json) {
  if (fields.size() >= kFieldsMax && !fields.contains(name)) {
    return "a status has at most " + std::to_string(kFieldsMax) + " members";
  }
  std::size_t size = name.size() + json.size();
  for (const auto& [other, value] : fields)
    size += other == name ? 0 : other.size() + value.size() + 4;  // Quotes, a colon, a comma.
  if (size + 6 <= kStatusMax) return {};
  return "the status would have more than " + std::to_string(kStatusMax) + " bytes";
}

// Sets one member of the status, or takes it out if there is a reason `why`.
void SetField(quell_task* task, const std::string& name, std::string json, std::string why = {}) {
  bool wake = false;
  {
    std::lock_guard lock(task->record->mutex);
    auto& fields = task->record->fields;
    if (task->record->outcome) return;
    const auto before = fields.find(name);
    if (why.empty() && before != fields.end() && before->second == json) return;
    if (why.empty()) why = WhyNoRoom(fields, name, json);
    const bool changed = why.empty() || before != fields.end();
    if (why.empty()) {
      fields[name] = std::move(json);
    } else if (before != fields.end()) {
      fields.erase(before);
    }
    wake = changed &&
           !std::exchange(task->record->fields_dirty, task->record->fields_dirty || changed);
  }
  if (!why.empty()) quell::sdk::WarnOfMember(task->record->action, Cut(name.c_str(), 128), why);
  if (wake) Engine::Get().Wake(task->record);
}

}  // namespace

extern "C" {

const char* quell_version(void) {
  return QUELL_VERSION;
}

quell_task* quell_task_start(const quell_task_options* options) try {
  return Start(options, nullptr);
} catch (const std::bad_alloc&) {
  return nullptr;
}

quell_task* quell_task_start_child(quell_task* parent, const quell_task_options* options) try {
  return Start(options, parent != nullptr ? parent->record : nullptr);
} catch (const std::bad_alloc&) {
  return nullptr;
}

quell_task* quell_task_retain(quell_task* task) {
  if (task != nullptr) task->record->references.fetch_add(1);
  return task;
}

void quell_task_release(quell_task* task) {
  if (task == nullptr || task->record->references.fetch_sub(1) != 1) return;
  quell_task_finish(task, QUELL_SUCCESS);
  delete task;
}

void quell_task_finish(quell_task* task, quell_outcome outcome) {
  if (!Usable(task) || outcome < QUELL_SUCCESS || outcome > QUELL_TIMEOUT) return;
  {
    std::lock_guard lock(task->record->mutex);
    if (task->record->outcome) return;
    task->record->outcome = outcome;
  }
  Engine::Get().Wake(task->record);
}

size_t quell_task_id(const quell_task* task, char* buffer, size_t capacity) {
  if (!Usable(task)) return 0;
  std::lock_guard lock(task->record->mutex);
  const std::string& id = task->record->id;
  if (buffer != nullptr && capacity > 0) {
    const std::size_t length = std::min(id.size(), capacity - 1);
    std::memcpy(buffer, id.data(), length);
    buffer[length] = '\0';
  }
  return id.size();
}

int quell_task_cancelled(quell_task* task) {
  if (!Usable(task)) return 0;
  Record& record = *task->record;
  record.checked_ns.store(quell::sdk::CoarseNow(), std::memory_order_relaxed);
  if (!record.cancelled.load(std::memory_order_acquire)) return 0;
  See(task->record);
  return 1;
}

int quell_task_cancel_info(quell_task* task, quell_cancel* info) {
  if (!Usable(task) || info == nullptr || info->size < sizeof(quell_cancel)) return 0;
  if (!task->record->cancelled.load(std::memory_order_acquire)) return 0;
  std::lock_guard lock(task->record->mutex);
  CopyTo(info->by, sizeof(info->by), task->record->cancel->by);
  CopyTo(info->reason, sizeof(info->reason), task->record->cancel->reason);
  info->grace_ms = task->record->cancel->grace_ms;
  info->at_ms = task->record->cancel->at_ms;
  return 1;
}

quell_subscription* quell_task_on_cancel(quell_task* task, void (*fn)(void*), void* arg) {
  if (!Usable(task) || fn == nullptr) return nullptr;
  auto subscription = std::make_shared<Subscription>(task->record, fn, arg);
  bool now = false;
  {
    std::lock_guard lock(task->record->mutex);
    now = task->record->cancelled.load();
    if (!now) task->record->subscriptions.push_back(subscription);
  }
  if (now) {
    subscription->Run();
    See(task->record);
  }
  return new quell_subscription{std::move(subscription)};
}

void quell_subscription_release(quell_subscription* subscription) {
  if (subscription == nullptr) return;
  Record& record = *subscription->subscription->record();
  if (!record.inert()) {
    {
      std::lock_guard lock(record.mutex);
      std::erase(record.subscriptions, subscription->subscription);
    }
    subscription->subscription->Stop();
  }
  delete subscription;
}

void quell_task_progress(quell_task* task, uint64_t done, uint64_t total, const char* unit) {
  if (!Usable(task)) return;
  std::string json = "{\"done\":" + std::to_string(done) + ",\"total\":" + std::to_string(total);
  if (unit != nullptr && *unit != '\0') {
    json += ",\"unit\":";
    AppendQuoted(json, Cut(unit, 64));
  }
  SetField(task, "progress", json + "}");
}

void quell_task_phase(quell_task* task, const char* phase) {
  if (!Usable(task)) return;
  std::string json;
  AppendQuoted(json, Cut(phase, 1024));
  SetField(task, "phase", json);
}

void quell_task_field(quell_task* task, const char* name, const char* json) {
  if (!Usable(task) || name == nullptr || *name == '\0' || json == nullptr) return;
  SetField(task, name, json, quell::sdk::IsJson(json) ? "" : "its value is no JSON");
}

void quell_task_shield_begin(quell_task* task, const char* why) {
  if (!Usable(task)) return;
  bool waiting = false;
  {
    std::lock_guard lock(task->record->mutex);
    ++task->record->shields;
    task->record->shield_why = Cut(why, 256);
    waiting = task->record->cancel.has_value() && !task->record->cancelled.load();
    if (waiting) task->record->tell_deferred = true;
  }
  if (waiting) Engine::Get().Wake(task->record);
}

void quell_task_shield_end(quell_task* task) {
  if (!Usable(task)) return;
  {
    std::lock_guard lock(task->record->mutex);
    if (task->record->shields == 0 || --task->record->shields > 0) return;
    if (!task->record->cancel) return;
  }
  Engine::Get().Deliver(task->record);
  Engine::Get().Wake(task->record);
}

quell_measure* quell_task_measure_this_thread(quell_task* task) {
  if (!Usable(task)) return nullptr;
  Record& record = *task->record;
  bool wake = false;
  auto* measure = new quell_measure{task->record, {}};
  {
    std::lock_guard lock(record.mutex);
    measure->stretch = record.meter.Begin();
    wake = !std::exchange(record.engine_measures, true);
    if (wake) record.figures_told_at = std::chrono::steady_clock::now();
  }
  if (wake) Engine::Get().Wake(task->record);
  return measure;
}

void quell_measure_end(quell_measure* measure) {
  if (measure == nullptr) return;
  if (!measure->record->inert()) {
    std::lock_guard lock(measure->record->mutex);
    measure->record->meter.End(measure->stretch);
  }
  delete measure;
}

quell_context* quell_task_context(const quell_task* task) {
  auto* context = new quell_context();
  if (task == nullptr) return context;
  std::unique_lock lock(task->record->mutex, std::defer_lock);
  if (task->record->inert()) {
    if (!lock.try_lock())
      return context;  // Held, when the process forked, by a thread that is not there.
  } else {
    lock.lock();
  }
  context->context = task->record->origin;
  if (!task->record->id.empty()) {
    context->context.task = task->record->id;
    context->context.ancestors = task->record->ancestors;
  }
  return context;
}

quell_context* quell_context_from_environment(void) {
  return new quell_context{Context::FromEnvironment()};
}

quell_context* quell_context_extract(const char* (*get)(void* arg, const char* name), void* arg) {
  if (get == nullptr) return new quell_context();
  return new quell_context{Context::Extract([&](const char* name) -> std::optional<std::string> {
    const char* value = get(arg, name);
    if (value == nullptr) return std::nullopt;
    return std::string(value);
  })};
}

void quell_context_inject(const quell_context* context, quell_carrier carrier,
                          void (*set)(void* arg, const char* name, const char* value), void* arg) {
  if (context == nullptr || set == nullptr) return;
  context->context.Inject(
      carrier, [&](const char* name, const std::string& value) { set(arg, name, value.c_str()); });
}

void quell_context_set_opaque_id(quell_context* context, const char* opaque_id) {
  if (context == nullptr) return;
  std::string id = Cut(opaque_id, 1024);
  context->context.opaque_id = quell::sdk::IsOpaqueId(id) ? std::move(id) : std::string();
}

void quell_context_free(quell_context* context) {
  delete context;
}

void quell_on_error(void (*fn)(void* arg, const char* message), void* arg) {
  quell::sdk::SetOnError(fn, arg);
}

int quell_flush(uint64_t timeout_ms) {
  const auto capped = std::min<uint64_t>(timeout_ms, 3'600'000);
  return Engine::Get().Flush(std::chrono::milliseconds(capped)) ? 1 : 0;
}

}  // extern "C"
