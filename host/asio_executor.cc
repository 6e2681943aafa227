#include "host/asio_executor.h"

#include <deque>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "core/turn_watch.h"

namespace quell {

namespace asio = boost::asio;

// Asio alone would do neither: it may run what the context's own thread posts after what another
// thread posted later, and its timers belong to one thread.
class AsioExecutor::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& context, const Clock& clock)
      : context_(context), clock_(clock), alarm_(context) {}

  void Post(Work work) {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    posted_.push_back(std::move(work));
    Wake();
  }

  TimerId At(MonoTime when, Work work) {
    const std::lock_guard lock(mutex_);
    if (closed_) return TimerId::kNone;
    const std::uint64_t id = ++last_timer_;
    const auto timer = timers_.emplace(std::pair(when, id), std::move(work)).first;
    moments_.emplace(id, when);
    if (timer == timers_.begin()) Wake();
    return TimerId{id};
  }

  void Cancel(TimerId timer) {
    Work dropped;  // Destroyed outside the lock: it may own what calls us.
    const std::lock_guard lock(mutex_);
    const auto moment = moments_.find(static_cast<std::uint64_t>(timer));
    if (moment == moments_.end()) return;
    const auto entry = timers_.find({moment->second, moment->first});
    dropped = std::move(entry->second);
    timers_.erase(entry);
    moments_.erase(moment);
    if (timers_.empty()) Wake();  // The alarm would keep the context running.
  }

  void Close() {
    std::deque<Work> posted;
    std::map<std::pair<MonoTime, std::uint64_t>, Work> timers;
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
      posted.swap(posted_);
      timers.swap(timers_);
      moments_.clear();
    }
    alarm_.cancel();
  }

  const Clock& clock() const { return clock_; }

 private:
  // With the lock held. One turn at a time is on its way to the context.
  void Wake() {
    if (turn_coming_) return;
    turn_coming_ = true;
    asio::post(context_, [self = shared_from_this()] { self->Turn(); });
  }

  // Runs what was posted before it began; what is posted meanwhile gets the next turn, so that the
  // context's sockets get theirs.
  void Turn() {
    std::size_t count = 0;
    {
      const std::lock_guard lock(mutex_);
      turn_coming_ = false;
      count = posted_.size();
    }
    for (; count > 0; --count) {
      Work work;
      {
        const std::lock_guard lock(mutex_);
        if (posted_.empty()) break;  // Closed by the work before.
        work = std::move(posted_.front());
        posted_.pop_front();
      }
      Run(work);
    }
    Arm();
  }

  void RunDue() {
    const MonoTime now = clock_.Now();
    for (;;) {
      Work work;
      {
        const std::lock_guard lock(mutex_);
        const auto first = timers_.begin();
        if (first == timers_.end() || first->first.first > now) break;
        work = std::move(first->second);
        moments_.erase(first->first.second);
        timers_.erase(first);
      }
      Run(work);
    }
    Arm();
  }

  static void Run(const Work& work) {
    const quell::Turn turn(work.target_type());  // Not the member of this name.
    work();
  }

  // On the context's thread. Sets the alarm for the earliest timer.
  void Arm() {
    MonoTime earliest;
    {
      const std::lock_guard lock(mutex_);
      if (closed_) return;
      earliest = timers_.empty() ? MonoTime::max() : timers_.begin()->first.first;
    }
    if (earliest == armed_for_) return;
    armed_for_ = earliest;
    if (earliest == MonoTime::max()) {
      alarm_.cancel();
      return;
    }
    alarm_.expires_after(earliest - clock_.Now());
    alarm_.async_wait([self = shared_from_this()](boost::system::error_code cancelled) {
      if (cancelled) return;
      self->armed_for_ = MonoTime::max();
      self->RunDue();
    });
  }

  asio::io_context& context_;
  const Clock& clock_;

  // Of the context's thread.
  asio::steady_timer alarm_;
  MonoTime armed_for_ = MonoTime::max();

  std::mutex mutex_;  // Guards what follows.
  bool closed_ = false;
  bool turn_coming_ = false;
  std::uint64_t last_timer_ = 0;
  std::deque<Work> posted_;
  std::map<std::pair<MonoTime, std::uint64_t>, Work> timers_;
  std::unordered_map<std::uint64_t, MonoTime> moments_;  // Of each pending timer.
};

AsioExecutor::AsioExecutor(asio::io_context& context, const Clock& clock)
    : impl_(std::make_shared<Impl>(context, clock)) {}
AsioExecutor::~AsioExecutor() {
  impl_->Close();
}
void AsioExecutor::Post(Work work) {
  impl_->Post(std::move(work));
}
TimerId AsioExecutor::At(MonoTime when, Work work) {
  return impl_->At(when, std::move(work));
}
void AsioExecutor::Cancel(TimerId timer) {
  impl_->Cancel(timer);
}
const Clock& AsioExecutor::clock() const {
  return impl_->clock();
}

}  // namespace quell
