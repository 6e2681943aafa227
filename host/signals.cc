#include "host/signals.h"

#include <csignal>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

namespace quell {

void IgnoreWriteSignals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
}

BlockSignals::BlockSignals() {
  sigset_t all;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before_);
}

BlockSignals::~BlockSignals() {
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

class StopSignals::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(boost::asio::io_context& context, Executor& executor, std::function<void(int)> on_signal)
      : context_(context),
        executor_(executor),
        on_signal_(std::move(on_signal)),
        signals_(context, SIGTERM, SIGINT) {}

  // On the context's thread, except for the first time.
  void Wait() {
    signals_.async_wait([self = shared_from_this()](boost::system::error_code error, int signal) {
      if (error) return;
      self->executor_.Post([self, signal] {
        if (self->on_signal_) self->on_signal_(signal);
      });
      self->Wait();
    });
  }

  void Close() {
    on_signal_ = nullptr;
    boost::asio::post(context_, [self = shared_from_this()] {
      boost::system::error_code ignored;
      self->signals_.cancel(ignored);
      self->signals_.clear(ignored);
    });
  }

 private:
  boost::asio::io_context& context_;
  Executor& executor_;
  std::function<void(int)> on_signal_;  // Of the executor's thread.
  boost::asio::signal_set signals_;     // Of the context's thread.
};

StopSignals::StopSignals(boost::asio::io_context& context, Executor& executor,
                         std::function<void(int)> on_signal)
    : impl_(std::make_shared<Impl>(context, executor, std::move(on_signal))) {
  impl_->Wait();
}

StopSignals::~StopSignals() {
  impl_->Close();
}

}  // namespace quell
