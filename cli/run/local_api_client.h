// What `quell run` says to its node over the local API, and what it hears.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <vector>

#include "core/clock.h"
#include "core/ids.h"
#include "core/resource_use.h"
#include "core/result.h"
#include "transport/http/client.h"

namespace quell::cli {

// The task that stands for the command.
struct JobTask {
  std::string action;
  std::string description;
  std::string parent;  // Empty: none.
  pid_t pid = 0;
  std::int64_t start_millis = 0;            // Since 1970.
  std::optional<std::string> id;            // To resume: what it was called before.
  std::vector<std::string> ancestors = {};  // Of the parent, nearest first, as far as known.
  bool parent_required = false;             // Else a parent that is not known is left out.
  BootTime start_boot = {};                 // The same moment as start_millis.
};

struct JobCancel {
  std::string intent;
  std::string by;
  std::string reason;
  std::chrono::milliseconds grace{0};

  friend bool operator==(const JobCancel&, const JobCancel&) = default;
};

struct JobSession {
  std::string token;
  std::string task;
  std::vector<std::string> ancestors;  // Of the task, nearest first.
  std::optional<JobCancel> cancel;
};

struct JobReport {
  bool stopping = false;
  bool killed = false;
  std::string ignoring;  // Empty: nothing to say.
  ResourceReport resources = {};

  friend bool operator==(const JobReport&, const JobReport&) = default;
};

// The bodies. Errors: kInternal (not what the local API answers).
std::string RenderRegistration(const JobTask& task);
std::string RenderReport(const JobReport& report);
std::string RenderEnd(std::string_view outcome, const ResourceReport& resources);
Result<JobSession> ParseRegistered(std::string_view json);
// A line of the command stream. nullopt: nothing for `task` (a keep-alive, something newer).
std::optional<JobCancel> ParseCommand(std::string_view line, std::string_view task);
// What an answer other than 200 means: see LocalApiServer. The message is that of the body, or the
// body.
Error ParseRefusal(int status, std::string_view body);

// Blocking; thread-safe. Errors: as http::Fetch(), and what the answer means: kNotFound by the type
// of its error (Register(): the required parent; OpenCommands(): the session; the others: the
// task), else by its status: kInvalidArgument 400, kPermissionDenied 403, kFailedPrecondition 409,
// kResourceExhausted 429 and 507, else kInternal.
class LocalApiClient {
 public:
  explicit LocalApiClient(http::Address address) : address_(std::move(address)) {}

  Result<JobSession> Register(const JobTask& task, std::chrono::milliseconds timeout) const;
  Result<std::unique_ptr<http::LineStream>> OpenCommands(const std::string& token,
                                                         std::chrono::milliseconds timeout) const;
  Status Report(const JobSession& session, const JobReport& report,
                std::chrono::milliseconds timeout) const;
  // `outcome`: success, failure, cancelled. `resources`: the last figures.
  Status Finish(const JobSession& session, std::string_view outcome,
                const ResourceReport& resources, std::chrono::milliseconds timeout) const;

 private:
  Result<std::string> Post(std::string target, const std::string& token, std::string body,
                           std::chrono::milliseconds timeout) const;

  http::Address address_;
};

}  // namespace quell::cli
