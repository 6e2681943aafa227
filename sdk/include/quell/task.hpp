// Quell for C++20 programs: RAII over the C interface (quell.h, whose rules hold here too).
// Header-only; link libquell.
#pragma once

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <quell/quell.h>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

namespace quell {

// Who wants a task stopped, why, and how long it has until force.
struct CancelRequest {
  std::string by;
  std::string reason;
  std::chrono::milliseconds grace{0};
  std::chrono::system_clock::time_point at;
};

// What throw_if_cancelled() throws.
class Cancelled : public std::exception {
 public:
  explicit Cancelled(CancelRequest request)
      : request_(std::move(request)),
        what_("cancelled by " + request_.by + (request_.reason.empty() ? "" : ": ") +
              request_.reason) {}
  const char* what() const noexcept override { return what_.c_str(); }
  const CancelRequest& request() const { return request_; }

 private:
  CancelRequest request_;
  std::string what_;
};

enum class Outcome {
  success = QUELL_SUCCESS,
  failure = QUELL_FAILURE,
  cancelled = QUELL_CANCELLED,
  timeout = QUELL_TIMEOUT
};

enum class Carrier { http = QUELL_HTTP, grpc = QUELL_GRPC, environment = QUELL_ENVIRONMENT };

// Where work comes from; travels in headers, metadata and environments. Move-only value.
class Context {
 public:
  static Context FromEnvironment() { return Context(quell_context_from_environment()); }

  // `get(name)` returns std::optional<std::string>. What is malformed is ignored.
  template <typename Get>
  static Context Extract(Get get) {
    struct State {
      Get& get;
      std::string value;
    } state{get, {}};
    return Context(quell_context_extract(
        [](void* arg, const char* name) -> const char* {
          auto* s = static_cast<State*>(arg);
          std::optional<std::string> found = s->get(std::string_view(name));
          if (!found) return nullptr;
          s->value = std::move(*found);
          return s->value.c_str();
        },
        &state));
  }

  // `set(name, value)`, both std::string_view, for each entry.
  template <typename Set>
  void Inject(Carrier carrier, Set set) const {
    quell_context_inject(
        raw_.get(), static_cast<quell_carrier>(carrier),
        [](void* arg, const char* name, const char* value) {
          (*static_cast<Set*>(arg))(std::string_view(name), std::string_view(value));
        },
        &set);
  }

  void set_opaque_id(const std::string& id) { quell_context_set_opaque_id(raw_.get(), id.c_str()); }

 private:
  friend class Task;
  struct Free {
    void operator()(quell_context* c) const { quell_context_free(c); }
  };
  explicit Context(quell_context* raw) : raw_(raw) {}
  std::unique_ptr<quell_context, Free> raw_;
};

struct TaskOptions {
  std::string action;
  std::string description{};
  bool cancellable = true;
  const Context* context = nullptr;  // None: the environment's.
  bool cancel_on_parent_lost = false;
};

// One piece of work. Move-only. The destructor finishes it: as success, as cancelled if it unwinds
// from Cancelled or was cancelled while unwinding, as failure if another exception unwinds.
class Task {
 public:
  explicit Task(const TaskOptions& options) : Task(nullptr, options) {}
  explicit Task(const std::string& action, const std::string& description = {})
      : Task(nullptr, TaskOptions{.action = action, .description = description}) {}
  Task(Task&&) noexcept = default;
  Task& operator=(Task&& other) noexcept {
    Task dying(std::move(*this));
    state_ = std::move(other.state_);
    exceptions_ = other.exceptions_;
    return *this;
  }
  ~Task() {
    if (!state_) return;
    if (std::uncaught_exceptions() > exceptions_) {
      finish(cancel_request() ? Outcome::cancelled : Outcome::failure);
    }
  }

  // "NODE:NUMBER", or empty while untracked.
  std::string id() const {
    std::string text(quell_task_id(raw(), nullptr, 0), '\0');
    if (!text.empty()) text.resize(quell_task_id(raw(), text.data(), text.size() + 1));
    return text;
  }
  bool tracked() const { return quell_task_id(raw(), nullptr, 0) != 0; }

