// Keeps the job known to its node: registers it, holds the command stream open, finds the node
// again when it was away. On threads of its own, so that nothing it waits for delays the job.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "cli/run/local_api_client.h"
#include "core/error.h"
#include "core/result.h"

namespace quell::cli {

// Thread-safe, but meant for one thread. Its threads are never joined: they hold the shared state
// and end with the process.
class Tracker {
 public:
  // Starts to register `task` at once, and goes on until it works. All signals are blocked, and
  // stay so. `parent_required`: a parent that the node does not know makes it give up; else the
  // task loses its parent after kParentPatience. What the tree below this process uses is measured
  // until Finish(), and told with the reports.
  // Errors: kResourceExhausted (threads, memory, open files): nothing has been registered.
  static Result<std::unique_ptr<Tracker>> Start(http::Address address, JobTask task,
                                                bool parent_required);
  Tracker(const Tracker&) = delete;
  Tracker& operator=(const Tracker&) = delete;

  static constexpr std::chrono::milliseconds kParentPatience{3000};

  // Blocks until the first registration has worked, or has failed, or for `budget`.
  std::optional<JobSession> WaitForTask(std::chrono::milliseconds budget);
  // Why the last try failed; nullopt while the task is registered or the first try is under way.
  std::optional<Error> failure() const;

  // Readable when a cancel waits to be taken.
  int fd() const;
  // The newest cancel that has not been taken.
  std::optional<JobCancel> TakeCancel();

  // Told to the node soon; repeated until it has heard it. The members only grow; `resources` is
  // not looked at.
  void Report(const JobReport& report);
  // Tells the node what it has used in all and how it ended, if it knows the task; gives up after
  // `budget`.
  void Finish(const std::string& outcome, std::chrono::milliseconds budget);

  struct State;

 private:
  explicit Tracker(std::shared_ptr<State> state) : state_(std::move(state)) {}

  std::shared_ptr<State> state_;
};

}  // namespace quell::cli
