// What a task has used of its machine, as its program measured and reported it. Nobody else
// measures: what no report has named is absent, never zero.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "core/result.h"

namespace quell {

// CPU time, user and system. An *execution* is what was measured as one whole: one stretch of one
// thread's work (the SDK), or the process tree of a wrapped command (`quell run`).
struct CpuUse {
  std::chrono::nanoseconds total{0};  // Of all executions until now. Never falls.
  std::chrono::nanoseconds least{0};  // Of the execution that used the least, until now.
  std::chrono::nanoseconds most{0};   // Of the one that used the most.
  std::uint32_t executions = 1;       // Begun until now.
  std::uint32_t active = 0;           // Of these, those that are at work.

  // Per execution.
  std::chrono::nanoseconds average() const { return total / executions; }

  friend bool operator==(const CpuUse&, const CpuUse&) = default;
};

// Errors: kInvalidArgument if these figures cannot be: a negative time, no execution, more active
// ones than there are, or not least <= average <= most <= total.
Status Check(const CpuUse& cpu);

// Resident memory in bytes, over the reports. Pages that several processes share count in each.
struct MemoryUse {
  std::uint64_t now = 0;  // By the last report.
  double average = 0;     // Mean of the reports; from `least` to `most`.
  std::uint64_t least = 0;
  std::uint64_t most = 0;
  std::uint64_t reports = 0;

  friend bool operator==(const MemoryUse&, const MemoryUse&) = default;
};

// Errors: kInvalidArgument if these figures cannot be: not least <= now, average <= most, no
// report, or more bytes than a host can have.
Status Check(const MemoryUse& memory);

// What one report says; absent: was not measured.
struct ResourceReport {
  std::optional<CpuUse> cpu;
  std::optional<std::uint64_t> memory;  // Resident now, in bytes.

  friend bool operator==(const ResourceReport&, const ResourceReport&) = default;
};

struct ResourceUse {
  std::optional<CpuUse> cpu;
  std::optional<MemoryUse> memory;

  bool measured() const { return cpu || memory; }
  // Takes a report whose `cpu` holds by Check(). One that names less CPU time than is known was
  // overtaken on its way: nothing of it is taken.
  void Take(const ResourceReport& report);
  // The task has ended: nothing is at work any more.
  void End();

  friend bool operator==(const ResourceUse&, const ResourceUse&) = default;
};

}  // namespace quell
