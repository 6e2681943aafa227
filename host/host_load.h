// How busy this host is, read from /proc.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "core/host_load.h"
#include "core/limits.h"

namespace quell {

// As the kernel wrote them; empty: cannot be read.
struct HostLoadTexts {
  std::string loadavg;  // /proc/loadavg
  std::string meminfo;  // /proc/meminfo
  std::string stat;     // /proc/stat
  std::string statm;    // /proc/self/statm
};
// Waits for the kernel: about a tenth of a millisecond.
HostLoadTexts ReadHostLoadTexts();

// Makes figures of texts. Not thread-safe.
class HostLoadMeter {
 public:
  // What is missing or malformed is absent in the figures, and hurts no other. The CPU's needs two
  // looks with time between them. Memory counts as used unless programs could have it: what caches
  // files can be had.
  HostLoad Measure(const HostLoadTexts& texts);

 private:
  // Of all CPUs together, since boot, in the kernel's ticks.
  struct CpuTimes {
    std::uint64_t busy = 0;
    std::uint64_t total = 0;
  };
  static std::optional<CpuTimes> ParseCpuTimes(std::string_view stat);

  std::optional<CpuTimes> before_;
};

// Looks again and again, on a thread of its own.
class HostLoadWatch {
 public:
  using Read = std::function<HostLoadTexts()>;

  // Looks for the first time before it returns. `read` is called on one thread at a time.
  explicit HostLoadWatch(Read read = ReadHostLoadTexts,
                         std::chrono::milliseconds interval = limits::kMeasureInterval);
  // Waits for a look that is under way, not for the next one.
  ~HostLoadWatch();
  HostLoadWatch(const HostLoadWatch&) = delete;
  HostLoadWatch& operator=(const HostLoadWatch&) = delete;

  // As of the last look. Thread-safe; never waits for a look.
  HostLoad Last() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace quell
