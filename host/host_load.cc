#include "host/host_load.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <pthread.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "host/file.h"
#include "host/proc_text.h"
#include "host/signals.h"

namespace quell {
namespace {

std::string TextOf(const char* path) {
  constexpr std::size_t kMax = std::size_t{1} << 20;  // `stat` counts each interrupt of each CPU.
  Result<std::string> text = ReadSmallFile(path, kMax);
  return text ? std::move(*text) : std::string();
}

// nullopt: of nothing, or more than there is.
std::optional<unsigned> Percent(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0 || part > whole) return std::nullopt;
  const double share = static_cast<double>(part) / static_cast<double>(whole);
  return static_cast<unsigned>(share * 100 + 0.5);
}

std::optional<LoadAverages> ParseLoadAverages(std::string_view loadavg) {
  const std::vector<std::string_view> words = Words(loadavg);
  if (words.size() < 3) return std::nullopt;
  const auto one = ParseNumber<double>(words[0]);
  const auto five = ParseNumber<double>(words[1]);
  const auto fifteen = ParseNumber<double>(words[2]);
  if (!one || !five || !fifteen) return std::nullopt;
  const LoadAverages averages{*one, *five, *fifteen};
  if (!Check({averages, {}, {}, {}})) return std::nullopt;
  return averages;
}

// The value of a line "NAME:   123 kB", in kilobytes. `name` with its colon.
std::optional<std::uint64_t> Kilobytes(std::string_view meminfo, std::string_view name) {
  const std::vector<std::string_view> words = Words(meminfo);
  const auto found = std::find(words.begin(), words.end(), name);
  if (words.end() - found < 2) return std::nullopt;
  return ParseNumber<std::uint64_t>(found[1]);
}

std::optional<std::uint64_t> ResidentKilobytes(std::string_view statm) {
  static const auto page_bytes = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::vector<std::string_view> words = Words(statm);
  const auto pages = words.size() < 2 ? std::nullopt : ParseNumber<std::uint64_t>(words[1]);
  if (!pages) return std::nullopt;
  return *pages * (page_bytes / 1024);
}

}  // namespace

HostLoadTexts ReadHostLoadTexts() {
  return {TextOf("/proc/loadavg"), TextOf("/proc/meminfo"), TextOf("/proc/stat"),
          TextOf("/proc/self/statm")};
}

// "cpu  USER NICE SYSTEM IDLE IOWAIT IRQ SOFTIRQ STEAL ...", the first line; what follows is part
// of the first two.
std::optional<HostLoadMeter::CpuTimes> HostLoadMeter::ParseCpuTimes(std::string_view stat) {
  const std::vector<std::string_view> words = Words(stat.substr(0, stat.find('\n')));
  if (words.size() < 9 || words[0] != "cpu") return std::nullopt;
  CpuTimes times;
  for (std::size_t i = 1; i <= 8; ++i) {
    const auto ticks = ParseNumber<std::uint64_t>(words[i]);
    if (!ticks) return std::nullopt;
    times.total += *ticks;
    const bool idle = i == 4 || i == 5;
    if (!idle) times.busy += *ticks;
  }
  return times;
}

HostLoad HostLoadMeter::Measure(const HostLoadTexts& texts) {
  HostLoad load;
  load.averages = ParseLoadAverages(texts.loadavg);
  const std::optional<CpuTimes> now = ParseCpuTimes(texts.stat);
  const auto before = std::exchange(before_, now);
  // A CPU that was taken away takes its times with it.
  if (now && before && now->total >= before->total && now->busy >= before->busy) {
    load.cpu_percent = Percent(now->busy - before->busy, now->total - before->total);
  }
  const auto memory = Kilobytes(texts.meminfo, "MemTotal:");
  const auto available = Kilobytes(texts.meminfo, "MemAvailable:");
  if (memory && available && *available <= *memory) {
    load.memory_percent = Percent(*memory - *available, *memory);
  }
  const auto resident = ResidentKilobytes(texts.statm);
  if (memory && resident) load.daemon_percent = Percent(*resident, *memory);
  return load;
}

class HostLoadWatch::Impl {
 public:
  Impl(Read read, std::chrono::milliseconds interval)
      : read_(std::move(read)), interval_(interval), last_(meter_.Measure(read_())) {
    const BlockSignals inherited_by_the_thread;
    thread_ = std::thread([this] { Loop(); });
    ::pthread_setname_np(thread_.native_handle(), "quell-load");
  }

  ~Impl() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    stop_.notify_all();
    thread_.join();
  }

  HostLoad Last() const {
    const std::lock_guard lock(mutex_);
    return last_;
  }

 private:
  void Loop() {
    std::unique_lock lock(mutex_);
    while (!stop_.wait_for(lock, interval_, [this] { return stopping_; })) {
      lock.unlock();
      const HostLoad load = meter_.Measure(read_());
      lock.lock();
      last_ = load;
    }
  }

  const Read read_;
  const std::chrono::milliseconds interval_;
  HostLoadMeter meter_;       // The constructor's, then the thread's.
  mutable std::mutex mutex_;  // Guards what follows.
  std::condition_variable stop_;
  HostLoad last_;
  bool stopping_ = false;
  std::thread thread_;
};

HostLoadWatch::HostLoadWatch(Read read, std::chrono::milliseconds interval)
    : impl_(std::make_unique<Impl>(std::move(read), interval)) {}
HostLoadWatch::~HostLoadWatch() = default;
HostLoad HostLoadWatch::Last() const {
  return impl_->Last();
}

}  // namespace quell