  // One atomic load each, and a note of the time.
  bool cancelled() const { return quell_task_cancelled(raw()) != 0; }
  void throw_if_cancelled() const {
    if (cancelled()) throw Cancelled(cancel_request().value_or(CancelRequest{}));
  }
  // Stops with the task. Whoever has it counts as one who has looked when the cancel comes.
  std::stop_token stop_token() const {
    if (!state_) return {};
    std::call_once(state_->subscribed, [this] {
      state_->subscription = quell_task_on_cancel(
          state_->task, [](void* arg) { static_cast<State*>(arg)->stop.request_stop(); },
          state_.get());
    });
    return state_->stop.get_token();
  }

  std::optional<CancelRequest> cancel_request() const {
    quell_cancel info{};
    info.size = sizeof(info);
    if (quell_task_cancel_info(raw(), &info) == 0) return std::nullopt;
    return CancelRequest{
        info.by, info.reason, std::chrono::milliseconds(info.grace_ms),
        std::chrono::system_clock::time_point(std::chrono::milliseconds(info.at_ms))};
  }

  void progress(std::uint64_t done, std::uint64_t total, const std::string& unit = {}) {
    quell_task_progress(raw(), done, total, unit.c_str());
  }
  void phase(const std::string& text) { quell_task_phase(raw(), text.c_str()); }
  // `json` is any JSON value.
  void field(const std::string& name, const std::string& json) {
    quell_task_field(raw(), name.c_str(), json.c_str());
  }

  Task child(const TaskOptions& options) const { return Task(raw(), options); }
  Task child(const std::string& action, const std::string& description = {}) const {
    return Task(raw(), TaskOptions{.action = action, .description = description});
  }
  Context context() const { return Context(quell_task_context(raw())); }

  // Idempotent.
  void finish(Outcome outcome) { quell_task_finish(raw(), static_cast<quell_outcome>(outcome)); }

  // While it lives a cancel is deferred, and everybody sees why. Must not outlive its task.
  class [[nodiscard]] Shield {
   public:
    Shield(Shield&& other) noexcept : task_(std::exchange(other.task_, nullptr)) {}
    Shield& operator=(Shield&&) = delete;
    ~Shield() {
      if (task_ != nullptr) quell_task_shield_end(task_);
    }

   private:
    friend class Task;
    Shield(quell_task* task, const std::string& why) : task_(task) {
      quell_task_shield_begin(task_, why.c_str());
    }
    quell_task* task_;
  };
  Shield shield(const std::string& why) { return Shield(raw(), why); }

  // While it lives the CPU time of the thread that made it counts to the task.
  class [[nodiscard]] Measure {
   public:
    Measure(Measure&& other) noexcept : raw_(std::exchange(other.raw_, nullptr)) {}
    Measure& operator=(Measure&&) = delete;
    ~Measure() { quell_measure_end(raw_); }

   private:
    friend class Task;
    explicit Measure(quell_measure* raw) : raw_(raw) {}
    quell_measure* raw_;
  };
  Measure measure_this_thread() { return Measure(quell_task_measure_this_thread(raw())); }

 private:
  // Lives behind a pointer, so that a Task can be moved while its cancel arrives.
  struct State {
    quell_task* task = nullptr;
    std::once_flag subscribed;
    std::stop_source stop;
    quell_subscription* subscription = nullptr;
    ~State() {
      quell_subscription_release(subscription);
      quell_task_release(task);
    }
  };

  Task(quell_task* parent, const TaskOptions& options)
      : state_(std::make_unique<State>()), exceptions_(std::uncaught_exceptions()) {
    quell_task_options raw_options{};
    raw_options.size = sizeof(raw_options);
    raw_options.action = options.action.c_str();
    raw_options.description = options.description.c_str();
    raw_options.context = options.context != nullptr ? options.context->raw_.get() : nullptr;
    raw_options.uncancellable = options.cancellable ? 0 : 1;
    raw_options.cancel_on_parent_lost = options.cancel_on_parent_lost ? 1 : 0;
    state_->task = parent != nullptr ? quell_task_start_child(parent, &raw_options)
                                     : quell_task_start(&raw_options);
  }
  quell_task* raw() const { return state_ ? state_->task : nullptr; }

  std::unique_ptr<State> state_;
  int exceptions_;
};

}  // namespace quell
