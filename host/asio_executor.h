// core/executor.h over an Asio context, which one thread runs.
#pragma once

#include <memory>

#include "core/executor.h"

namespace boost::asio {
class io_context;
}

namespace quell {

// What is posted runs in the order of the calls, whatever thread they came from; a posted work that
// is waiting and a timer that is pending keep the context's run() from returning. Context and clock
// must outlive the executor. To be destroyed on the context's thread or when nobody runs it: what
// has not run by then never will.
class AsioExecutor final : public Executor {
 public:
  AsioExecutor(boost::asio::io_context& context, const Clock& clock);
  ~AsioExecutor() override;
  AsioExecutor(const AsioExecutor&) = delete;
  AsioExecutor& operator=(const AsioExecutor&) = delete;

  void Post(Work work) override;
  TimerId At(MonoTime when, Work work) override;
  void Cancel(TimerId timer) override;
  const Clock& clock() const override;

 private:
  class Impl;
  std::shared_ptr<Impl> impl_;  // Shared with the context's handlers, which may outlive us.
};

}  // namespace quell
